"""A figure that only grows, from looks at it."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence

Stretch = tuple[float, float]
"""From one Unix time to another."""


class Growing:
    """Its value at each look, in the order of time (Unix seconds); between two looks it grew
    evenly."""

    def __init__(self, points: Iterable[tuple[float, float]] = ()) -> None:
        self.times, self.values = array("d"), array("d")
        for time, value in points:
            self.add(time, value)

    def add(self, time: float, value: float) -> None:
        """A look no later than the one before, or a value below it, counts as that one's."""
        if self.times and time <= self.times[-1]:
            self.values[-1] = max(value, self.values[-1])
            return
        self.times.append(time)
        self.values.append(max(value, self.values[-1]) if self.values else value)

    def more(self, time: float, grown: float) -> None:
        """A look at which it is so much above that of the look before."""
        self.add(time, (self.values[-1] if self.values else 0.0) + grown)

    def at(self, instant: float) -> float:
        """The first value before all looks, the last one after them."""
        place = bisect_right(self.times, instant)
        if place == 0 or place == len(self.times):
            return self.values[min(place, len(self.values) - 1)] if place == 0 else self.values[-1]
        before, after = self.times[place - 1], self.times[place]
        grown = self.values[place] - self.values[place - 1]
        return self.values[place - 1] + grown * (instant - before) / (after - before)

    def growth(self, stretches: Sequence[Stretch]) -> float:
        """Over all of them."""
        if not self.times:
            return 0.0
        return sum(self.at(end) - self.at(start) for start, end in stretches)


def seconds_of(stretches: Iterable[Stretch]) -> float:
    return sum((end - start for start, end in stretches), 0.0)


def union(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time in stretches that are apart, in their order."""
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        elif start < end:
            joined.append((start, end))
    return joined


def common(some: Sequence[Stretch], others: Sequence[Stretch]) -> list[Stretch]:
    """The time that is in both; each is a union."""
    pairs = ((max(a, c), min(b, d)) for a, b in some for c, d in others)
    return [(start, end) for start, end in pairs if start < end]
