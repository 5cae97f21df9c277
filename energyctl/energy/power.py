"""Joules from watts."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from statistics import median

from energyctl.energy.domain import Domain
from energyctl.energy.series import REACH_SECONDS, Series, Span

# Watts between two readings further apart than this (and than five usual distances) are unknown.
MAX_GAP_SECONDS = 10.0


class PowerSeries(Series):
    """Watts, integrated by the trapezoid rule over their real time stamps."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self._joules: float | None = 0.0

    def append(self, time: float, value: float | None, reason: str | None = None) -> None:
        if value is None:
            self._fail(time, reason or "the read failed")
            return
        if self.times and self._joules is not None:
            gap = time - self.times[-1]
            piece = gap * (value + self.values[-1]) / 2
            self._joules = None if gap > self._longest_gap() else self._joules + piece
        self.times.append(time)
        self.values.append(value)

    def joules_at_last(self) -> float | None:
        return self._joules if self.times else None

    def between(self, start: float, end: float) -> Span:
        points = []
        for time in (start, end):
            watts = self._watts_at(time)
            if watts is None:
                return Span(None, None, self._why_unknown(time))
            points.append((time, watts))
        inside = range(bisect_right(self.times, start), bisect_right(self.times, end))
        points[1:1] = [(self.times[i], self.values[i]) for i in inside]
        unseen = self._unseen([time for time, _ in points])
        if unseen is not None:
            return Span(None, None, unseen)
        joules = spread = 0.0
        for (t0, w0), (t1, w1) in pairwise(points):
            joules += (t1 - t0) * (w0 + w1) / 2
            # When in the gap the power changed is unseen. These errors add up, not out: a load
            # with a period may be seen at the same place of it each time.
            spread += (t1 - t0) * abs(w1 - w0) / 2
        return Span(joules, spread + self.domain.relative_uncertainty * joules)

    def _unseen(self, times: list[float]) -> str | None:
        """The reason why the power is unknown somewhere between `times`."""
        gap, begins = max((b - a, a) for a, b in pairwise(times))
        if gap <= self._longest_gap():
            return None
        why = self._why_unknown(begins + gap / 2) if self.failures else "no reading"
        return f"{gap:.0f} s without a reading: {why}"

    def _longest_gap(self) -> float:
        return max(MAX_GAP_SECONDS, 5 * self._usual_gap())

    def _usual_gap(self) -> float:
        recent = self.times[-20:]
        return median(b - a for a, b in pairwise(recent)) if len(recent) > 1 else 0.0

    def _watts_at(self, time: float) -> float | None:
        """Linear between readings; just outside them the nearest one."""
        if not self.times:
            return None
        after = bisect_right(self.times, time)
        if 0 < after < len(self.times):
            t0, t1 = self.times[after - 1 : after + 1]
            w0, w1 = self.values[after - 1 : after + 1]
            return w0 + (w1 - w0) * (time - t0) / (t1 - t0)
        nearest = 0 if after == 0 else -1
        if abs(self.times[nearest] - time) > max(REACH_SECONDS, self._usual_gap()):
            return None
        return self.values[nearest]
