"""Joules from a counter.

A counter is a staircase: what a read returns is the energy up to its last step. Steps of a GPU
are 20 to 100 ms wide, so two plain reads are off by up to a step at each end. Where reads were
close together (the sampler polls around a phase edge), the instant of a step is known, and the
energy at an instant between two steps is interpolated. Elsewhere a read stands for the instant
half a step before it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from math import inf
from statistics import median
from typing import NamedTuple

from energyctl.energy.domain import Domain
from energyctl.energy.series import REACH_SECONDS, Series, Span

# A step seen between two reads further apart than this is not located.
SHARP_SECONDS = 0.03
# Counters that move more often than this need no interpolation between their steps.
STEPPED_SECONDS = 0.005
# A counter that wraps may not have made more than its power for the gap, and this, allow.
BURST_SECONDS = 1.0


class _At(NamedTuple):
    """Energy since the first sample at one instant."""

    joules: float
    uncertainty_joules: float


class CounterSeries(Series):
    """A counter in joules. `values` are unwrapped and count from the first sample."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self.breaks: list[tuple[float, float, str]] = []
        self.step_times = array("d")  # located steps: the middle of the two reads around each,
        self.step_widths = array("d")  # the time between those reads,
        self.step_before = array("d")  # and the joules before
        self.step_after = array("d")  # and after it
        self._peak_watts = 0.0  # the highest mean power between two samples
        self._raw = 0.0
        self._joules = 0.0
        self._time: float | None = None

    @property
    def stepped(self) -> bool:
        """Moves so seldom that the instants of its steps matter."""
        return self.domain.update_seconds >= STEPPED_SECONDS

    @property
    def follow_seconds(self) -> float:
        """It must be read this often: well within the time that a whole wrap takes at least."""
        wrap, watts = self.domain.wrap_joules, self.domain.max_watts
        return 0.8 * wrap / watts if wrap and watts else inf

    def append(self, time: float, value: float | None, reason: str | None = None) -> None:
        if value is None:
            self._fail(time, reason or "the read failed")
            return
        self._advance(time, value)
        if self.times and time - self.times[-1] >= 3 * self.domain.update_seconds:
            watts = (self._joules - self.values[-1]) / (time - self.times[-1])
            self._peak_watts = max(self._peak_watts, watts)
        self.times.append(time)
        self.values.append(self._joules)

    def watch(self, time: float, value: float | None) -> bool:
        """A read that is not kept: follows wraps and locates steps. True: it located one."""
        return value is not None and self._advance(time, value)

    def _advance(self, time: float, raw: float) -> bool:
        last, self._time = self._time, time
        delta, self._raw = raw - self._raw, raw
        if last is None:
            return False
        gap, before = time - last, self._joules
        delta, broken = self._fold(delta, gap)
        self._joules += delta
        if broken:
            self.breaks.append((last, time, broken))
        if broken or delta == 0 or gap > SHARP_SECONDS or not self.stepped:
            return False
        self.step_times.append((last + time) / 2)
        self.step_widths.append(gap)
        self.step_before.append(before)
        self.step_after.append(self._joules)
        return True

    def _fold(self, delta: float, gap: float) -> tuple[float, str | None]:
        """(joules since the read before, why they are unknown)."""
        wrap, watts = self.domain.wrap_joules, self.domain.max_watts
        if delta < 0:
            folded = delta + (wrap or 0.0)
            most = watts * (gap + BURST_SECONDS) if watts else inf
            if not 0 <= folded <= most:
                return 0.0, f"the counter went back by {-delta:.0f} J: it was reset"
            delta = folded
        if wrap and watts and gap * watts >= wrap:
            return delta, f"not read for {gap:.1f} s, in which the counter may have wrapped unseen"
        return delta, None

    def update_seconds(self) -> float | None:
        """Usual time between two steps, from located ones that followed each other."""
        t, before, after = self.step_times, self.step_before, self.step_after
        apart = [t[i] - t[i - 1] for i in range(1, len(t)) if after[i - 1] == before[i]]
        return median(apart) if apart else None

    def joules_at_last(self) -> float | None:
        return None if self.breaks or not self.values else self.values[-1]

    def between(self, start: float, end: float) -> Span:
        for broke_from, broke_to, reason in self.breaks:
            if broke_from < end and start < broke_to:
                return Span(None, None, reason)
        edges = []
        update = self.update_seconds()
        for time in (start, end):
            at = self._at(time, update)
            if at is None:
                return Span(None, None, self._why_unknown(time))
            edges.append(at)
        joules = max(0.0, edges[1].joules - edges[0].joules)
        spread = edges[0].uncertainty_joules + edges[1].uncertainty_joules
        spread += self.domain.resolution_joules + self.domain.relative_uncertainty * joules
        return Span(joules, spread)

    def _at(self, time: float, update: float | None) -> _At | None:
        if not self.times:
            return None
        return self._inside_step(time, update) or self._between_reads(time, update)

    def _inside_step(self, time: float, update: float | None) -> _At | None:
        """Interpolates between the located steps around `time`.

        The energy within a step is spread evenly over it. Uncertain is what a swing of the power
        within the step, by the highest mean power seen, would change; and where its ends are.
        """
        following = bisect_right(self.step_times, time)
        if following == len(self.step_times):
            return None
        ends, before = self.step_times[following], self.step_before[following]
        if following and self.step_after[following - 1] == before:
            begins = self.step_times[following - 1]
        elif update is not None and self.step_widths[following] <= update / 2:
            begins = ends - update
        else:
            return None
        if begins - time > REACH_SECONDS / 10:
            return None
        share = min(1.0, max(0.0, (time - begins) / (ends - begins)))
        joules = self.step_after[following] - before
        watts = max(joules / (ends - begins), self._peak_watts)
        spread = watts * (share * (1 - share) * (ends - begins) + self.step_widths[following] / 2)
        return _At(before + share * joules, spread)

    def _between_reads(self, time: float, update: float | None) -> _At | None:
        """Interpolates between the nearest knots: reads, set back by half a step, and steps."""
        step = update if update is not None else self.domain.update_seconds
        knots = self._knots(time, step / 2)
        left = [k for k in knots if k[0] <= time]
        right = [k for k in knots if k[0] > time]
        reach = max(REACH_SECONDS, 1.5 * step)
        if left and right:
            (t0, j0), (t1, j1) = max(left), min(right)
            share, between = (time - t0) / (t1 - t0), j1 - j0
            watts = max(between / (t1 - t0), self._peak_watts)
            spread = watts * share * (1 - share) * (t1 - t0) + _watts(knots) * step / 2
            return _At(j0 + share * between, spread)
        nearest_time, joules = max(left) if left else min(right)
        away = time - nearest_time
        if abs(away) > reach:
            return None
        watts = _watts(knots)
        return _At(joules + watts * away, watts * (abs(away) + step / 2))

    def _knots(self, time: float, lag: float) -> list[tuple[float, float]]:
        """Up to three reads and one step on each side of `time`: (instant, joules)."""
        n = bisect_right(self.times, time + lag)
        reads = range(max(0, n - 3), min(len(self.times), n + 3))
        knots = [(self.times[i] - lag, self.values[i]) for i in reads]
        m = bisect_right(self.step_times, time)
        steps = range(max(0, m - 1), min(len(self.step_times), m + 1))
        return knots + [(self.step_times[i], self.step_after[i]) for i in steps]


def _watts(knots: list[tuple[float, float]]) -> float:
    """Mean power over all of them: two that are close show the steps instead."""
    (t0, j0), (t1, j1) = min(knots), max(knots)
    return (j1 - j0) / (t1 - t0) if t1 > t0 else 0.0
