"""What to read between two samples, and when. Times are monotonic seconds unless said otherwise."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Set
from math import ceil, inf

from energyctl.energy import CounterSeries, Domain, Series

POLL_SECONDS = 0.001
# Where the next step is foreseen, polling begins this much before it.
EARLY_SECONDS = 0.004
# Power without a counter is read this often, or as often as it changes if that is less, at uneven
# distances: a load with a period would otherwise be seen at the same place of it each time.
POWER_SECONDS = 0.1
# Power that is in no total is read beside the samples, too, but seldom: each read may be slow.
BESIDE_SECONDS = 1.0
# A counter that moves in wide steps is read this often while a phase is young: more often than most
# of them move.
TRACE_SECONDS, YOUNG_SECONDS = 0.09, 3.0
TRACE_SHARE = 0.9  # of a step
# So long may the reads of one round take. Counters that were never seen to move take turns of so
# long until they were.
ROUND_SECONDS, TURN_SECONDS = 0.008, 0.35
# Where all of them take longer, so many rounds more are looked at, which tell together when each
# counter moved (`LocatedSteps`); a round of this length tells nothing.
SLOW_ROUNDS, LONGEST_ROUND_SECONDS = 10, 0.1
# From the first edge on, its steps are followed for this long, to learn whether it leaves any out.
STUDY_SECONDS = 12.0


def longer_seconds(round_seconds: float, new: float = 1.0) -> float:
    """How much longer to watch, where reading all stepped counters takes `round_seconds`; new: the
    share of them that were never seen to move twice."""
    if round_seconds <= ROUND_SECONDS:
        return 0.0
    return (SLOW_ROUNDS + new * TURN_SECONDS / ROUND_SECONDS) * round_seconds


def _is_power_here(domain: Domain) -> bool:
    return domain.quantity == "power" and not domain.remote


class ReadSchedule:
    """Domains that are read beside the samples, for five reasons.

    Counters in wide steps are watched until they have moved so often, traced while a phase is
    young, and studied at the beginning; counters that wrap are followed; power is read often enough
    to be integrated, and what is beside the total at uneven distances at least.

    Each is read by itself, around the step that is foreseen of it: where calls are slow, reading
    them all takes longer than a step is sharp.
    """

    def __init__(self, series: Mapping[str, Series], sources: Iterable[Set[str]]) -> None:
        """sources: the names of the domains that are read together."""
        self._counters = {n: s for n, s in series.items() if isinstance(s, CounterSeries)}
        self._stepped = {n: s for n, s in self._counters.items() if s.stepped}
        self._wrapping = {n for n, s in self._counters.items() if s.follow_seconds < inf}
        self._follow_seconds = min((c.follow_seconds for c in self._counters.values()), default=inf)
        self._followed = 0.0
        self._round_seconds = 0.0  # that reading all of the stepped ones takes
        self._traced = dict.fromkeys(self._stepped, 0.0)  # when each was read last
        self._young_until = 0.0
        self._watched: dict[str, int] = {}  # steps still to see
        self._watch_until = 0.0
        self._study_until: float | None = None
        self._pace: dict[frozenset[str], float] = {}
        parts = [s.domain for s in series.values() if s.domain.is_part]
        counted = {part.name for part in parts} | {part.check for part in parts}
        # What is asked over a network is asked by a thread of its own: nothing is to be waited for,
        # and no reading is lost.
        powers = {n: s.domain for n, s in series.items() if _is_power_here(s.domain)}
        for names in sources:
            for group, least in (
                (names & powers.keys() & counted, POWER_SECONDS),
                (names & powers.keys() - counted, BESIDE_SECONDS),
            ):
                if group:
                    updates = [powers[name].update_seconds for name in group]
                    self._pace[frozenset(group)] = max(least, min(updates))
        self._power_due = dict.fromkeys(self._pace, 0.0)

    @property
    def watching(self) -> bool:
        return bool(self._watched)

    def edge(self, now: float, steps: int, seconds: float) -> None:
        """A phase begins: steps of the counters are to be located, for at most so long.

        A counter that shows late what flows is watched for as much longer.
        """
        costs = sum(map(self._cost, self._stepped))
        self._round_seconds = min(LONGEST_ROUND_SECONDS, costs)
        for name, counter in self._stepped.items():
            counter.keep_trail()
            late = ceil(counter.delay_seconds / counter.steps.seconds)
            self._watched[name] = max(steps + late, self._watched.get(name, 0))
        self._watch_until = max(self._watch_until, now + seconds + self.late_seconds)
        self._young_until = now + YOUNG_SECONDS
        if self._study_until is None:
            self._study_until = now + STUDY_SECONDS

    @property
    def late_seconds(self) -> float:
        """For how much longer than usual to watch: as late as a counter shows what flows, and
        where calls are slow, for the steps that tell together when each of them was."""
        late = max((c.delay_seconds for c in self._stepped.values()), default=0.0)
        new = sum(counter.steps.usual_seconds is None for counter in self._stepped.values())
        return late + longer_seconds(self._round_seconds, new / max(1, len(self._stepped)))

    def give_up(self) -> None:
        """Nothing is watched any more."""
        self._watched.clear()
        self._stepped.clear()

    def sampled(self, now: float) -> None:
        """Everything was read."""
        self._followed = now
        self._traced = dict.fromkeys(self._stepped, now)

    def located(self, domain: str) -> None:
        """A step of a counter was seen."""
        left = self._watched.get(domain, 0) - 1
        if left > 0:
            self._watched[domain] = left
        else:
            self._watched.pop(domain, None)

    def next_due(self, now: float, unix: float) -> float:
        """When to call `due`; unix: *now* on the time line of the samples."""
        steps = [now + max(POLL_SECONDS, s) for s in self._seconds_to_steps(now, unix).values()]
        steps += map(self._trace_at, self._stepped)
        power = min(self._power_due.values(), default=inf)
        follow = self._followed + self._follow_seconds
        return min(*steps, follow, power, inf)

    def _seconds_to_steps(self, now: float, unix: float) -> dict[str, float]:
        """Until each counter whose next step is to be located is to be read; 0 or less: now."""
        studied = self._study_until is not None and now < self._study_until
        early = EARLY_SECONDS + self._round_seconds
        seconds = {}
        for name, counter in self._stepped.items():
            steps, step = counter.steps, None
            if name in self._watched:
                step = steps.next_after(unix) or unix
            elif studied and not steps.studied:
                step = steps.study_after(unix)
            if step is not None:
                seconds[name] = step - unix - early
        return seconds

    def _trace_at(self, name: str) -> float:
        """When a counter is to be read for its energy. Of a sensor that looks a part of the time,
        each step is to be seen."""
        counter, read = self._stepped[name], self._traced[name]
        if counter.domain.part_time:
            return read + min(TRACE_SECONDS, TRACE_SHARE * counter.steps.seconds)
        due = read + TRACE_SECONDS
        return due if due <= self._young_until else inf

    def due(self, now: float, unix: float) -> set[str]:
        """The domains to read now; unix: *now* on the time line of the samples."""
        left = self._seconds_to_steps(now, unix)
        near = sorted((name for name, seconds in left.items() if seconds <= 0), key=self._turn)
        traced = [name for name in self._stepped if self._trace_at(name) <= now]
        names = self._in_a_round([*near, *traced])
        for name in names:
            self._traced[name] = now
        if now >= self._followed + self._follow_seconds:
            self._followed = now
            names |= self._wrapping
        for powers, due in self._power_due.items():
            if now >= due:
                self._power_due[powers] = now + self._pace[powers] * random.uniform(0.5, 1.5)
                names |= powers
        if now >= self._watch_until:
            self._watched.clear()
        return names

    def _in_a_round(self, names: Iterable[str]) -> set[str]:
        """The first of them, as many as can be read in a round that leaves steps sharp."""
        chosen, seconds = set[str](), 0.0
        for name in names:
            seconds += 0.0 if name in chosen else self._cost(name)
            if chosen and seconds > ROUND_SECONDS:
                break
            chosen.add(name)
        return chosen

    def _turn(self, name: str) -> float:
        """What was never seen to move twice is looked at one after the other, all else in turn."""
        known = self._stepped[name].steps.usual_seconds is not None
        return self._traced[name] if known else -inf

    def _cost(self, name: str) -> float:
        """Seconds that it took to read it last."""
        took = self._counters[name].read_seconds
        return took[-1] if took else 0.0
