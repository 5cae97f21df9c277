"""From what a counter shows to joules since its first reading: wraps, resets, glitches."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from energyctl.energy.domain import Domain
from energyctl.energy.schema import CheckReason

# A counter cannot have made more than so many times its highest power for the gap and this, or two
# steps. Many, since a stated limit need not be in force; what is too much to be likely after a wrap
# is told by `wrap_doubt`.
IMPOSSIBLE, BURST_SECONDS = 10.0, 0.05
ROUNDING_JOULES = 1e-6  # of floating point, in counters that are none of integers
# A counter that belongs to the total and has not moved for this long, and for so many of its steps,
# is broken: packages, memory and GPUs always draw some power.
STILL_SECONDS, STILL_STEPS = 0.5, 10
# Counters that wrap are read at least this often, so that a wrap is seen when it comes.
FOLLOW_SECONDS = 2.0


class CounterReading(NamedTuple):
    """One reading. seconds: how long it took; kept: it is a sample, not one in between."""

    time_unix: float
    raw: float
    seconds: float
    kept: bool


class Unknown(NamedTuple):
    """The counter was lost from sight between two instants: why, as a code and in words."""

    since: float
    until: float
    reason: CheckReason
    words: str


class CounterDelta(NamedTuple):
    """A reading that goes on from the one before: `delta` joules in `gap` seconds.

    before: joules up to the one before. continuous: nothing is unknown between the two, and the
    delta says what power there was (a wrap may have come early).
    """

    gap: float
    before: float
    delta: float
    continuous: bool


class Unwrapper:
    """Follows one counter. All instants are Unix seconds.

    A reading that cannot have come about (the counter went back, or further than power allows) is
    set aside. If the next one goes on from there, the counter was reset, and the energy across that
    is unknown; if it goes on from before, it was a glitch, and nothing is lost.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self.joules = 0.0
        self.breaks: list[Unknown] = []
        self.stills: list[tuple[float, float]] = []  # it did not move: from, to
        self.wraps: list[tuple[float, float, float]] = []  # time, joules folded, over how long
        self.refused = ""  # why the last reading was set aside
        self.spikes: list[float] = []  # when readings were set aside
        self.proved: CounterReading | None = None  # a reading set aside that turned out to be true
        self._aside: CounterReading | None = None
        self._time: float | None = None
        self._raw = 0.0
        self._moved = 0.0

    @property
    def follow_seconds(self) -> float:
        """It must be read this often: well within the time that a whole wrap takes at least."""
        wrap, watts = self._domain.wrap_joules, self._domain.max_watts
        return min(FOLLOW_SECONDS, 0.8 * wrap / watts) if wrap and watts else inf

    def take(self, read: CounterReading) -> CounterDelta | None:
        """None: the reading is not to be used; if it is for `refused`, that says why."""
        self.refused, self.proved = "", None
        if self._time is None:
            self._begin(read)
            return CounterDelta(0.0, 0.0, 0.0, continuous=False)
        if read.time_unix <= self._time:
            return None  # overtaken by a later one
        delta = self._since(self._raw, read, self._time)
        if delta is None:
            if not self._proves_aside(read):
                (_, self.refused), self._aside = self._why_refused(read), read
                self.spikes.append(read.time_unix)
                return None
            delta = self._since(self._raw, read, self._time) or 0.0
        self._aside = None
        return self._accept(read, delta, self._time)

    def _begin(self, read: CounterReading) -> None:
        self._time, self._raw, self._moved = read.time_unix, read.raw, read.time_unix

    def _since(self, raw: float, read: CounterReading, time: float) -> float | None:
        """Joules from a value at `time` to a reading, wrap folded in; None: no course explains."""
        wrap, watts = self._domain.wrap_joules, self._domain.max_watts
        delta = read.raw - raw
        if -ROUNDING_JOULES < delta < 0:
            return 0.0
        if delta < 0:
            delta += wrap or 0.0
        allowed = read.time_unix - time + max(BURST_SECONDS, 2 * self._domain.update_seconds)
        return delta if 0 <= delta <= (IMPOSSIBLE * watts * allowed if watts else inf) else None

    def _why_refused(self, read: CounterReading) -> tuple[CheckReason, str]:
        back = self._raw - read.raw
        if back > 0:
            return "back", f"the counter went back by {back:.0f} J: it was reset"
        return "jumped", f"the counter jumped by {-back:.0f} J, more than the device can draw"

    def _proves_aside(self, read: CounterReading) -> bool:
        """Whether the reading set aside was true; then the counter was reset before it."""
        aside, last = self._aside, self._time
        if aside is None or last is None or self._since(aside.raw, read, aside.time_unix) is None:
            return False
        self.spikes.pop()
        self.breaks.append(Unknown(last, aside.time_unix, *self._why_refused(aside)))
        self._begin(aside)
        self.proved = aside
        return True

    def _accept(self, read: CounterReading, delta: float, last: float) -> CounterDelta:
        wrap, watts = self._domain.wrap_joules, self._domain.max_watts
        gap, before = read.time_unix - last, self.joules
        wrapped = read.raw < self._raw - ROUNDING_JOULES
        self._time, self._raw = read.time_unix, read.raw
        self.joules += delta
        self._see_stillness(delta, read.time_unix)
        if wrap and watts and gap * watts >= wrap:
            why = f"not read for {gap:.1f} s, and the counter may have started over meanwhile"
            self.breaks.append(Unknown(last, read.time_unix, "gap", why))
            return CounterDelta(gap, before, delta, continuous=False)
        if wrapped:
            self.wraps.append((read.time_unix, delta, gap))
        return CounterDelta(gap, before, delta, continuous=not wrapped)

    def _see_stillness(self, delta: float, time: float) -> None:
        if delta > 0:
            self._moved = time
            return
        step = self._domain.update_seconds
        longest = max(STILL_SECONDS, STILL_STEPS * step)
        # A part of a package may be off, as uncore is without a display; what has all never is.
        # What comes over a network may take its time.
        domain = self._domain
        whole = (domain.part or domain.name).startswith(("psys", "node", "gpu/"))
        draws = domain.is_part or (whole and not domain.remote)
        if step and draws and time - self._moved > longest:
            if self.stills and self.stills[-1][0] == self._moved:
                self.stills.pop()
            self.stills.append((self._moved, time))

    def unknown(self, start: float, end: float) -> Unknown | None:
        """Why the energy between two instants is unknown; None: nothing speaks against it."""
        for one in self.breaks:
            if one.since < end and start < one.until:
                return one
        for since, until in self.stills:
            if since < end and start < until:
                words = (
                    f"the counter stood still for {until - since:.1f} s: it is broken, or emulated"
                )
                return Unknown(since, until, "still", words)
        return None

    def spikes_between(self, start: float, end: float) -> int:
        """How many readings were set aside."""
        return sum(start <= time <= end for time in self.spikes)

    def wrap_doubt(self, start: float, end: float, peak_watts: float) -> float:
        """Joules by which wraps may have come early: what no power seen elsewhere explains."""
        inside = (w for w in self.wraps if start < w[0] and w[0] - w[2] < end)
        return sum((max(0.0, joules - peak_watts * gap) for _, joules, gap in inside), 0.0)
