"""Samples as they are shown: in the CSV files and in the live view."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from energyctl.energy import Domain

# A counter that moves in wide steps shows those instead of the power where two samples are close:
# the mean over this many steps is off by a tenth at most.
STEPS = 10


class Point(NamedTuple):
    """One sample of one domain: joules since the sampler's start, watts where the source has them.

    None: unknown. stretch: the joules of two points can be compared where this is the same; between
    others the counter was lost from sight.
    """

    domain: str
    time_unix: float
    joules: float | None
    watts: float | None
    stretch: int = 0


class PowerSample(NamedTuple):
    """Mean watts of one domain since its sample before; None: not known."""

    time_unix: float
    domain: str
    watts: float | None


class MeanPower:
    """Watts of a domain at its samples: the reading, or the mean since an earlier sample.

    That is the sample before, or, where it is closer than ten steps of the counter, the latest that
    is not (until there is one: the first).
    """

    def __init__(self, domain: Domain) -> None:
        self._least_seconds = STEPS * domain.update_seconds
        self._before: deque[Point] = deque()

    def watts(self, point: Point) -> float | None:
        if point.watts is not None:
            return point.watts
        if point.joules is None:
            self._before.clear()
            return None
        if self._before and self._before[0].stretch != point.stretch:
            self._before.clear()
        now = point.time_unix
        while len(self._before) > 1 and now - self._before[1].time_unix >= self._least_seconds:
            self._before.popleft()
        self._before.append(point)
        first = self._before[0]
        seconds = now - first.time_unix
        # Right after the first one there is nothing to divide but a step or none.
        if first.joules is None or seconds <= 0 or seconds < self._least_seconds / 5:
            return None
        return (point.joules - first.joules) / seconds
