"""The power that a device tells beside its counter: what it must be alike."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import pairwise
from math import log, sqrt

from energyctl.energy.checks import Band

# Fewer readings than this tell too little of a mean.
LEAST_READINGS = 10
# A mean of readings at random instants is further off than is said once in so many times.
CHANCE = 1e-4
# A reading is of up to so long ago, beside what it is averaged over.
LATE_SECONDS = 0.2


class ToldPower:
    """Readings at uneven distances (Unix seconds), each a mean over `averaging_seconds` before it.

    At even ones, a load with a period would be seen at the same place of it each time.
    """

    def __init__(self, averaging_seconds: float = 0.0) -> None:
        self.averaging_seconds = averaging_seconds
        self.times = array("d")
        self.watts = array("d")

    def add(self, time: float, watts: float) -> None:
        self.times.append(time)
        self.watts.append(watts)

    def copy(self) -> ToldPower:
        copy = ToldPower(self.averaging_seconds)
        copy.times, copy.watts = self.times[:], self.watts[:]
        return copy

    def mean(self, start: float, end: float, seen: Band | None) -> tuple[float, Band] | None:
        """(mean power between two instants, between what it lies); None: too few readings.

        seen: powers at which the device was seen by other means. The mean of N bounded
        readings at random instants is off by no more than range x sqrt(ln(2 / CHANCE) / 2N)
        (Hoeffding 1963, theorem 2; here with their weights).
        """
        first, last = bisect_left(self.times, start), bisect_right(self.times, end)
        if last - first < LEAST_READINGS:
            return None
        times, watts = self.times[first:last], self.watts[first:last]
        borders = [start, *((a + b) / 2 for a, b in pairwise(times)), end]
        weights = [(b - a) / (end - start) for a, b in pairwise(borders)]
        mean = sum(weight * one for weight, one in zip(weights, watts, strict=True))
        luck = sqrt(log(2 / CHANCE) / 2 * sum(weight * weight for weight in weights))
        told = Band(min(watts), max(watts))
        everything = told.with_(*seen) if seen else told
        width, unseen = told.high - told.low, self._unseen(times) / (end - start)
        hidden = everything.high - everything.low - width
        ends = (self.averaging_seconds + LATE_SECONDS) / (end - start) * width
        doubt = luck * width + min(luck, unseen) * hidden + ends
        return mean, Band(max(0.0, mean - doubt), mean + doubt)

    def _unseen(self, times: array[float]) -> float:
        """Seconds that no reading is of."""
        return sum(max(0.0, b - a - self.averaging_seconds) for a, b in pairwise(times))
