"""A meter whose readings are a script."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from energyctl.energy import Domain, Energy
from energyctl.meters import Reading, Source
from energyctl.meters.sampler import Sampler


class ScriptedMeter(Source):
    """Each domain's value comes from a function of the monotonic time; it may raise."""

    name = "scripted"

    def __init__(self, values: dict[Domain, Callable[[float], float | None]]) -> None:
        self._values = values
        self.reads = 0

    def domains(self) -> Sequence[Domain]:
        return tuple(self._values)

    def read(self) -> Sequence[Reading]:
        self.reads += 1
        readings = []
        for domain, value_at in self._values.items():
            now = time.monotonic()
            value = value_at(now)
            readings.append(
                Reading(domain.name, now, value, None if value is not None else "it is gone")
            )
        return readings


def energy_of(
    source: Source, seconds: float, *, interval: float = 0.5, located: bool = False
) -> Energy:
    """Of so long, by a sampler of its own; then the source is closed. located: it begins once the
    counters' steps are known."""
    sampler = Sampler([source], interval_seconds=interval)
    sampler.start()
    if located:
        sampler.wait_until_located()
    start = sampler.phase("one")
    time.sleep(seconds)
    end = sampler.phase("two")
    energy = sampler.stop().energy(start, end)
    source.close()
    return energy
