"""How often a source's values move, by how much, and its power: read densely for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median

from energyctl.energy import Domain
from energyctl.meters.base import Reading, Source, readings_of

# Between two looks: four to a step of a counter that moves each millisecond.
LOOK_SECONDS = 0.00025


@dataclass
class ProbedDomain:
    """The readings of one domain, in time order."""

    domain: Domain
    times: list[float] = field(default_factory=list)  # monotonic
    values: list[float] = field(default_factory=list)  # joules, wraps followed; or watts
    reason: str | None = None  # of a read that failed
    _raw: float = 0.0

    def add(self, reading: Reading) -> None:
        if reading.value is None:
            self.reason = reading.reason or "a read failed"
            return
        value, self._raw, before = reading.value, reading.value, self._raw
        if self.domain.quantity == "energy" and self.values:
            step = value - before
            if step < 0:
                step += self.domain.wrap_joules or 0.0
            value = self.values[-1] + step
        self.times.append(reading.time)
        self.values.append(value)

    def moves(self) -> list[int]:
        """Places at which the value is another than before."""
        return [i + 1 for i, (a, b) in enumerate(pairwise(self.values)) if a != b]

    def update_seconds(self) -> float | None:
        """Usual time between two moves; None: it moved too seldom to tell."""
        apart = [self.times[b] - self.times[a] for a, b in pairwise(self.moves())]
        # Each is off by up to a look, which the mean evens out; longer ones hide a move.
        return fmean(a for a in apart if a <= 1.5 * median(apart)) if apart else None

    def look_seconds(self) -> float | None:
        """Usual time between two looks, and so the finest pace that could be seen."""
        return median(b - a for a, b in pairwise(self.times)) if len(self.times) > 1 else None

    def steps(self) -> list[float]:
        """Sizes of the moves."""
        return [abs(self.values[i] - self.values[i - 1]) for i in self.moves()]

    def watts(self) -> float | None:
        """Mean power; of a counter from its first move to its last. None: it did not move."""
        if self.domain.quantity == "power":
            return fmean(self.values) if self.values else None
        moves = self.moves()
        if len(moves) < 2:
            return None
        first, last = moves[0], moves[-1]
        seconds = self.times[last] - self.times[first]
        joules = self.values[last] - self.values[first]
        return joules / seconds if seconds > 0 and joules > 0 else None


def probe_sources(sources: Sequence[Source], seconds: float) -> dict[str, ProbedDomain]:
    """Reads all sources densely for `seconds`, each in a thread of its own; by domain's name."""
    probed = {d.name: ProbedDomain(d) for s in sources for d in s.domains() if d.missing is None}
    threads = [
        threading.Thread(target=_look, args=(source, probed, seconds), name=f"probe-{source.name}")
        for source in sources
        if any(d.missing is None for d in source.domains())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return probed


def _look(source: Source, probed: dict[str, ProbedDomain], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for reading in readings_of(source):
            if reading.domain in probed:
                probed[reading.domain].add(reading)
        time.sleep(LOOK_SECONDS)
