"""Steps of a counter: where they were seen, and the energy at an instant between two of them.

A counter shows its energy at each step only. Two reads that were close together locate the step
between them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite
from statistics import median

from energyctl.energy.step_chain import MISSED_PERIODS, SeenStep, StepChain

# A step seen between two reads further apart than this is not located.
SHARP_SECONDS = 0.03
# Within so much of a period there is one step at most.
BLURRED = 0.5
# Counters that move more often than this need no interpolation between their steps.
STEPPED_SECONDS = 0.005
# The period of a counter's steps is that of so many around an instant.
PERIODS = 21
# A step `MISSED_PERIODS` times as long as usual is two: the update between them did not come. That
# none is left out is believed after so many periods without.
ENOUGH_PERIODS = 80
# A foreseen step that has not come by this share of a period was missed, or came before it was
# looked for.
STUDY_LATE = 0.25


class LocatedSteps:
    """The located steps of one counter: parallel arrays, one entry per step. Times are Unix."""

    def __init__(self, update_seconds: float) -> None:
        """update_seconds: how often the counter is said to move."""
        self._stated_seconds = update_seconds
        self.times = array("d")  # the middle of the two reads around it,
        self.widths = array("d")  # the time between those,
        self.before = array("d")  # the joules before
        self.after = array("d")  # and after it
        self._period_ends = array("d")  # of steps that followed each other: the second one
        self._periods = array("d")  # and their distance
        self._usual_seconds: float | None = None
        self._sharp: SeenStep | None = None  # the last one that two reads located
        self._seen: SeenStep | None = None  # the last one that was seen at all
        self._chain = StepChain()
        self._told_by_chain = False  # when a step was
        self._range_seconds = inf  # half of that of the last periods,
        self._varies_seconds = 0.0  # and by how much the next one may differ
        self._misses = False

    @property
    def wide(self) -> bool:
        """The counter moves so seldom that the instants of its steps matter."""
        return self._stated_seconds >= STEPPED_SECONDS

    @property
    def usual_seconds(self) -> float | None:
        """Usual time between two steps, as seen."""
        return self._chain.period_seconds if self._by_chain else self._usual_seconds

    @property
    def _by_chain(self) -> bool:
        """Two reads locate its steps less well."""
        return self._told_by_chain and self._chain.varies_seconds < self._range_seconds

    @property
    def seconds(self) -> float:
        """Usual time between two steps, as seen, else as stated."""
        return self._stated_seconds if self.usual_seconds is None else self.usual_seconds

    def add(self, time: float, gap: float, before: float, after: float) -> bool:
        """Adds a step between two reads that were `gap` seconds apart, around `time`; False where
        that is too far apart to locate it, unless a later one does."""
        step = SeenStep(time, gap, before, after)
        if not self.wide:
            return False
        if gap > BLURRED * self.seconds:
            self._chain.end()
            return False
        self._seen = step
        self._chain.add(step, self.usual_seconds)
        sharp = min(SHARP_SECONDS, self.seconds / 4)
        if gap <= sharp:
            self._measure_period(step)
            self._insert(step)
        for located in self._chain.sharpened(sharp):
            self._told_by_chain = True
            self._insert(located)
        return bool(self.after) and self.after[-1] == after

    def _measure_period(self, step: SeenStep) -> None:
        if self._sharp is not None and self._sharp.after == step.before:
            self._period_ends.append(step.time)
            self._periods.append(step.time - self._sharp.time)
            near = self._periods[-PERIODS:]
            self._usual_seconds = median(near)
            self._range_seconds = (max(near) - min(near)) / 2 if near[1:] else inf
            self._misses |= self._periods[-1] > MISSED_PERIODS * self._usual_seconds
            _, self._varies_seconds = self.period(step.time)
        self._sharp = step

    def _insert(self, step: SeenStep) -> None:
        """Adds it in its place, or makes it sharper."""
        index = bisect_left(self.after, step.after)
        if index == len(self.after) or self.after[index] != step.after:
            self.times.insert(index, step.time)
            self.widths.insert(index, step.gap)
            self.before.insert(index, step.before)
            self.after.insert(index, step.after)
        elif step.gap < self.widths[index]:
            self.times[index], self.widths[index] = step.time, step.gap

    @property
    def studied(self) -> bool:
        """Whether updates are left out is known."""
        return self._left_out or self._chain.followed >= ENOUGH_PERIODS

    @property
    def even(self) -> bool:
        """No update is left out."""
        return self.studied and not self._left_out

    @property
    def _left_out(self) -> bool:
        return self._misses or self._chain.missed

    def period(self, time: float) -> tuple[float | None, float]:
        """(usual seconds between two steps around `time`, half the range of what was seen)."""
        if self._by_chain:
            return self._chain.period_seconds, self._chain.varies_seconds
        at = bisect_left(self._period_ends, time)
        near = self._periods[max(0, at - PERIODS // 2) : at + PERIODS // 2 + 1]
        if not near:
            return None, 0.0
        usual = median(near)
        # A few tell less of how it varies than it does.
        unseen = (0.02 * usual + self.widths[-1] / 2) / len(near)
        longest = max(seconds for seconds in near if seconds <= MISSED_PERIODS * usual)
        return usual, (longest - min(near)) / 2 + unseen

    def next_after(self, time: float) -> float | None:
        """About when (Unix) the counter moves next, where its last steps make that predictable."""
        last, usual = self._seen, self.usual_seconds
        if last is None or usual is None or time - last.time > 5 * usual:
            return None
        return last.begins + usual * max(1, floor((time - last.begins) / usual))

    def study_after(self, time: float) -> float | None:
        """When (Unix) to begin to look for its next step that can be foreseen, to learn how even
        its steps are; a step that did not come when it was foreseen is given up."""
        last, usual = self._seen, self.usual_seconds
        if last is None or usual is None or time - last.time > 5 * usual:
            return None
        varies = self._chain.varies_seconds if self._by_chain else self._varies_seconds
        steps = max(1, ceil((time - last.ends - varies) / usual - STUDY_LATE))
        return last.begins + steps * usual - varies

    def adjacent(self, first: int) -> bool:
        """Whether the step after `first` is located, too: none lies between the two."""
        return 0 <= first < len(self.times) - 1 and self.after[first] == self.before[first + 1]

    def watts(self, first: int) -> float | None:
        """Mean power between the located step `first` and the next; None: not known."""
        if not self.adjacent(first):
            return None
        seconds = self.times[first + 1] - self.times[first]
        return (self.after[first + 1] - self.before[first + 1]) / seconds


@dataclass(frozen=True)
class StepInterval:
    """The time between two steps of a counter, in which `joules` flowed.

    begins, ends: seconds of one clock. watts_before, watts_after: mean power of the intervals
    beside it; None: not seen. unsharp_seconds: how far its ends may be from where they were
    located. earliest, latest: between which it may have begun, where that is not just so.
    """

    begins: float
    ends: float
    joules: float
    watts_before: float | None = None
    watts_after: float | None = None
    unsharp_seconds: float = 0.0
    earliest: float | None = None
    latest: float | None = None

    @property
    def seconds(self) -> float:
        return self.ends - self.begins

    @property
    def watts(self) -> float:
        return self.joules / self.seconds

    def joules_until(self, time: float) -> float:
        """Joules from its beginning to `time`.

        Where its mean power lies between those of its neighbours, the load has switched from one
        to the other within it, and the mean tells when. Else the power is taken as even.
        """
        elapsed = min(self.seconds, max(0.0, time - self.begins))
        before, after = self.watts_before, self.watts_after
        if before is None or after is None:
            return self.watts * elapsed
        low, high = sorted((before, after))
        if not low < self.watts < high:
            return self.watts * elapsed
        switch = self.seconds * (after - self.watts) / (after - before)
        return before * min(elapsed, switch) + after * max(0.0, elapsed - switch)

    def uncertainty_joules(self, time: float, most_watts: float) -> float:
        """By how much `joules_until` may be off.

        Of all courses of power between 0 and `most_watts` that add up to its joules, the one that
        is furthest from what `joules_until` assumes.
        """
        most = max(most_watts, self.watts)
        begins = self.begins if self.earliest is None else self.earliest
        inside = min(self.ends, max(begins, time))
        elapsed, rest = inside - begins, self.ends - inside
        highest = min(self.joules, most * elapsed) if elapsed else 0.0
        lowest = max(0.0, self.joules - most * rest) if rest else self.joules
        if self.latest is not None and time < self.latest:
            # Where power has no bound, what a step holds is one.
            lowest = -most * (self.latest - time) if isfinite(most) else -self.joules
        taken = self.joules_until(time)
        return max(highest - taken, taken - lowest, 0.0)
