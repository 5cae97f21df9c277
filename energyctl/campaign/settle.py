"""Waits until the background is loaded: every job shows its load, and its cycles are alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from energyctl.background.counts import CountWatch
from energyctl.background.entries import Job
from energyctl.background.epochs import EpochWatch
from energyctl.background.group import BackgroundGroup
from energyctl.background.job_logs import JobLogs
from energyctl.background.job_view import JobView
from energyctl.background.load_monitor import LoadMonitor
from energyctl.background.log_reader import LogReader
from energyctl.background.steady_state import JobLook, Settling
from energyctl.campaign.load_figures import LoadFigures, PowerReader
from energyctl.campaign.run_state import RunState
from energyctl.campaign.training.invocations import background_name
from energyctl.config.places import VISIBLE
from energyctl.config.registry import Repository
from energyctl.errors import RunError
from energyctl.meters.base import HIDDEN
from energyctl.results.cycles import BETWEEN_SECONDS, Cycle, typical_seconds
from energyctl.results.schema import SettleJson
from energyctl.text import short_duration

TICK_SECONDS, SHORTEST_TICK_SECONDS = 0.5, 0.1
LOOKS = 5
"""In `seconds`, at least."""

CURE = (
    "make settle.timeout_seconds several iterations long, or the background's iterations shorter, "
    "or give its registry entry a progress pattern, so that its epochs count"
)

FAILURES = 3
"""A job that failed so often in a row, and does not stay, is not waited for any longer."""


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


class SettleWait:
    """The looks at one background until it is loaded."""

    def __init__(self, live: RunState, background: BackgroundGroup, loads: LoadMonitor) -> None:
        self._wanted, self._background = live.context.settings.settle, background
        self._jobs = {job.name: job for job in background.rendered.jobs}
        self._trainings = {name: repr(job.training) for name, job in self._jobs.items()}
        self._sampler, self._in_vain = live.sampler, live.context.in_vain
        self._began = live.sampler.now()
        # Copies that begin later have the same time to become steady.
        delay = max(job.first_delay_seconds for job in self._jobs.values())
        self.timeout = self._wanted.timeout_seconds + delay
        self._gauge, self._figures = LoadFigures(live, loads), dict[str, float]()
        self._settling = Settling(self._wanted.seconds, self._began + self.timeout)
        between = BETWEEN_SECONDS + max(j.restart_delay_seconds for j in self._jobs.values())
        self._attendance = JobWatch(self._wanted.seconds, between)
        self._looks, self._failed = list[JobLook](), set[str]()

    def look(self) -> str | None:
        """What is still waited for, after one more look; None: nothing."""
        self._figures, now = self._gauge.read(), self._sampler.now()
        attendance, views = self._attendance, self._background.views(now)
        attendance.see(views, time.monotonic())
        self._settling.away(now, [*attendance.away, *attendance.failing])
        self._looks = []
        if attendance.away:
            return f"waiting for {', '.join(attendance.away)} to run"
        there = [view for view in views if view.name not in attendance.failing]
        if not there:
            return None
        percent, least = self._gauge.busiest_gpu_percent, self._wanted.min_gpu_utilization or 0.0
        if percent < least:
            return f"GPU utilisation {percent:.0f} % < {least:g} %"
        cycles = self._background.cycles_in_units(self._wanted.longest_iteration_seconds)
        self._looks = [self._look_at(view, *cycles[view.name], now) for view in there]
        self._failed = {view.name for view in there if view.failures}
        domains = {name for look in self._looks for name in self._gauge.on[look.name]}
        return self._settling.look(now, self._looks, PowerReader(self._sampler, domains).between)

    @property
    def since(self) -> float | None:
        return self._settling.since

    def _look_at(self, view: JobView, cycles: Sequence[Cycle], unit: str, now: float) -> JobLook:
        training = self._trainings[view.name]
        on_cpus = bool(cycles) or self._hides_gpus(view.name) or training in self._in_vain.signs
        gpus = self._jobs[view.name].placed.gpus
        indices = None if gpus is None else {gpu.index for gpu in gpus}
        missing = self._gauge.missing(view.name, on_cpus=on_cpus, gpus=indices)
        return JobLook(
            view.name,
            began=now if view.began is None else view.began,
            loaded=missing is None or training in self._in_vain.signs,
            missing=missing or "",
            cycles=cycles,
            unit=unit,
            endless=training in self._in_vain.cycles,
        )

    def _hides_gpus(self, job: str) -> bool:
        environment = {**self._background.environment, **dict(self._jobs[job].environment)}
        return environment.get(VISIBLE) in ("", *HIDDEN)

    def verdict(self, moving: str | None) -> tuple[bool | None, str | None]:
        """Whether the load is steady (None: nobody can tell), and why it is not known to be.

        *moving*: what is still waited for. What was waited for in vain is remembered.
        """
        failing = self._attendance.failing.items()
        reasons = [f"{job} failed {times} times in a row" for job, times in failing]
        if not reasons and (doubts := self._doubts(moving)):
            return None, "; ".join([*doubts, CURE])
        reasons[:0] = [moving] if moving else []
        return not reasons, "; ".join(reasons) or None

    def _doubts(self, moving: str | None) -> list[str]:
        """Why nobody can tell whether the load is steady; nothing where it can be told."""
        settling, now, doubts = self._settling, self._sampler.now(), list[str]()
        for look in self._looks:
            loaded, lasted = look.name in settling.loaded, short_duration(now - look.began)
            if look.name in self._failed or (loaded and look.name not in settling.unseen):
                continue
            self._in_vain.cycles.add(self._trainings[look.name])
            what = f"no whole {look.unit}"
            if not loaded:
                self._in_vain.signs.add(self._trainings[look.name])
                what = f"neither a load ({look.missing}) nor a whole {look.unit}"
            doubts.append(f"{what} of {look.name} was seen ({lasted} so far)")
        if doubts or self._failed or not self._looks:
            return doubts
        if moving is not None and not settling.trends:
            doubts.append(moving)
        if moving is None and len(settling.cycles) == 1:
            lasted = short_duration(settling.cycles[0].seconds)
            doubts.append(f"only one whole {settling.unit} was seen ({lasted})")
        return doubts

    def seen(self, steady: bool | None, why: str | None) -> SettleJson:
        """What the load looked like."""
        settling, cycles = self._settling, self._settling.cycles
        return {
            "seconds": self._sampler.now() - self._began,
            "steady": steady,
            "moving": why,
            "figures": self._figures,
            "loaded": {
                job: settling.loaded[job] - self._began if job in settling.loaded else None
                for job in self._jobs
            },
            "iterations": len(cycles),
            "iteration_seconds": typical_seconds(cycles),
            "iteration_is": settling.unit,
            "window_seconds": cycles[-1].end - cycles[0].start if cycles else 0.0,
            "trends": {
                f"{name} watts": {"mean": trend.mean, "drift": trend.drift}
                for name, trend in settling.trends.items()
            },
        }


def settle(live: RunState, background: BackgroundGroup) -> None:
    """Waits until every job shows its load, and the whole cycles seen since are alike.

    What it saw is in ``live.settled``, and since when the load is up in ``live.loaded_since``.
    After ``timeout_seconds``, where nothing but failing jobs is left to wait for, or where nobody
    can tell, a warning, or RunError where the settings say ``fail``.
    """
    wanted, jobs = live.context.settings.settle, background.rendered.jobs
    background.loads = LoadMonitor(
        live.context.meters,
        [job.name for job in jobs],
        background.files.background_logs,
        live.sampler.now,
        background.saw,
        dict if live.context.watch.containers is None else live.context.watch.containers.look,
    )
    watch_logs(live, background)
    wait = SettleWait(live, background, background.loads)
    tick = min(TICK_SECONDS, max(wanted.seconds / LOOKS, SHORTEST_TICK_SECONDS))
    began, live.moving = time.monotonic(), "waiting for the first figures"
    live.until = time.time() + wait.timeout
    while live.moving is not None and time.monotonic() - began < wait.timeout:
        live.context.interrupts.wait(tick)
        live.moving = wait.look()
        live.tick()
    live.loaded_since = wait.since
    steady, why = wait.verdict(live.moving)
    live.settled = wait.seen(steady, why)
    live.moving = live.until = None
    if steady:
        return
    seconds = live.settled["seconds"]
    text = f"the background was not steady after {seconds:.1f} s: {why}"
    if steady is None:
        text = f"it is not known whether the background is steady after {seconds:.1f} s: {why}"
    if wanted.on_timeout == "fail":
        raise RunError(text)
    live.warnings.append(text)


def watch_logs(live: RunState, background: BackgroundGroup) -> None:
    """Has the jobs' logs looked at: for the epochs of long iterations, and for their work. Where
    the background was started anew, the logs are read on."""
    jobs = {job.name: job for job in background.rendered.jobs}
    of = {name: _repository(live, job) for name, job in jobs.items()}
    progress = {name: one.progress for name, one in of.items() if one.progress is not None}
    works = {name: one.work for name, one in of.items() if one.work is not None}
    patterns = progress | {name: work.pattern for name, work in works.items()}
    live.logs = live.logs or JobLogs(
        {name: LogReader(Path(jobs[name].logs)) for name in patterns},
        counts={name: CountWatch(pattern) for name, pattern in patterns.items()},
        units={name: work.unit for name, work in works.items()},
    )
    epochs = {name: EpochWatch(pattern) for name, pattern in progress.items()}
    background.logs = replace(live.logs, epochs=epochs)


def _repository(live: RunState, job: Job) -> Repository:
    """That of its training, with its patterns filled in."""
    name = background_name(job.name)
    return live.context.trainings.resolved(job.training, live.files, name)
