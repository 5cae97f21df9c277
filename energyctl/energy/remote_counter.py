"""A counter that is asked over a network: between two answers lie seconds, and each comes late."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from math import inf
from typing import NamedTuple

from energyctl.energy.domain import Domain
from energyctl.energy.series import NOT_SHOWN, SHOWN, Series, Span
from energyctl.text import number

# No more power is taken to flow than this many times the highest mean between two moves.
HEADROOM = 2.0
# A mean of two moves that are closer than this is taken over so long: one of them may show at once
# what flowed in a whole update.
LEAST_SECONDS = 0.5
# An instant further outside the readings than this (and than three usual moves) is unknown.
REACH_SECONDS = 10.0


class _Between(NamedTuple):
    """What had flowed at an instant, at least and at most."""

    low: float
    high: float


class RemoteCounterSeries(Series):
    """A counter in joules, of which a reading bounds what had flowed before it and after it.

    A question that was asked at `asked` and answered at `answered` with c joules, of a counter
    that moves every u seconds, in units of r joules: at `answered` no less than c had flowed, and
    at `asked` - u no more than c + r. The true energy lies between such bounds, however the power
    varied in between.
    """

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self._asked, self._answered = array("d"), array("d")
        self._breaks: list[int] = []  # places of the first readings after a reset or a jump
        self._moved_at = 0.0
        self._moved_from = 0.0
        self._update_seconds = domain.update_seconds
        self._peak_watts = 0.0

    def append(
        self, time: float, value: float | None, reason: str | None = None, seconds: float = 0.0
    ) -> None:
        if value is None:
            self._fail(time, reason or "the read failed")
        elif not self.times:
            self._moved_at, self._moved_from = time, value
            self._keep(time, value, seconds)
        elif time > self.times[-1]:
            if self._breaks_at(time, value):
                self._breaks.append(len(self.times))
                self._moved_at, self._moved_from = time, value
            elif value > self.values[-1]:
                self._see_move(time, value)
            else:
                self._see_still(time)
            self._keep(time, value, seconds)

    def _breaks_at(self, time: float, value: float) -> bool:
        """Whether it fell, or rose by more than can have flowed since it moved before."""
        risen, unit = value - self.values[-1], self.domain.resolution_joules
        most = self.domain.max_watts or inf
        return not -unit <= risen <= most * (time - self._moved_at + self._update_seconds) + unit

    def _keep(self, time: float, value: float, seconds: float) -> None:
        self.times.append(time)
        self.values.append(value)
        self._asked.append(time - seconds / 2)
        self._answered.append(time + seconds / 2)

    def _see_move(self, time: float, value: float) -> None:
        still, unseen = self.times[-1] - self._moved_at, time - self.times[-1]
        if still > self.domain.update_seconds and unseen <= self.domain.answer_seconds:
            self._see_still(time)  # it may have stood still up to now
        seconds = max(LEAST_SECONDS, time - self._moved_at)
        self._peak_watts = max(self._peak_watts, (value - self._moved_from) / seconds)
        self._moved_at, self._moved_from = time, value

    def _see_still(self, time: float) -> None:
        """It moves less often than stated, where two readings of one value show that. Where
        answers are missing, it may have moved at any time."""
        self._update_seconds = max(self._update_seconds, time - self._moved_at)

    def joules_at_last(self) -> float:
        if not self.values:
            return 0.0
        first = self._breaks[-1] if self._breaks else 0
        return self.values[-1] - self.values[first]

    @property
    def stretch(self) -> int:
        return len(self._breaks)

    def between(self, start: float, end: float) -> Span:
        broken = self._break_between(start, end)
        if broken is not None:
            return broken
        if self.times and not self._peak_watts:
            return Span(None, missing="its counter did not move", reason="still")
        bounds = []
        for time in (start, end):
            bound = self._flowed_at(time)
            if bound is None:
                return Span(None, missing=self._why_unknown(time))
            bounds.append(bound)
        if end - start < SHOWN * (end + self._update_seconds - self._asked[-1]):
            return Span(None, missing=NOT_SHOWN)
        first, last = bounds
        joules = max(0.0, (last.low + last.high - first.low - first.high) / 2)
        unsharp = sum((bound.high - bound.low) / 2 for bound in bounds)
        stated = self.domain.relative_uncertainty * joules
        return Span(joules, {"interpolation": unsharp, "stated": stated})

    def _break_between(self, start: float, end: float) -> Span | None:
        for place in self._breaks:
            if start < self.times[place] and self.times[place - 1] < end:
                before, after = self.values[place - 1], self.values[place]
                moved = f"from {number(before)} J to {number(after)} J"
                if after < before:
                    return Span(None, missing=f"its counter fell {moved}: a reset", reason="back")
                return Span(
                    None,
                    missing=f"its counter rose {moved}, more than can have flowed",
                    reason="jumped",
                )
        return None

    def _flowed_at(self, time: float) -> _Between | None:
        """None where no reading is near enough to tell."""
        first, end = self._stretch_around(time)
        reach = max(REACH_SECONDS, 3 * self._update_seconds)
        if first == end or not self.times[first] - reach <= time <= self.times[end - 1] + reach:
            return None
        most = min(self.domain.max_watts or inf, HEADROOM * self._peak_watts)
        late, unit = self._update_seconds, self.domain.resolution_joules
        low, high = -inf, inf
        after = bisect_right(self._answered, time, first, end)
        if after > first:
            low = self.values[after - 1]
        if after < end:
            low = max(low, self.values[after] - most * (self._answered[after] - time))
        beyond = bisect_left(self._asked, time + late, first, end)
        if beyond < end:
            high = self.values[beyond] + unit
        if beyond > first:
            ahead = time + late - self._asked[beyond - 1]
            high = min(high, self.values[beyond - 1] + unit + most * ahead)
        return _Between(low, max(low, high))

    def _stretch_around(self, time: float) -> tuple[int, int]:
        """The places of the readings of one stretch: from, and up to."""
        later = [place for place in self._breaks if self.times[place] > time]
        earlier = [place for place in self._breaks if self.times[place] <= time]
        return (earlier[-1] if earlier else 0), (later[0] if later else len(self.times))
