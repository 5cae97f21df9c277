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
from math import floor, inf, isfinite, sqrt
from typing import NamedTuple

from energyctl.energy.checks import Band
from energyctl.energy.counter_steps import LocatedSteps, StepInterval
from energyctl.energy.counter_unwrap import CounterReading, Unwrapper
from energyctl.energy.domain import Domain
from energyctl.energy.series import REACH_SECONDS, Series, Span
from energyctl.energy.step_energies import StepEnergies

# The power is taken to be at most this much above the highest mean seen: of a wide step, since a
# burst that is shorter shows only in part; of a fine one, since means are seen over many of them.
HEADROOM, FINE_HEADROOM = 1.5, 4.0
# An interval of fewer steps may be as short as a burst: of its power nothing is taken for granted.
FEW_STEPS = 3
# Of the reads that are not kept, those this far apart are remembered until the next edge.
TRAIL_SECONDS, TRAIL_LENGTH = 0.04, 5
# How late a GPU's counter shows energy is not told by its maker: where it was not measured, it is
# taken to be up to a step and this.
ASSUMED_DELAY_SECONDS = 0.1
# Of a sensor that looks a part of the time: so many standard errors of the steps' mean power.
ATTENTION = 3.0
# An instant among failed reads is unknown where good ones are further apart than this.
MAX_GAP_SECONDS = 3.0


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
        self.steps = LocatedSteps(domain.update_seconds)
        self._counter = Unwrapper(domain)
        self._peak_watts = 0.0  # the highest mean power of a step,
        self._floor_watts = inf  # and the lowest
        self._energies = StepEnergies() if domain.part_time else None
        self._trail: deque[tuple[float, float, float]] = deque(maxlen=TRAIL_LENGTH)

    @property
    def stepped(self) -> bool:
        """Moves so seldom that the instants of its steps matter."""
        return self.steps.wide

    @property
    def follow_seconds(self) -> float:
        """It must be read this often, so that no wrap is missed."""
        return self._counter.follow_seconds

    @property
    def delay_seconds(self) -> float:
        """How late it shows energy, as far as that is known."""
        return self.domain.delay_seconds or 0.0

    def append(
        self, time: float, value: float | None, reason: str | None = None, seconds: float = 0.0
    ) -> None:
        if value is None:
            self._fail(time, reason or "the read failed")
        elif self._advance(CounterReading(time, value, seconds, kept=True)) is not None:
            self._keep(time, self._counter.joules, seconds)

    def locate_step(self, time: float, value: float | None, seconds: float = 0.0) -> bool:
        """A read that is not kept: follows wraps and locates steps. True: it located one."""
        if value is None:
            return False
        located = self._advance(CounterReading(time, value, seconds, kept=False))
        if located is None:
            return False
        if not self._trail or time - self._trail[-1][0] >= TRAIL_SECONDS:
            self._trail.append((time, self._counter.joules, seconds))
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
        if self._energies is not None:
            self._energies.keep(time)
        self.read_seconds.append(seconds)

    def _advance(self, read: CounterReading) -> bool | None:
        """True: it located a step; None: the reading is not to be used (yet, or ever)."""
        taken = self._counter.take(read)
        proved = self._counter.proved
        if proved is not None:
            self._trail.clear()
            if proved.kept:
                joules = self._counter.joules - (taken.delta if taken else 0)
                self._keep(proved.time_unix, joules, 0.0)
        if taken is None:
            if self._counter.refused:
                self._fail(read.time_unix, self._counter.refused)
            return None
        if not taken.continuous:
            return False
        self._see_extremes(taken.delta, taken.gap)
        if self._energies is not None and taken.delta > 0 and taken.gap <= self.steps.seconds:
            self._energies.add(taken.delta)
        after = taken.before + taken.delta
        middle = read.time_unix - taken.gap / 2
        return taken.delta > 0 and self.steps.add(middle, taken.gap, taken.before, after)

    def _see_extremes(self, delta: float, gap: float) -> None:
        """What the mean power of the steps within `gap` was at least, and at most."""
        step = self.steps.seconds
        if step and delta > 0:
            steps = floor(gap / step)
            self._peak_watts = max(self._peak_watts, delta / ((steps + 1) * step))
            self._floor_watts = min(self._floor_watts, delta / (max(1, steps) * step))

    @property
    def seen_watts(self) -> Band | None:
        """Between the lowest and the highest mean power of its steps so far."""
        return Band(self._floor_watts, self._peak_watts) if self._peak_watts else None

    def spikes_between(self, start: float, end: float) -> int:
        """How many impossible readings were set aside."""
        return self._counter.spikes_between(start, end)

    def joules_at_last(self) -> float:
        return self.values[-1] if self.values else 0.0

    @property
    def stretch(self) -> int:
        return len(self._counter.breaks)

    def between(self, start: float, end: float) -> Span:
        start, end = start + self.delay_seconds, end + self.delay_seconds
        span = self._shown(start, end)
        if span.joules is None:
            return span
        attention = self._attention_budget(span.joules, start, end)
        return Span(span.joules, {**span.budget, **self._delay_budget(start, end), **attention})

    def _attention_budget(self, joules: float, start: float, end: float) -> dict[str, float]:
        """What a sensor did not look at that sees a part of each step, and takes that for all."""
        if self._energies is None or not self.stepped:
            return {}
        deviation = self._energies.deviation(start, end)
        steps = (end - start) / self.steps.seconds
        return {"attention": joules if deviation is None else ATTENTION * deviation * sqrt(steps)}

    def _delay_budget(self, start: float, end: float) -> dict[str, float]:
        """Of what the counter showed between two instants: how late that may have been."""
        step = self.steps.seconds
        if self.domain.delay_seconds is not None:
            off = self.domain.delay_within_seconds
            changes = (
                self._joules_shown(time + step / 2, step)
                - self._joules_shown(time - 1.5 * step, step)
                for time in (start, end)
            )
            return {"delay": sum(abs(joules) for joules in changes) / step * off} if step else {}
        if self.domain.kind != "gpu" or not self.stepped:
            return {}
        late = step + ASSUMED_DELAY_SECONDS
        ends = [self._joules_shown(time - late, late) for time in (start, end)]
        return {"assumed_delay": abs(ends[1] - ends[0])}

    def _joules_shown(self, start: float, seconds: float) -> float:
        return self._shown(start, start + seconds).joules or 0.0

    def _shown(self, start: float, end: float) -> Span:
        """What it showed between two instants, however late that was."""
        unknown = self._counter.unknown(start, end)
        if unknown is not None:
            return Span(None, missing=unknown.words, reason=unknown.reason)
        short = self.stepped and end - start < FEW_STEPS * self.steps.seconds
        most = inf if short else self._most_watts()
        edges = []
        for time in (start, end):
            at = self._at(time, most)
            if at is None:
                return Span(None, missing=self._why_unknown(time))
            edges.append(at)
        joules = max(0.0, edges[1].joules - edges[0].joules)
        budget = {
            "interpolation": edges[0].interpolation + edges[1].interpolation,
            "location": edges[0].location + edges[1].location,
            "unit": self.domain.resolution_joules,
            "wraps": self._counter.wrap_doubt(start, end, self._peak_watts),
            "stated": self.domain.relative_uncertainty * joules,
        }
        return Span(joules, budget)

    def _most_watts(self) -> float:
        """The power that is not taken to be exceeded."""
        if self.stepped:
            return HEADROOM * self._peak_watts
        return min(FINE_HEADROOM * self._peak_watts, self.domain.max_watts or inf)

    def _at(self, time: float, most: float) -> _At | None:
        if not self.times:
            return None
        following = bisect_right(self.steps.times, time)
        step = self._step_before(following)
        if step is None or step.begins - time > REACH_SECONDS / 10:
            return self._between_reads(time, most)
        unsharp = max(step.watts, self._most_watts()) * step.unsharp_seconds
        joules = self.steps.before[following] + step.joules_until(time)
        return _At(joules, step.uncertainty_joules(time, most), unsharp)

    def _step_before(self, following: int) -> StepInterval | None:
        """The step that ends with the located one `following`, and what is known beside it."""
        steps = self.steps
        if following >= len(steps.times):
            return None
        ends, joules = steps.times[following], steps.before[following]
        update, jitter = steps.period(ends)
        unsharp = steps.widths[following] / 2
        begins = before = None
        if steps.adjacent(following - 1):
            begins, blurred = steps.times[following - 1], steps.widths[following - 1] / 2
            before = steps.watts(following - 2)
        earliest = latest = None
        if update is not None and (begins is None or blurred > unsharp + jitter):
            # Counted back from its end it is known better, and reads tell between which it was.
            saw_less, saw_it = self._reads_around(joules)
            counted, blurred = ends - update, unsharp + jitter
            begins = max(saw_less, min(counted, saw_it))
            if not steps.even or abs(begins - counted) > blurred:
                # Before the first read nothing tells: one update may have been left out.
                earliest = saw_less if isfinite(saw_less) else counted - update
                latest = min(saw_it, ends)
        if begins is None or max(blurred, unsharp) > (ends - begins) / 4:
            return None
        unsharp = max(blurred, unsharp)
        step = StepInterval(
            begins,
            ends,
            steps.after[following] - joules,
            unsharp_seconds=unsharp,
            earliest=earliest,
            latest=latest,
        )
        after = steps.watts(following)
        if before is None and update is not None:
            before = self._watts_before(step, joules, update)
        if before is None and after is not None:
            before = self._likely_before(step, joules, after)
        return replace(step, watts_before=before, watts_after=after)

    def _reads_around(self, joules: float) -> tuple[float, float]:
        """Between which reads the counter came to `joules`: the last one that saw fewer, and the
        first one after it, where that saw no more."""
        i = bisect_left(self.values, joules)
        saw_less = self.times[i - 1] if i else -inf
        saw_it = self.times[i] if i < len(self.times) and self.values[i] == joules else inf
        return saw_less, saw_it

    def _watts_before(self, step: StepInterval, joules: float, update: float) -> float | None:
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

    def _likely_before(self, step: StepInterval, joules: float, after: float) -> float | None:
        """A power before *step* that explains its mean as a switch to the power *after* it.

        The mean since the last sample, or else the highest or the lowest power that was seen.
        """
        i = bisect_left(self.values, joules) - 1
        away = step.begins - self.times[i] if i >= 0 else 0.0
        mean = (joules - self.values[i]) / away if away > 0 else after
        extreme = self._peak_watts if step.watts > after else self._floor_watts
        for watts in (mean, extreme):
            if min(watts, after) < step.watts < max(watts, after):
                return watts
        return None

    def _between_reads(self, time: float, most: float) -> _At | None:
        """Interpolates between the nearest knots: reads, set back by half a step, and steps."""
        step = self.steps.seconds
        left, right, knots = self._knots(time, step / 2)
        around = max(self._most_watts(), _watts(knots))
        sharp = around * (step + self._usual_read_seconds(time)) / 2
        if left and right:
            (t0, j0), (t1, j1) = left, right
            if t1 - t0 > MAX_GAP_SECONDS and any(t0 < f[1] and f[0] < t1 for f in self.failures):
                return None
            between = StepInterval(t0, t1, j1 - j0)
            return _At(
                j0 + between.joules_until(time), between.uncertainty_joules(time, most), sharp
            )
        nearest = left or right
        if nearest is None:
            return None
        away = time - nearest[0]
        if abs(away) > max(REACH_SECONDS, 1.5 * step) + self.delay_seconds:
            return None
        return _At(nearest[1] + _watts(knots) * away, around * abs(away), sharp)

    def _knots(
        self, time: float, lag: float
    ) -> tuple[tuple[float, float] | None, tuple[float, float] | None, list[tuple[float, float]]]:
        """(the last before `time`, the first after it, up to eight around): (instant, joules)."""
        n = bisect_right(self.times, time + lag)
        reads = range(max(0, n - 3), min(len(self.times), n + 3))
        knots = [(self.times[i] - lag, self.values[i]) for i in reads]
        m = bisect_right(self.steps.times, time)
        steps = range(max(0, m - 1), min(len(self.steps.times), m + 1))
        knots += [(self.steps.times[i], self.steps.after[i]) for i in steps]
        left = max((k for k in knots if k[0] <= time), default=None)
        right = min((k for k in knots if k[0] > time), default=None)
        return left, right, knots

    def _usual_read_seconds(self, time: float) -> float:
        """How long the reads around `time` took."""
        n = bisect_right(self.times, time)
        return max(self.read_seconds[max(0, n - 1) : n + 1], default=0.0)


def _watts(knots: list[tuple[float, float]]) -> float:
    """Mean power over all of them: two that are close show the steps instead."""
    (t0, j0), (t1, j1) = min(knots), max(knots)
    return (j1 - j0) / (t1 - t0) if t1 > t0 else 0.0
