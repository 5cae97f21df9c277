"""Joules from a counter.

A counter is a staircase: what a read returns is the energy up to its last step. Steps of a GPU
are 20 to 100 ms wide, so two plain reads are off by up to a step at each end. Where reads were
close together (the sampler polls around a phase edge), the instant of a step is known, and the
energy at an instant between two steps is interpolated. Elsewhere a read stands for the instant
half a step before it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import replace
from math import floor, inf
from statistics import median
from typing import NamedTuple

from energyctl.energy.domain import Domain
from energyctl.energy.series import REACH_SECONDS, Series, Span, unknown
from energyctl.energy.staircase import Step

SHARP_SECONDS = 0.03
# Counters that move more often than this need no interpolation between their steps.
STEPPED_SECONDS = 0.005
# A counter that wraps may not have made more than its power for the gap, and this, allow.
BURST_SECONDS = 1.0
# A counter that belongs to the total and has not moved for this long, and for so many of its steps,
# is broken: packages, memory and GPUs always draw some power.
STILL_SECONDS, STILL_STEPS = 0.5, 10
# Of the reads that are not kept, those this far apart are remembered until the next edge.
TRAIL_SECONDS, TRAIL_LENGTH = 0.04, 5
# The power within a fine step is taken to be at most this much above the highest mean seen.
FINE_HEADROOM = 4.0
# An instant among failed reads is unknown where good ones are further apart than this.
MAX_GAP_SECONDS = 10.0


class _At(NamedTuple):
    """Energy since the first sample at one instant, and what it may be off."""

    joules: float
    interpolation: float
    location: float


class CounterSeries(Series):
    """A counter in joules. `values` are unwrapped and count from the first sample."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self.read_seconds = array("f")
        self.breaks: list[tuple[float, float, str]] = []
        self.stills: list[tuple[float, float]] = []  # when it did not move: from, to
        self._moved: float | None = None
        self.step_times = array("d")  # located steps: the middle of the two reads around each,
        self.step_widths = array("d")  # the time between those reads,
        self.step_before = array("d")  # and the joules before
        self.step_after = array("d")  # and after it
        self.peak_watts = 0.0  # the highest mean power of a step,
        self.floor_watts = inf  # and the lowest
        self._trail: deque[tuple[float, float, float]] = deque(maxlen=TRAIL_LENGTH)
        self._raw = 0.0
        self._joules = 0.0
        self._time: float | None = None
        self._update: tuple[int, float | None, float] = (0, None, 0.0)

    @property
    def stepped(self) -> bool:
        """Moves so seldom that the instants of its steps matter."""
        return self.domain.update_seconds >= STEPPED_SECONDS

    @property
    def follow_seconds(self) -> float:
        """It must be read this often: well within the time that a whole wrap takes at least."""
        wrap, watts = self.domain.wrap_joules, self.domain.max_watts
        return 0.8 * wrap / watts if wrap and watts else inf

    def append(
        self, time: float, value: float | None, reason: str | None = None, seconds: float = 0.0
    ) -> None:
        if value is None:
            self._fail(time, reason or "the read failed")
            return
        self._advance(time, value)
        self._keep(time, self._joules, seconds)

    def watch(self, time: float, value: float | None, seconds: float = 0.0) -> bool:
        """A read that is not kept: follows wraps and locates steps. True: it located one."""
        if value is None:
            return False
        located = self._advance(time, value)
        if not self._trail or time - self._trail[-1][0] >= TRAIL_SECONDS:
            self._trail.append((time, self._joules, seconds))
        return located

    def keep_trail(self) -> None:
        """Keeps the last few watched reads: an edge is near, and they tell the power before it."""
        for time, joules, seconds in self._trail:
            if not self.times or time > self.times[-1]:
                self._keep(time, joules, seconds)
        self._trail.clear()

    def _keep(self, time: float, joules: float, seconds: float) -> None:
        self.times.append(time)
        self.values.append(joules)
        self.read_seconds.append(seconds)

    def _advance(self, time: float, raw: float) -> bool:
        last, self._time = self._time, time
        delta, self._raw = raw - self._raw, raw
        if last is None:
            self._moved = time
            return False
        gap, before = time - last, self._joules
        delta, broken = self._fold(delta, gap)
        self._joules += delta
        if broken:
            self.breaks.append((last, time, broken))
            self._trail.clear()
            return False
        self._see_stillness(delta, time)
        self._see_extremes(delta, gap)
        if delta == 0 or not self.stepped or gap > self._sharp_seconds():
            return False
        self.step_times.append((last + time) / 2)
        self.step_widths.append(gap)
        self.step_before.append(before)
        self.step_after.append(self._joules)
        return True

    def _see_stillness(self, delta: float, time: float) -> None:
        if delta > 0 or self._moved is None:
            self._moved = time
            return
        step = self.domain.update_seconds
        if (
            step
            and self.domain.in_total
            and time - self._moved > max(STILL_SECONDS, STILL_STEPS * step)
        ):
            if self.stills and self.stills[-1][0] == self._moved:
                self.stills.pop()
            self.stills.append((self._moved, time))

    def _sharp_seconds(self) -> float:
        """A step seen between two reads further apart than this is not located."""
        step = self.update_seconds() or self.domain.update_seconds
        return min(SHARP_SECONDS, step / 4)

    def _see_extremes(self, delta: float, gap: float) -> None:
        """What the mean power of the steps within `gap` was at least, and at most."""
        step = self.update_seconds() or self.domain.update_seconds
        if step and delta > 0:
            fewest = max(1, floor(gap / step))
            self.peak_watts = max(self.peak_watts, delta / ((floor(gap / step) + 1) * step))
            self.floor_watts = min(self.floor_watts, delta / (fewest * step))

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
        return self._updates()[0]

    def _updates(self) -> tuple[float | None, float]:
        """(usual time between two steps, half the range that it was seen to vary by)."""
        count, update, jitter = self._update
        if count != len(self.step_times):
            t, before, after = self.step_times, self.step_before, self.step_after
            apart = [t[i] - t[i - 1] for i in range(1, len(t)) if after[i - 1] == before[i]]
            if apart:
                update, jitter = median(apart), (max(apart) - min(apart)) / 2
            self._update = len(self.step_times), update, jitter
        return update, jitter

    def next_step(self, time: float) -> float | None:
        """About when it moves next, where its last steps make that predictable."""
        update, _ = self._updates()
        if update is None or time - self.step_times[-1] > 5 * update:
            return None
        return self.step_times[-1] + update * max(1, floor((time - self.step_times[-1]) / update))

    def joules_at_last(self) -> float:
        return self.values[-1] if self.values else 0.0

    @property
    def stretch(self) -> int:
        return len(self.breaks)

    def between(self, start: float, end: float) -> Span:
        for broke_from, broke_to, reason in self.breaks:
            if broke_from < end and start < broke_to:
                return unknown(reason)
        for since, until in self.stills:
            if since < end and start < until:
                return unknown(f"the counter stood still for {until - since:.1f} s: it is broken")
        edges = []
        for time in (start, end):
            at = self._at(time)
            if at is None:
                return unknown(self._why_unknown(time))
            edges.append(at)
        joules = max(0.0, edges[1].joules - edges[0].joules)
        budget = {
            "interpolation": edges[0].interpolation + edges[1].interpolation,
            "location": edges[0].location + edges[1].location,
            "unit": self.domain.resolution_joules,
            "stated": self.domain.relative_uncertainty * joules,
        }
        return Span(joules, budget)

    def _at(self, time: float) -> _At | None:
        if not self.times:
            return None
        following = bisect_right(self.step_times, time)
        step = self._step_before(following)
        if step is None or step.begins - time > REACH_SECONDS / 10:
            return self._between_reads(time)
        interpolation, location = step.doubt(time, self.peak_watts)
        start = self.step_before[following]
        return _At(start + step.joules_until(time), interpolation, location)

    def _step_before(self, following: int) -> Step | None:
        """The step that ends with the located one `following`, and what is known beside it."""
        if following >= len(self.step_times):
            return None
        ends, joules = self.step_times[following], self.step_before[following]
        update, jitter = self._updates()
        unsharp = self.step_widths[following] / 2
        begins = before = None
        if following and self.step_after[following - 1] == joules:
            begins, blurred = self.step_times[following - 1], self.step_widths[following - 1] / 2
            if following > 1 and self.step_after[following - 2] == self.step_before[following - 1]:
                length = begins - self.step_times[following - 2]
                before = (joules - self.step_before[following - 1]) / length
        if update is not None and (begins is None or blurred > unsharp + jitter):
            # Counted back from its end it is known better.
            begins, blurred = ends - update, unsharp + jitter
        if begins is None or max(blurred, unsharp) > (ends - begins) / 4:
            return None
        unsharp = max(blurred, unsharp)
        step = Step(begins, ends, self.step_after[following] - joules, unsharp_seconds=unsharp)
        after = self._watts_after(following)
        if before is None and update is not None:
            before = self._watts_before(step, joules, update)
        if before is None and after is not None:
            before = self._likely_before(step, joules, after)
        return replace(step, watts_before=before, watts_after=after)

    def _watts_before(self, step: Step, joules: float, update: float) -> float | None:
        """Mean power up to *step*, from the last read that saw fewer joules, where that is near."""
        i = bisect_left(self.values, joules) - 1
        if i < 0:
            return None
        away = step.begins - self.times[i]
        if not -update / 2 < away <= max(1.5 * update, 3 * TRAIL_SECONDS):
            return None
        apart = self.times[i + 1] - self.times[i] if i + 1 < len(self.times) else away
        steps = 1 if apart <= update else floor(max(0.0, away) / update) + 1
        return (joules - self.values[i]) / (steps * update)

    def _likely_before(self, step: Step, joules: float, after: float) -> float | None:
        """A power before *step* that explains its mean as a switch to the power *after* it.

        The mean since the last sample, or else the highest or the lowest power that was seen.
        """
        i = bisect_left(self.values, joules) - 1
        away = step.begins - self.times[i] if i >= 0 else 0.0
        mean = (joules - self.values[i]) / away if away > 0 else after
        extreme = self.peak_watts if step.watts > after else self.floor_watts
        for watts in (mean, extreme):
            if min(watts, after) < step.watts < max(watts, after):
                return watts
        return None

    def _watts_after(self, following: int) -> float | None:
        after = following + 1
        if after >= len(self.step_times) or self.step_before[after] != self.step_after[following]:
            return None
        joules = self.step_after[after] - self.step_before[after]
        return joules / (self.step_times[after] - self.step_times[following])

    def _between_reads(self, time: float) -> _At | None:
        """Interpolates between the nearest knots: reads, set back by half a step, and steps."""
        step = self.update_seconds() or self.domain.update_seconds
        left, right, knots = self._knots(time, step / 2)
        peak = max(self.peak_watts, _watts(knots))
        sharp = self._most_watts(peak) * (step + self._usual_read_seconds(time)) / 2
        if left and right:
            (t0, j0), (t1, j1) = left, right
            if t1 - t0 > MAX_GAP_SECONDS and any(t0 < f[1] and f[0] < t1 for f in self.failures):
                return None
            share, between = (time - t0) / (t1 - t0), j1 - j0
            peak = max(peak, between / (t1 - t0))
            spread = peak * share * (1 - share) * (t1 - t0)
            return _At(j0 + share * between, spread, sharp)
        nearest = left or right
        if nearest is None:
            return None
        away = time - nearest[0]
        if abs(away) > max(REACH_SECONDS, 1.5 * step):
            return None
        return _At(nearest[1] + _watts(knots) * away, peak * abs(away), sharp)

    def _knots(
        self, time: float, lag: float
    ) -> tuple[tuple[float, float] | None, tuple[float, float] | None, list[tuple[float, float]]]:
        """(the last before `time`, the first after it, up to eight around): (instant, joules)."""
        n = bisect_right(self.times, time + lag)
        reads = range(max(0, n - 3), min(len(self.times), n + 3))
        knots = [(self.times[i] - lag, self.values[i]) for i in reads]
        m = bisect_right(self.step_times, time)
        steps = range(max(0, m - 1), min(len(self.step_times), m + 1))
        knots += [(self.step_times[i], self.step_after[i]) for i in steps]
        left = max((k for k in knots if k[0] <= time), default=None)
        right = min((k for k in knots if k[0] > time), default=None)
        return left, right, knots

    def _most_watts(self, peak: float) -> float:
        """The power that a single step may have had, where means are seen over many steps only."""
        return peak if self.stepped else min(FINE_HEADROOM * peak, self.domain.max_watts or inf)

    def _usual_read_seconds(self, time: float) -> float:
        """How long the reads around `time` took."""
        n = bisect_right(self.times, time)
        return max(self.read_seconds[max(0, n - 1) : n + 1], default=0.0)


def _watts(knots: list[tuple[float, float]]) -> float:
    """Mean power over all of them: two that are close show the steps instead."""
    (t0, j0), (t1, j1) = min(knots), max(knots)
    return (j1 - j0) / (t1 - t0) if t1 > t0 else 0.0
