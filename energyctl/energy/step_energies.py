"""How much the energies of a counter's single steps differ."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from math import sqrt


class StepEnergies:
    """Their number, sum and sum of squares up to each kept sample, so that hours take no room."""

    def __init__(self) -> None:
        self._times = array("d")
        self._sums = (array("d"), array("d"), array("d"))
        self._so_far = [0.0, 0.0, 0.0]

    def add(self, joules: float) -> None:
        """Of one step, which was seen by itself."""
        for power in range(3):
            self._so_far[power] += joules**power

    def keep(self, time: float) -> None:
        """What was seen up to `time`, a sample's."""
        self._times.append(time)
        for sums, value in zip(self._sums, self._so_far, strict=True):
            sums.append(value)

    def deviation(self, start: float, end: float) -> float | None:
        """Standard deviation between the samples from `start` to `end`; None of fewer than two."""
        first, last = bisect_left(self._times, start), bisect_right(self._times, end) - 1
        if last <= first:
            return None
        count, joules, squares = (sums[last] - sums[first] for sums in self._sums)
        if count < 2:
            return None
        return sqrt(max(0.0, squares - joules**2 / count) / (count - 1))
