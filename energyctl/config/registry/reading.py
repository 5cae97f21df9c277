"""Of the numbers that were found for a metric, the one that counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from energyctl.config.registry.model import Metric, Select

_SHOWN_CHARACTERS = 40
"""Of what stood in the place of a number."""


MOST_POINTS = 1000
"""Of a series; of a longer one every second, fourth, … is kept."""


class Point(NamedTuple):
    """A value of a series, scaled; the byte behind its line or row; and when it was noted (Unix
    seconds), where the file says so."""

    value: float
    end: int
    time: float | None = None


class Points:
    """The values of a metric in their order, thinned to MOST_POINTS at most: every *every*th, and
    the last of *seen*."""

    def __init__(self, metric: Metric | None = None) -> None:
        self.seen, self.every = 0, 1
        self.reached: Point | None = None
        """The first that reaches the metric's value."""

        self.best: float | None = None
        """Of all finite values, where the metric is to reach one."""

        self._metric = metric
        self._kept = list[Point]()
        self._last: Point | None = None

    def add(self, point: Point) -> None:
        self._judge(point)
        if self.seen % self.every == 0:
            self._kept.append(point)
            self._last = None
        else:
            self._last = point
        self.seen += 1
        if len(self._kept) >= MOST_POINTS:
            if len(self._kept) % 2 == 0:
                self._last = self._kept[-1]
            del self._kept[1::2]
            self.every *= 2

    def _judge(self, point: Point) -> None:
        if self._metric is None or self._metric.reach is None or not math.isfinite(point.value):
            return
        better = min if self._metric.better == "lower" else max
        self.best = point.value if self.best is None else better(self.best, point.value)
        if self.reached is None and self._metric.reaches(point.value):
            self.reached = point

    @property
    def all(self) -> list[Point]:
        return [*self._kept, self._last] if self._last else list(self._kept)


@dataclass(frozen=True)
class Reading:
    """The numbers that were found, by metric. unread: metrics whose number nobody knows, because
    not all of the text could be read in time. strange: by metric what stood in the place of a
    number, the last of it. lacking: by metric why there can be none, as a file without the column.
    series: of metrics whose values are all kept.
    """

    values: dict[str, float]
    unread: tuple[str, ...] = ()
    strange: Mapping[str, str] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    series: Mapping[str, Points] = field(default_factory=dict)


class Selection:
    """The number of one metric, as far as it was read."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.found = False
        self.strange = ""
        """The last that stood in the place of a number, and is none."""

        self.points = Points(metric) if metric.series else None
        self._number = math.nan

    @property
    def decided(self) -> bool:
        """Whether nothing that follows can change it."""
        return self.found and self.metric.select == "first" and self.points is None

    @property
    def value(self) -> float:
        """Scaled; nan while none was found."""
        return self._number * self.metric.scale

    @property
    def series(self) -> dict[str, Points]:
        return {self.metric.name: self.points} if self.points is not None and self.found else {}

    def add(self, text: str, number: float | None, end: int = 0, time: float | None = None) -> None:
        """The next *number*; None where *text* is none. See :class:`Point`."""
        if number is None:
            self.strange = text[:_SHOWN_CHARACTERS]
            return
        if self.points is not None:
            self.points.add(Point(number * self.metric.scale, end, time))
        if not self.decided:
            chosen = _better(self.metric.select, self._number, number) if self.found else number
            self._number, self.found = chosen, True


def _better(select: Select, one: float, other: float) -> float:
    """Of two numbers, in the order of the output, the one that counts; nan is neither the
    greatest nor the least where there is any other."""
    if select in ("last", "first"):
        return other if select == "last" else one
    if math.isnan(one) or math.isnan(other):
        return other if math.isnan(one) else one
    return max(one, other) if select == "max" else min(one, other)


def number_in(text: str | None) -> float | None:
    """The number that a text is, in any notation; None where it is none."""
    if text is None:
        return None
    try:
        return float(text.replace("\u2212", "-"))
    except ValueError:
        return None
