"""How often a source's values move, by how much, and its power: read densely for a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import fmean, median

from energyctl.energy import Domain
from energyctl.meters.base import Reading, Source, readings_of

# Between two looks: four to a step of a counter that moves each millisecond.
LOOK_SECONDS = 0.00025
# Of what is asked over a network every second, two answers are waited for.
REMOTE_SECONDS, REMOTE_LOOK_SECONDS = 2.5, 0.1
# A counter that is said to move more often than this is looked at so many times at most, or until
# it has moved so often, to see whether it does.
FINE_SECONDS = 0.005
PERIOD_LOOKS, PERIOD_MOVES = 100, 8
# What a first look at a machine needs of each domain: its power, and about how often it moves.
GLANCE_SECONDS, GLANCE_MOVES = 0.2, 8
# A period so many times as long as stated, and as the time between two looks, is believed.
LONGER = 2.0


@dataclass
class ProbedDomain:
    """The readings of one domain, in time order."""

    domain: Domain
    times: list[float] = field(default_factory=list)  # monotonic
    values: list[float] = field(default_factory=list)  # joules, wraps followed; or watts
    took: list[float] = field(default_factory=list)  # seconds of each read
    reason: str | None = None  # of a read that failed
    moved: int = 0
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
        self.moved += bool(self.values) and value != self.values[-1]
        self.times.append(reading.time)
        self.values.append(value)
        self.took.append(reading.seconds)

    def moves(self) -> list[int]:
        """Places at which the value is another than before."""
        return [i + 1 for i, (a, b) in enumerate(pairwise(self.values)) if a != b]

    def update_seconds(self) -> float | None:
        """Usual time between two moves; None: it moved too seldom to tell."""
        apart = [self.times[b] - self.times[a] for a, b in pairwise(self.moves())]
        # Each is off by up to a look, which the mean evens out; longer ones hide a move.
        longest = 1.5 * median(apart) if apart else 0.0
        return fmean(a for a in apart if a <= longest) if apart else None

    def look_seconds(self) -> float | None:
        """Usual time between two looks, and so the finest pace that could be seen."""
        return median(b - a for a, b in pairwise(self.times)) if len(self.times) > 1 else None

    def as_seen(self) -> Domain:
        """The domain with its period, where that is longer than stated."""
        if self.domain.remote:  # it is asked too seldom to tell
            return self.domain
        update, look = self.update_seconds(), self.look_seconds()
        if update is None or look is None:
            return self.domain
        if update < LONGER * max(look, self.domain.update_seconds):
            return self.domain
        return replace(self.domain, update_seconds=update)

    def paced(self) -> Domain:
        """The domain with the period at which it moves, also where that is shorter than stated."""
        update = self.update_seconds()
        if update is None or self.domain.remote or self.domain.update_seconds < FINE_SECONDS:
            return self.as_seen()
        return replace(self.domain, update_seconds=max(FINE_SECONDS, float(f"{update:.1e}")))

    def read_seconds(self) -> float:
        """Usual time of a read, to one digit."""
        return float(f"{median(self.took):.0e}") if self.took else 0.0

    def steps(self) -> list[float]:
        """Sizes of the moves."""
        return [abs(self.values[i] - self.values[i - 1]) for i in self.moves()]

    def watts(self) -> float | None:
        """Mean power; of a counter from its first move to its last. None: it did not move."""
        if self.domain.quantity == "power":
            return fmean(self.values) if self.values else None
        moves = list(range(len(self.values))) if self.domain.remote else self.moves()
        if len(moves) < 2:
            return None
        first, last = moves[0], moves[-1]
        seconds = self.times[last] - self.times[first]
        joules = self.values[last] - self.values[first]
        return joules / seconds if seconds > 0 and joules > 0 else None


def domains_as_seen(sources: Sequence[Source]) -> tuple[Domain, ...]:
    """All domains, with the periods at which the fine counters of quick sources move just now.

    Takes 10 ms where they move each millisecond, at most some 50 ms.
    """
    fine = {d.name: ProbedDomain(d) for s in sources if s.quick for d in s.domains() if _fine(d)}
    for _ in range(PERIOD_LOOKS):
        waiting = [p for p in fine.values() if p.domain.in_total and len(p.moves()) < PERIOD_MOVES]
        if not waiting:
            break
        for source in sources:
            if source.quick:
                _look_once(source, fine)
        time.sleep(LOOK_SECONDS)
    found = [d for source in sources for d in source.domains()]
    return tuple(fine[d.name].as_seen() if d.name in fine else d for d in found)


def is_stepped(domain: Domain) -> bool:
    """It is a counter that moves so seldom that its steps are looked for."""
    counts = domain.quantity == "energy" and not domain.remote
    return counts and domain.update_seconds >= FINE_SECONDS


def _fine(domain: Domain) -> bool:
    counts = domain.quantity == "energy" and domain.missing is None
    return counts and 0 < domain.update_seconds < FINE_SECONDS


def probe_sources(
    sources: Sequence[Source], seconds: float, *, glance: bool = False
) -> dict[str, ProbedDomain]:
    """Reads all sources densely for `seconds`, each in a thread of its own; by domain's name.

    glance: shorter, where all domains of a source have moved often enough before.
    """
    probed = {d.name: ProbedDomain(d) for s in sources for d in s.domains() if d.missing is None}
    threads = [
        threading.Thread(
            target=_look, args=(source, probed, seconds, glance), name=f"probe-{source.name}"
        )
        for source in sources
        if any(d.missing is None for d in source.domains())
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return probed


def _look(source: Source, probed: Mapping[str, ProbedDomain], seconds: float, glance: bool) -> None:
    remote = any(domain.remote for domain in source.domains())
    longest = max(seconds, REMOTE_SECONDS) if remote else seconds
    own = [probed[domain.name] for domain in source.domains() if domain.name in probed]
    began = time.monotonic()
    while (looked := time.monotonic() - began) < longest:
        if glance and looked >= GLANCE_SECONDS and all(p.moved >= GLANCE_MOVES for p in own):
            return
        _look_once(source, probed)
        time.sleep(REMOTE_LOOK_SECONDS if remote else LOOK_SECONDS)


def _look_once(source: Source, probed: Mapping[str, ProbedDomain]) -> None:
    for reading in readings_of(source):
        if reading.domain in probed:
            probed[reading.domain].add(reading)
