"""The machine at rest: before anything of a run is started, and after it."""

from __future__ import annotations

from contextlib import suppress

from energyctl.campaign.run_state import RunState
from energyctl.campaign.warmth import wait_until_as_cool
from energyctl.config.settings import Settings
from energyctl.errors import Interrupted


def idle(live: RunState) -> None:
    """The machine before anything of the run is started."""
    shared = live.context.shared_idle
    if shared is not None and shared.baseline is not None:
        return
    live.watch_from(alone=True)
    try:
        live.sampler.phase("idle")
        live.pause(live.context.settings.idle_seconds)
    finally:
        live.watch_until("idle")


def cool_down(live: RunState) -> None:
    """Rests for ``cooldown_seconds``, or until the GPUs are as cool as the settings ask; in blocks
    until they are as cool as when the run began."""
    limit = live.context.settings.cooldown_until_celsius

    def cool_enough() -> bool:
        known = [gpu.temperature_celsius for gpu in live.sampler.latest().gpus]
        celsius = [value for value in known if value is not None]
        return limit is not None and bool(celsius) and max(celsius) <= limit

    live.pause(live.context.settings.cooldown_seconds, until=cool_enough)
    wait_until_as_cool(live)


def seconds_at_the_end(settings: Settings) -> float:
    """How long the machine rests after the last run: for a baseline as long as that before it."""
    return settings.idle_seconds if settings.idle_seconds <= settings.cooldown_seconds else 0.0


def rest_at_the_end(live: RunState) -> None:
    """Rests so long; a signal ends it, and nothing is lost by that."""
    with suppress(Interrupted):
        live.pause(seconds_at_the_end(live.context.settings))
