"""The located steps of a counter: those seen between two reads that were close together."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from math import floor
from statistics import median

# A step seen between two reads further apart than this is not located.
SHARP_SECONDS = 0.03
# Counters that move more often than this need no interpolation between their steps.
STEPPED_SECONDS = 0.005
# The period of a counter's steps is that of so many around an instant.
PERIODS = 21


class Steps:
    """Parallel arrays, one entry per located step."""

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
        """A step between two reads `gap` apart, around `time`; False where that is too far."""
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
        """(time between two steps around `time`, half the range that it was seen to vary by)."""
        at = bisect_left(self._period_ends, time)
        near = self._periods[max(0, at - PERIODS // 2) : at + PERIODS // 2 + 1]
        if not near:
            return None, 0.0
        # A few tell less of how it varies than it does.
        unseen = 0.02 * median(near) / len(near)
        return median(near), (max(near) - min(near)) / 2 + unseen

    def next_after(self, time: float) -> float | None:
        """About when the counter moves next, where its last steps make that predictable."""
        usual = self.usual_seconds
        if usual is None or time - self.times[-1] > 5 * usual:
            return None
        return self.times[-1] + usual * max(1, floor((time - self.times[-1]) / usual))

    def follow(self, first: int) -> bool:
        """Whether the step `first` + 1 is located, too, and none lies between the two."""
        return 0 <= first < len(self.times) - 1 and self.after[first] == self.before[first + 1]

    def watts(self, first: int) -> float | None:
        """Mean power from the located step `first` to the next; None: that is not known."""
        if not self.follow(first):
            return None
        seconds = self.times[first + 1] - self.times[first]
        return (self.after[first + 1] - self.before[first + 1]) / seconds
