"""What to read between two samples, and when. Times are monotonic seconds unless said otherwise."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Set
from math import inf

from energyctl.energy import CounterSeries, Series

POLL_SECONDS = 0.001
# Where the next step is foreseen, polling begins this much before it.
EARLY_SECONDS = 0.004
# Power without a counter is read this often, or as often as it changes if that is less, at uneven
# distances: a load with a period would otherwise be seen at the same place of it each time.
POWER_SECONDS = 0.1
# A counter that moves in wide steps is read this often while a phase is young: more often than most
# of them move.
TRACE_SECONDS, YOUNG_SECONDS = 0.09, 3.0


class ReadSchedule:
    """Domains that are read beside the samples, for four reasons.

    Counters in wide steps are watched until they have moved so often, and traced while a phase is
    young; counters that wrap are followed; power is read often enough to be integrated.
    """

    def __init__(self, series: Mapping[str, Series], sources: Iterable[Set[str]]) -> None:
        """sources: the names of the domains that are read together."""
        self._counters = {n: s for n, s in series.items() if isinstance(s, CounterSeries)}
        self._stepped = {n for n, s in self._counters.items() if s.stepped}
        self._follow_seconds = min((c.follow_seconds for c in self._counters.values()), default=inf)
        self._followed = self._traced = 0.0
        self._young_until = 0.0
        self._watched: dict[str, int] = {}  # steps still to see
        self._watch_until = 0.0
        self._pace: dict[frozenset[str], float] = {}
        for names in sources:
            powers = frozenset(names & (series.keys() - self._counters.keys()))
            if powers:
                updates = [series[name].domain.update_seconds for name in powers]
                self._pace[powers] = max(POWER_SECONDS, min(updates))
        self._power_due = dict.fromkeys(self._pace, 0.0)

    @property
    def watching(self) -> bool:
        return bool(self._watched)

    def edge(self, now: float, steps: int, seconds: float) -> None:
        """A phase begins: steps of the counters are to be located, for at most so long."""
        for name in self._stepped:
            self._counters[name].keep_trail()
            self._watched[name] = max(steps, self._watched.get(name, 0))
        self._watch_until = max(self._watch_until, now + seconds)
        self._young_until = now + YOUNG_SECONDS

    def give_up(self) -> None:
        """Nothing is watched any more."""
        self._watched.clear()
        self._stepped.clear()

    def sampled(self, now: float) -> None:
        """Everything was read."""
        self._followed = self._traced = now

    def located(self, domain: str) -> None:
        """A step of a counter was seen."""
        left = self._watched.get(domain, 0) - 1
        if left > 0:
            self._watched[domain] = left
        else:
            self._watched.pop(domain, None)

    def next_due(self, now: float, unix: float) -> float:
        """When to call `due`; unix: *now* on the time line of the samples."""
        power = min(self._power_due.values(), default=inf)
        follow = self._followed + self._follow_seconds
        return min(self._watch_due(now, unix), self._trace_due(), follow, power)

    def _watch_due(self, now: float, unix: float) -> float:
        if not self._watched:
            return inf
        steps = (self._counters[name].steps.next_after(unix) or unix for name in self._watched)
        return now + max(POLL_SECONDS, min(steps) - unix - EARLY_SECONDS)

    def _trace_due(self) -> float:
        due = self._traced + TRACE_SECONDS
        return due if self._stepped and due < self._young_until else inf

    def due(self, now: float) -> set[str]:
        """The domains to read now."""
        names = set(self._watched)
        if now >= self._trace_due():
            names |= self._stepped
        if now >= self._followed + self._follow_seconds:
            self._followed = now
            names |= self._counters.keys()
        for powers, due in self._power_due.items():
            if now >= due:
                self._power_due[powers] = now + self._pace[powers] * random.uniform(0.5, 1.5)
                names |= powers
        if names & self._stepped:
            self._traced = now
        if now >= self._watch_until:
            self._watched.clear()
        return names
