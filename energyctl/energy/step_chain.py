"""Steps of a counter that followed each other: together they tell when each of them was.

Where a counter is read so seldom that a step is known to some tens of milliseconds only, as one of
many GPUs whose calls are slow, the steps before and after it, each a period away, say it better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf

# So many of the last ones are kept, and so many it takes to tell anything.
LENGTH, LEAST = 8, 3
# By such shares of a period a step may come early or late: the one after the first that explains
# all that was seen, since a few do not come as early or late as steps may.
VARIES = (0.01, 0.03, 0.06, 0.1, 0.2)
# A step that comes after so many periods may be the second one.
MISSED_PERIODS = 1.6


@dataclass(frozen=True)
class SeenStep:
    """A step between two reads that were `gap` seconds apart, around `time` (Unix); the joules
    before and after it."""

    time: float
    gap: float
    before: float
    after: float

    @property
    def begins(self) -> float:
        return self.time - self.gap / 2

    @property
    def ends(self) -> float:
        return self.time + self.gap / 2


class StepChain:
    """The last steps of one counter without a gap between them.

    period_seconds: their mean distance in the longest chain so far, to within doubt_seconds.
    varies_seconds: by how much a step may come early or late. followed: how many were seen to
    follow the one before; missed: an update was left out.
    """

    def __init__(self) -> None:
        self.period_seconds, self.doubt_seconds = 0.0, inf
        self.varies_seconds = 0.0
        self.followed = 0
        self.missed = False
        self._steps: list[SeenStep] = []
        self._first: SeenStep | None = None
        self._count = 0  # of steps since the first one

    def end(self) -> None:
        """Something was missed: the next step begins another one."""
        self._steps, self._first, self._count = [], None, 0

    def add(self, step: SeenStep, usual_seconds: float | None) -> None:
        first, last = self._first, self._steps[-1] if self._steps else None
        usual = usual_seconds or inf
        if last is not None and last.after == step.before:
            late = step.time - last.time > MISSED_PERIODS * usual
            self.missed |= late
            last = None if late else last
        if last is None or first is None or last.after != step.before:
            self._steps, self._first, self._count = [step], step, 0
            return
        self._steps = [*self._steps[1 - LENGTH :], step]
        self._count += 1
        self.followed += 1
        doubt = (first.gap + step.gap) / 2 / self._count
        if doubt < self.doubt_seconds:
            self.period_seconds = (step.time - first.time) / self._count
            self.doubt_seconds = doubt

    def sharpened(self, sharp_seconds: float) -> list[SeenStep]:
        """Those that are known to within `sharp_seconds` by all of them together; none where each
        is known so well by itself, or where they are too few."""
        if len(self._steps) < LEAST or all(step.gap <= sharp_seconds for step in self._steps):
            return []
        found = [self._by_others(place) for place in range(len(self._steps))]
        return [step for step in found if step is not None and step.gap <= sharp_seconds]

    def _by_others(self, place: int) -> SeenStep | None:
        """Between when the step at *place* may have been, by all the others."""
        for explains, varies in pairwise(VARIES):
            begins, ends = self._window(place, explains)
            if ends > begins:
                begins, ends = self._window(place, varies)
                self.varies_seconds = varies * self.period_seconds + self.doubt_seconds
                gap = max(ends - begins, self.varies_seconds)
                return replace(self._steps[place], time=(begins + ends) / 2, gap=gap)
        return None

    def _window(self, place: int, varies: float) -> tuple[float, float]:
        begins, ends = self._steps[place].begins, self._steps[place].ends
        for i, other in enumerate(self._steps):
            away = (place - i) * self.period_seconds
            slack = varies * self.period_seconds + abs(place - i) * self.doubt_seconds
            if i != place:
                begins = max(begins, other.begins + away - slack)
                ends = min(ends, other.ends + away + slack)
        return begins, ends
