"""Steps of a counter: where they were seen, and the energy at an instant between two of them.

A counter shows its energy at each step only. Two reads that were close together locate the step
between them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass
from math import floor
from statistics import median

# A step seen between two reads further apart than this is not located.
SHARP_SECONDS = 0.03
# Counters that move more often than this need no interpolation between their steps.
STEPPED_SECONDS = 0.005
# The period of a counter's steps is that of so many around an instant.
PERIODS = 21


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
        self.usual_seconds: float | None = None

    @property
    def wide(self) -> bool:
        """The counter moves so seldom that the instants of its steps matter."""
        return self._stated_seconds >= STEPPED_SECONDS

    @property
    def seconds(self) -> float:
        """Usual time between two steps, as seen, else as stated."""
        return self._stated_seconds if self.usual_seconds is None else self.usual_seconds

    def add(self, time: float, gap: float, before: float, after: float) -> bool:
        """Adds a step between two reads that were `gap` seconds apart, around `time`; False where
        that is too far apart to locate it."""
        if not self.wide or gap > min(SHARP_SECONDS, self.seconds / 4):
            return False
        if self.after and self.after[-1] == before:
            self._period_ends.append(time)
            self._periods.append(time - self.times[-1])
            self.usual_seconds = median(self._periods[-PERIODS:])
        self.times.append(time)
        self.widths.append(gap)
        self.before.append(before)
        self.after.append(after)
        return True

    def period(self, time: float) -> tuple[float | None, float]:
        """(usual seconds between two steps around `time`, half the range of what was seen)."""
        at = bisect_left(self._period_ends, time)
        near = self._periods[max(0, at - PERIODS // 2) : at + PERIODS // 2 + 1]
        if not near:
            return None, 0.0
        # A few tell less of how it varies than it does.
        unseen = 0.02 * median(near) / len(near)
        return median(near), (max(near) - min(near)) / 2 + unseen

    def next_after(self, time: float) -> float | None:
        """About when (Unix) the counter moves next, where its last steps make that predictable."""
        usual = self.usual_seconds
        if usual is None or time - self.times[-1] > 5 * usual:
            return None
        return self.times[-1] + usual * max(1, floor((time - self.times[-1]) / usual))

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
    located.
    """

    begins: float
    ends: float
    joules: float
    watts_before: float | None = None
    watts_after: float | None = None
    unsharp_seconds: float = 0.0

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
        elapsed = min(self.seconds, max(0.0, time - self.begins))
        rest = self.seconds - elapsed
        highest = min(self.joules, most * elapsed) if elapsed else 0.0
        lowest = max(0.0, self.joules - most * rest) if rest else self.joules
        taken = self.joules_until(time)
        return max(highest - taken, taken - lowest, 0.0)
