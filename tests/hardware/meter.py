"""A meter whose readings are a script."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from energyctl.energy import Domain
from energyctl.meters import Reading, Source


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
