"""A counter that is asked over a network: between two answers lie seconds, and each comes late."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from math import inf
from typing import NamedTuple

from energyctl.energy.domain import Domain
from energyctl.energy.series import Series, Span
from energyctl.text import number

# No more power is taken to flow than this many times the highest mean between two moves.
HEADROOM = 2.0
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
        self._resets: list[int] = []  # places of the first readings after one
        self._moved_at = 0.0
        self._moved_from = 0.0
        self._seen_update_seconds = domain.update_seconds
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
            if value < self.values[-1] - self.domain.resolution_joules:
                self._resets.append(len(self.times))
                self._moved_at, self._moved_from = time, value
            elif value > self.values[-1]:
                self._see_move(time, value)
            self._keep(time, value, seconds)

    def _keep(self, time: float, value: float, seconds: float) -> None:
        self.times.append(time)
        self.values.append(value)
        self._asked.append(time - seconds / 2)
        self._answered.append(time + seconds / 2)

    def _see_move(self, time: float, value: float) -> None:
        """How often it moves is seen, too: it may be less often than stated."""
        seconds = time - self._moved_at
        self._seen_update_seconds = max(self._seen_update_seconds, seconds)
        self._peak_watts = max(self._peak_watts, (value - self._moved_from) / seconds)
        self._moved_at, self._moved_from = time, value

    @property
    def _update_seconds(self) -> float:
        """How seldom it moves; also what it stands still for now counts."""
        still = self.times[-1] - self._moved_at if self.times else 0.0
        return max(self._seen_update_seconds, still)

    def joules_at_last(self) -> float:
        if not self.values:
            return 0.0
        first = self._resets[-1] if self._resets else 0
        return self.values[-1] - self.values[first]

    @property
    def stretch(self) -> int:
        return len(self._resets)

    def between(self, start: float, end: float) -> Span:
        reset = self._reset_between(start, end)
        if reset is not None:
            return Span(None, missing=reset, reason="back")
        if self.times and not self._peak_watts:
            return Span(None, missing="its counter did not move", reason="still")
        bounds = []
        for time in (start, end):
            bound = self._flowed_at(time)
            if bound is None:
                return Span(None, missing=self._why_unknown(time))
            bounds.append(bound)
        first, last = bounds
        joules = max(0.0, (last.low + last.high - first.low - first.high) / 2)
        unsharp = sum((bound.high - bound.low) / 2 for bound in bounds)
        stated = self.domain.relative_uncertainty * joules
        return Span(joules, {"interpolation": unsharp, "stated": stated})

    def _reset_between(self, start: float, end: float) -> str | None:
        for place in self._resets:
            if start < self.times[place] and self.times[place - 1] < end:
                before, after = self.values[place - 1], self.values[place]
                return f"its counter fell from {number(before)} J to {number(after)} J: a reset"
        return None

    def _flowed_at(self, time: float) -> _Between | None:
        """None where no reading is near enough to tell."""
        first, end = self._stretch_around(time)
        reach = max(REACH_SECONDS, 3 * self._update_seconds)
        if first == end or not self.times[first] - reach <= time <= self.times[end - 1] + reach:
            return None
        most = self.domain.max_watts or HEADROOM * self._peak_watts
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
        later = [place for place in self._resets if self.times[place] > time]
        earlier = [place for place in self._resets if self.times[place] <= time]
        return (earlier[-1] if earlier else 0), (later[0] if later else len(self.times))
