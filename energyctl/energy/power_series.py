"""Joules from watts."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import pairwise
from statistics import median

from energyctl.energy.domain import Domain
from energyctl.energy.series import NOT_SHOWN, REACH_SECONDS, SHOWN, Series, Span

# Watts between two readings further apart than this (and than five usual distances) are unknown.
MAX_GAP_SECONDS = 10.0
# And between those further apart than this (and than three usual distances) it may have been any
# that was seen.
LONG_GAP_SECONDS = 1.0
# Of how many readings around a gap the power in it may have been any, where readings come seldom.
NEAR = 20
# No more power is taken to flow than this many times the highest reading, where none is stated.
HEADROOM = 2.0
# A reading this many times above the highest power is none that the hardware made.
IMPOSSIBLE = 2.0


class PowerSeries(Series):
    """Watts, integrated by the trapezoid rule over their real time stamps."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self.read_seconds = array("f")
        self._joules = 0.0
        self._gaps = 0

    def append(
        self, time: float, value: float | None, reason: str | None = None, seconds: float = 0.0
    ) -> None:
        if value is None or (reason := self._why_impossible(value)):
            self._fail(time, reason or "the read failed")
            return
        if self.times and time <= self.times[-1]:
            return  # overtaken by a later one
        if self.times:
            gap = time - self.times[-1]
            if gap > MAX_GAP_SECONDS and gap > self._longest_gap(len(self.times)):
                self._gaps += 1
            else:
                self._joules += gap * (value + self.values[-1]) / 2
        self.times.append(time)
        self.values.append(value)
        self.read_seconds.append(seconds)

    def _why_impossible(self, watts: float) -> str | None:
        """Why the device cannot have drawn that; None: it can."""
        most = self.domain.max_watts
        if most and watts > IMPOSSIBLE * most:
            return f"it read {watts:.0f} W, more than the device can draw"
        if watts < 0 or (watts == 0 and self.domain.always_draws):
            return f"it read {watts:.0f} W, and the device always draws some power"
        return None

    def joules_at_last(self) -> float:
        return self._joules

    @property
    def stretch(self) -> int:
        return self._gaps

    def between(self, start: float, end: float) -> Span:
        points = []
        for time in (start, end):
            watts = self._watts_at(time)
            if watts is None:
                return Span(None, missing=self._why_unknown(time))
            points.append((time, watts, 0.0))
        untold = self._why_untold(start, end)
        if untold is not None:
            return Span(None, missing=untold)
        inside = range(bisect_right(self.times, start), bisect_right(self.times, end))
        points[1:1] = [(self.times[i], self.values[i], self.read_seconds[i]) for i in inside]
        unseen = self._unseen([time for time, _, _ in points])
        if unseen is not None:
            return Span(None, missing=unseen)
        joules = switching = 0.0
        pace = self._pace(len(self.times))
        for (t0, w0, took0), (t1, w1, took1) in pairwise(points):
            joules += (t1 - t0) * (w0 + w1) / 2
            # When in the gap the power changed is unseen, or within an update and a read. These
            # errors add up, not out: a load with a period may be seen at the same place of it
            # each time.
            late = self.domain.update_seconds + max(took0, took1)
            change = max(t1 - t0, late) * abs(w1 - w0) / 2
            switching += max(change, self._hidden(t0, t1, (w0 + w1) / 2, inside))
            if t1 - t0 > max(LONG_GAP_SECONDS, 3 * pace):
                mean = (w0 + w1) / 2
                switching += (t1 - t0) * max(max(self.values) - mean, mean - min(self.values))
        budget = {
            "gaps": switching,
            "averaging": self._averaging(start) + max(self._averaging(end), self._tail(start, end)),
            "unit": self.domain.resolution_watts * (end - start) / 2,
            "stated": self.domain.relative_uncertainty * joules,
        }
        return Span(joules, budget)

    @property
    def _seldom(self) -> bool:
        """Whether it is read so seldom that a load with a period may hide between readings."""
        return self.domain.remote or not self.domain.is_part

    def _hidden(self, start: float, end: float, mean: float, inside: range) -> float:
        """Joules by which the power between two readings, of which no reading is, may be off.

        inside: places of the readings in the whole interval. Where they are enough, those before
        and after it, which may be of another load, say nothing of it.
        """
        unseen = end - start - self.domain.averaging_seconds
        if not self._seldom or unseen <= 0:
            return 0.0
        first, last = (inside.start, inside.stop) if len(inside) >= NEAR else (0, len(self.values))
        place = bisect_right(self.times, start)
        near = self.values[max(first, place - NEAR // 2) : min(last, place + NEAR // 2)]
        return unseen * max(max(near) - mean, mean - min(near))

    def _blind_seconds(self, time: float) -> float:
        """Of the time before `time`, what no reading is sure to show."""
        late = self.domain.averaging_seconds + self.domain.update_seconds
        return max(0.0, time + late - self.times[-1]) if self.domain.remote else 0.0

    def _why_untold(self, start: float, end: float) -> str | None:
        """Why readings over a network say too little of an interval; None: they say enough."""
        if not self.domain.remote:
            return None
        # A reading may be of before, by the time of an update.
        surely_within = start + self.domain.update_seconds
        none_within = bisect_right(self.times, surely_within) >= bisect_right(self.times, end)
        if none_within and end - start > self.domain.averaging_seconds:
            return "no new value within the run"
        return NOT_SHOWN if end - start < SHOWN * self._blind_seconds(end) else None

    def _tail(self, start: float, end: float) -> float:
        """Joules that power at the end may have been off by, which no reading has shown yet."""
        blind = self._blind_seconds(end)
        if not blind:
            return 0.0
        late = self.domain.averaging_seconds + self.domain.update_seconds
        seen = self.values[max(0, bisect_left(self.times, start - late) - 1) :]
        return blind * (max(seen) - min(seen))

    def _averaging(self, time: float) -> float:
        """Joules that a reading's age and averaging may shift across an edge.

        A reading is the mean over the window before it, and up to one update old, so what is seen
        at the edge flowed earlier, by half of both in the mean. And within the window the power may
        have been anything between 0 and the highest possible that has that mean.
        """
        window = self.domain.averaging_seconds
        around = bisect_right(self.times, time)
        took = max(self.read_seconds[max(0, around - 1) : around + 1], default=0.0)
        late = window + self.domain.update_seconds + took
        first = max(0, bisect_left(self.times, time - late) - 1)
        near = self.values[first : bisect_right(self.times, time + late) + 1]
        if not near:
            return 0.0
        watts = sum(near) / len(near)
        most = max(self._most_watts(), watts)
        hidden = window * watts * (1 - watts / most) if most else 0.0
        return max((max(near) - min(near)) * late / 2, hidden)

    def _most_watts(self) -> float:
        """Of a whole machine, `max_watts` is what no machine draws."""
        seen = HEADROOM * max(self.values)
        stated = self.domain.max_watts
        return min(stated or seen, seen) if self.domain.remote else stated or seen

    def _unseen(self, times: list[float]) -> str | None:
        """The reason why the power is unknown somewhere between `times`."""
        gap, begins = max((b - a, a) for a, b in pairwise(times))
        if gap <= self._longest_gap(bisect_right(self.times, begins)):
            return None
        why = self._why_unknown(begins + gap / 2) if self.failures else "no reading"
        return f"{gap:.0f} s without a reading: {why}"

    def _longest_gap(self, place: int) -> float:
        return max(MAX_GAP_SECONDS, 5 * self._pace(place))

    def _pace(self, place: int) -> float:
        """Usual distance of the twenty readings before `place`, or of the source's own updates."""
        recent = self.times[max(0, place - 20) : place]
        usual = median(b - a for a, b in pairwise(recent)) if len(recent) > 1 else 0.0
        return max(usual, self.domain.update_seconds)

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
        reach = max(REACH_SECONDS, self._pace(len(self.times)) + self.domain.answer_seconds)
        return self.values[nearest] if abs(self.times[nearest] - time) <= reach else None
