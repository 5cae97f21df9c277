"""Edge: waits until the background is loaded: every job in an iteration, its load steady."""

from __future__ import annotations

import time

from energyctl.background import Background
from energyctl.errors import RunError
from energyctl.live import Live
from energyctl.steadiness import FEWEST, Steadiness

TICK_SECONDS, SHORTEST_TICK_SECONDS = 0.5, 0.1


class Gauge:
    """Figures of the load, from the CPU time of each job's processes and the GPUs' own word."""

    def __init__(self, live: Live, background: Background) -> None:
        self._live, self._background = live, background
        self._time, self._spent = time.monotonic(), dict[str, float]()

    def read(self) -> dict[str, float]:
        """CPU cores in use per job since the last reading; utilisation and power per GPU."""
        now, spent = time.monotonic(), self._background.cpu_seconds()
        figures = {
            f"{job} cores": max(0.0, seconds - self._spent.get(job, 0.0)) / (now - self._time)
            for job, seconds in spent.items()
        }
        self._time, self._spent = now, spent
        gpus = self._live.sampler.latest().gpus
        self._live.sampler.look()
        for gpu in gpus:
            if gpu.utilization_percent is not None:
                figures[f"gpu-{gpu.gpu} percent"] = gpu.utilization_percent
            if gpu.power_watts is not None:
                figures[f"gpu-{gpu.gpu} watts"] = gpu.power_watts
        return figures

    def busiest_gpu_percent(self) -> float:
        gpus = self._live.sampler.latest().gpus
        return max((gpu.utilization_percent or 0.0 for gpu in gpus), default=0.0)


def settle(live: Live, background: Background) -> None:
    """Waits until every job is in an iteration and no figure of the load trends.

    What it saw is in ``live.settled``. After ``timeout_seconds`` a warning, or RunError where
    the settings say ``fail``.
    """
    wanted, began = live.context.settings.settle, time.monotonic()
    steadiness, gauge = Steadiness(wanted.seconds), Gauge(live, background)
    tick = min(TICK_SECONDS, max(wanted.seconds / FEWEST, SHORTEST_TICK_SECONDS))
    elapsed = 0.0
    live.moving = "waiting for the first figures"
    while live.moving is not None and elapsed < wanted.timeout_seconds:
        live.context.interrupts.wait(tick)
        elapsed = time.monotonic() - began
        steadiness.add(time.monotonic(), gauge.read())
        live.moving = _waiting_for(background)
        if live.moving is not None:
            steadiness.restart()
        elif gauge.busiest_gpu_percent() < (wanted.min_gpu_utilization or 0.0):
            percent = gauge.busiest_gpu_percent()
            live.moving = f"GPU utilisation {percent:.0f} % < {wanted.min_gpu_utilization:g} %"
        else:
            live.moving = steadiness.moving()
        live.tick()
    live.settled = {
        "seconds": elapsed,
        "steady": live.moving is None,
        "moving": live.moving,
        "figures": steadiness.latest(),
    }
    moving, live.moving = live.moving, None
    if moving is not None:
        text = f"the background was not steady after {wanted.timeout_seconds:g} s: {moving}"
        if wanted.on_timeout == "fail":
            raise RunError(text)
        live.warnings.append(text)


def _waiting_for(background: Background) -> str | None:
    """The jobs that are in no iteration; one between two good iterations counts as running."""
    away = [
        view.name
        for view in background.views()
        if not view.running and view.iterations <= view.failures
    ]
    return f"waiting for {', '.join(away)} to run" if away else None
