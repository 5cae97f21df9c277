"""Waits until the background is loaded: every job in an iteration, its load steady."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from energyctl.background.group import BackgroundGroup
from energyctl.background.job_view import JobView
from energyctl.background.load_monitor import LoadMonitor
from energyctl.background.steady_state import FEWEST, Steadiness
from energyctl.campaign.run_state import RunState
from energyctl.errors import RunError
from energyctl.results.background_load import CLOSE_SECONDS
from energyctl.results.schema import SettleJson

TICK_SECONDS, SHORTEST_TICK_SECONDS = 0.5, 0.1

UNITS = ("percent", "cores")
"""Of the figures of a job."""

FAILURES = 3
"""A job that failed so often in a row, and does not stay, is not waited for any longer."""


class LoadFigures:
    """Figures of the load: by the processes of each job, and of the GPUs.

    Of a job: the utilisation of GPUs by its processes, or, where it is on none, or the driver
    does not tell, CPU cores in use since the last reading. Of a GPU: its power, and its
    utilisation where that is not told by process.
    """

    def __init__(self, live: RunState, loads: LoadMonitor) -> None:
        self._sampler, self._loads = live.sampler, loads
        self.busiest_gpu_percent = 0.0
        loads.look()
        self._time = loads.latest

    def read(self) -> dict[str, float]:
        self._loads.look()
        before, self._time = self._time, self._loads.latest
        since_last = self._loads.between(before, self._time, shortest_seconds=0.0)
        # The driver's samples come up to a second apart.
        lately = self._loads.between(self._time - CLOSE_SECONDS, self._time, shortest_seconds=0.0)
        figures, percents = dict[str, float](), [0.0]
        for job, load in since_last.items():
            percent = lately[job].gpu_percent
            if percent is not None:
                figures[f"{job} percent"] = percent
                percents.append(percent)
            elif load.cpu_cores is not None:
                figures[f"{job} cores"] = load.cpu_cores
        gpus = self._sampler.latest().gpus
        self._sampler.look()
        for gpu in gpus:
            percents.append(gpu.utilization_percent or 0.0)
            if gpu.utilization_percent is not None and not self._loads.tells(gpu.gpu):
                figures[f"gpu-{gpu.gpu} percent"] = gpu.utilization_percent
            if gpu.power_watts is not None:
                figures[f"gpu-{gpu.gpu} watts"] = gpu.power_watts
        self.busiest_gpu_percent = max(percents)
        return figures


BETWEEN_SECONDS = 2.0
"""Longer is nobody between two good iterations: it was stopped."""


class JobWatch:
    """Which jobs are in an iteration, and which do nothing but fail.

    One that is between two good iterations is in one; one that has failed is not, until the next.
    """

    def __init__(self, seconds: float, between_seconds: float = BETWEEN_SECONDS) -> None:
        """seconds: so long has one to run that has failed :data:`FAILURES` times in a row.
        between_seconds: no longer lasts the time between two good iterations."""
        self._seconds, self._between = seconds, between_seconds
        self._good = dict[str, int]()
        self._failures_before = dict[str, int]()  # the last good iteration
        self._running_since = dict[str, float]()
        self.away: list[str] = []
        self.failing: dict[str, int] = {}
        """How often in a row, by job."""

    def see(self, views: Sequence[JobView], now: float) -> None:
        self.away, self.failing = [], {}
        for view in views:
            good = view.iterations - view.failures - view.running
            if good > self._good.get(view.name, 0):
                self._good[view.name] = good
                self._failures_before[view.name] = view.failures
            in_a_row = view.failures - self._failures_before.get(view.name, 0)
            if view.running:
                since = self._running_since.setdefault(view.name, now)
            else:
                self._running_since.pop(view.name, None)
            stays = view.running and now - since >= self._seconds
            if in_a_row >= FAILURES and not stays:
                self.failing[view.name] = in_a_row
            elif not view.running and (not good or in_a_row or view.away_seconds > self._between):
                self.away.append(view.name)

    def without_failing(self, figures: Mapping[str, float]) -> dict[str, float]:
        """Those figures that have to become steady."""
        names = figures.keys() - {f"{job} {unit}" for job in self.failing for unit in UNITS}
        return {name: figures[name] for name in figures if name in names}


class SettleWait:
    """The looks at one background until it is loaded."""

    def __init__(self, live: RunState, background: BackgroundGroup, loads: LoadMonitor) -> None:
        self._wanted, self._background = live.context.settings.settle, background
        self._gauge, self._figures = LoadFigures(live, loads), dict[str, float]()
        self._steadiness = Steadiness(self._wanted.seconds)
        delay = max(job.restart_delay_seconds for job in background.rendered.jobs)
        self._attendance = JobWatch(self._wanted.seconds, BETWEEN_SECONDS + delay)
        self._now = live.sampler.now

    def look(self) -> str | None:
        """What is still waited for, after one more look; None: nothing."""
        self._figures, now = self._gauge.read(), time.monotonic()
        attendance, steadiness = self._attendance, self._steadiness
        views = self._background.views(self._now())
        attendance.see(views, now)
        steadiness.add(now, attendance.without_failing(self._figures))
        if attendance.away:
            steadiness.restart()
            return f"waiting for {', '.join(attendance.away)} to run"
        if len(attendance.failing) == len(views):
            return None
        percent, least = self._gauge.busiest_gpu_percent, self._wanted.min_gpu_utilization or 0.0
        if percent < least:
            return f"GPU utilisation {percent:.0f} % < {least:g} %"
        return steadiness.moving()

    def failing(self) -> list[str]:
        failing = self._attendance.failing.items()
        return [f"{job} failed {times} times in a row" for job, times in failing]

    def seen(self, seconds: float, moving: str | None) -> SettleJson:
        """What the load looked like after so long; *moving*: what was not steady."""
        return {
            "seconds": seconds,
            "steady": moving is None,
            "moving": moving,
            "figures": self._figures,
            "window_seconds": self._steadiness.span_seconds,
            "trends": {
                name: {"mean": trend.mean, "drift": trend.drift}
                for name, trend in self._steadiness.trends().items()
            },
        }


def settle(live: RunState, background: BackgroundGroup) -> None:
    """Waits until every job is in an iteration and no figure of the load trends.

    What it saw is in ``live.settled``. After ``timeout_seconds``, or when nothing but failing
    jobs is left to wait for, a warning, or RunError where the settings say ``fail``.
    """
    wanted, began = live.context.settings.settle, time.monotonic()
    jobs = [job.name for job in background.rendered.jobs]
    background.loads = LoadMonitor(
        live.context.meters, jobs, background.files.background_logs, live.sampler.now
    )
    wait = SettleWait(live, background, background.loads)
    tick = min(TICK_SECONDS, max(wanted.seconds / FEWEST, SHORTEST_TICK_SECONDS))
    elapsed, live.moving = 0.0, "waiting for the first figures"
    # Copies that begin later have the same time to become steady.
    timeout = wanted.timeout_seconds + max(j.first_delay_seconds for j in background.rendered.jobs)
    live.until = time.time() + timeout
    while live.moving is not None and elapsed < timeout:
        live.context.interrupts.wait(tick)
        live.moving = wait.look()
        elapsed = time.monotonic() - began
        live.tick()
    reasons = [*([live.moving] if live.moving else []), *wait.failing()]
    moving, live.moving, live.until = "; ".join(reasons) or None, None, None
    live.settled = wait.seen(elapsed, moving)
    if moving is not None:
        text = f"the background was not steady after {elapsed:.1f} s: {moving}"
        if wanted.on_timeout == "fail":
            raise RunError(text)
        live.warnings.append(text)
