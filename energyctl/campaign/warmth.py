"""Runs of blocks begin as warm as each other: a gate before each run but the first.

A GPU that is warmer leaks more current, and clocks lower: what comes second in a block would pay
for what came first.
"""

from __future__ import annotations

from collections.abc import Mapping

from energyctl.campaign.run_state import RunState

TOLERANCE_CELSIUS = 2.0
LONGEST_SECONDS = 300.0


def note_start(live: RunState) -> None:
    """Keeps how warm the GPUs are as the run begins; a warning where the last one began cooler."""
    before, now = live.context.warmth, celsius(live)
    if before is None:
        return
    if warmer := _warmer(now, before.at_start):
        live.warnings.append(f"the run began warmer than the one before it: {warmer}")
    before.at_start.update(now)


def wait_until_as_cool(live: RunState) -> None:
    """At the end of a cool-down: until each GPU is as cool as when the run began."""
    before = live.context.warmth
    if before is None or not _warmer(celsius(live), before.at_start):
        return

    def as_cool() -> bool:
        live.moving = _warmer(celsius(live), before.at_start)
        return live.moving is None

    try:
        live.pause(LONGEST_SECONDS, until=as_cool)
    finally:
        live.moving = None


def celsius(live: RunState) -> dict[int, float]:
    """Temperature of each GPU that tells it."""
    known = {gpu.gpu: gpu.temperature_celsius for gpu in live.sampler.latest().gpus}
    return {gpu: value for gpu, value in known.items() if value is not None}


def _warmer(now: Mapping[int, float], before: Mapping[int, float]) -> str | None:
    """Which GPUs are, in words."""
    lines = [
        f"GPU {gpu} at {value:.0f} °C, {before[gpu]:.0f} °C then"
        for gpu, value in now.items()
        if value > before.get(gpu, value) + TOLERANCE_CELSIUS
    ]
    return ", ".join(lines) or None
