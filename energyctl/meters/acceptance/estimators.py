"""What the steps of a counter tell, where it was known when the load rose and fell."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import fmean, median, quantiles, stdev

from energyctl.energy.step_chain import MISSED_PERIODS

# Power beside an edge is the mean over so many steps.
BESIDE_STEPS = 2
# Of a normal distribution: its standard deviation by its quartiles, that of a median by that of a
# mean, and the half of what holds 95 % (of some 30 values).
QUARTILES, MEDIAN, TWO_SIDED = 1.349, 1.253, 2.1
# A change of power that is smaller than this is lost in the steps of the counter.
LEAST_CHANGE_WATTS = 10.0


@dataclass(frozen=True)
class Staircase:
    """Located steps of a counter, in the order of time.

    times: seconds; joules: what the counter shows from that step on; followed: whether no step was
    missed between it and the one before it in this list.
    """

    times: Sequence[float]
    joules: Sequence[float]
    followed: Sequence[bool]

    def periods(self) -> list[float]:
        """Between each two steps that followed each other."""
        return [
            self.times[i] - self.times[i - 1] for i in range(1, len(self.times)) if self.followed[i]
        ]

    def joules_at(self, time: float) -> float:
        """The energy that it shows at an instant, as if the power of a step were even."""
        i = min(max(1, bisect_right(self.times, time)), len(self.times) - 1)
        return self.joules[i - 1] + self.watts(i - 1, i) * (time - self.times[i - 1])

    def watts(self, first: int, last: int) -> float:
        """Mean power from one step to another."""
        seconds = self.times[last] - self.times[first]
        return (self.joules[last] - self.joules[first]) / seconds

    def mean_watts(self, start: float, end: float) -> float:
        return (self.joules_at(end) - self.joules_at(start)) / (end - start)

    def covers(self, start: float, end: float) -> bool:
        """Whether enough of its steps lie around an interval to tell what flowed in it."""
        return (
            bisect_left(self.times, start) > BESIDE_STEPS
            and bisect_left(self.times, end) < len(self.times) - BESIDE_STEPS
        )


@dataclass(frozen=True)
class Pace:
    """How a counter moves: usual period, half of what 90 % of them vary by, share of periods that
    lacked an update."""

    seconds: float
    varies_seconds: float
    missed: float


def pace(periods: Sequence[float]) -> Pace:
    """Of at least two periods."""
    usual = median(periods)
    missed = sum(one >= MISSED_PERIODS * usual for one in periods) / len(periods)
    twentieths = quantiles([one for one in periods if one < MISSED_PERIODS * usual], n=20)
    return Pace(usual, (twentieths[-1] - twentieths[0]) / 2, missed)


@dataclass(frozen=True)
class Burst:
    """Work on the GPU: seconds of the same clock as the steps'.

    began: right before its first kernel; ended: right after its last one's end.
    """

    began: float
    ended: float
    units: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True)
class Delay:
    """How late a counter shows energy: the median of `edges` estimates and the half-width of what
    holds it, also where rises and falls differ; medians of those at rises and at falls."""

    seconds: float
    within_seconds: float
    rise_seconds: float
    fall_seconds: float
    edges: int


def delay(stairs: Staircase, pulses: Sequence[Burst], reach_seconds: float) -> Delay | None:
    """From the edges of pulses: where the counter has the load rise, or fall, less where it did.

    From a step before the edge to one `reach_seconds` after it, the counter grew by ΔE in Δt: the
    power changed from P₀ to P₁ at `t + (P₁ Δt − ΔE) / (P₁ − P₀)`. None where that cannot be told
    from most edges.
    """
    rises = [_shift(stairs, pulse.began, reach_seconds) for pulse in pulses]
    falls = [_shift(stairs, pulse.ended, reach_seconds) for pulse in pulses]
    rising, falling = ([one for one in edges if one is not None] for edges in (rises, falls))
    if min(len(rising), len(falling)) < max(2, len(pulses) / 2):
        return None
    found = rising + falling
    low, _, high = quantiles(found, n=4)
    half = TWO_SIDED * MEDIAN * (high - low) / QUARTILES / sqrt(len(found))
    rise, fall = median(rising), median(falling)
    return Delay(median(found), max(half, abs(rise - fall) / 2), rise, fall, len(found))


def _shift(stairs: Staircase, edge: float, reach_seconds: float) -> float | None:
    """How much later than at `edge` the counter has the power change."""
    first = bisect_left(stairs.times, edge) - BESIDE_STEPS
    last = bisect_left(stairs.times, edge + reach_seconds)
    if first < BESIDE_STEPS or last >= len(stairs.times) or last - first < 2 * BESIDE_STEPS:
        return None
    before = stairs.watts(first - BESIDE_STEPS, first)
    after = stairs.watts(last - BESIDE_STEPS, last)
    if abs(after - before) < LEAST_CHANGE_WATTS:
        return None
    seconds = stairs.times[last] - stairs.times[first]
    joules = stairs.joules[last] - stairs.joules[first]
    return stairs.times[first] + (after * seconds - joules) / (after - before) - edge


def burst_joules(stairs: Staircase, burst: Burst, late_seconds: float) -> float:
    """What flowed during a burst, of a counter that shows it so late.

    From the last step before it to the first one after it, less what the GPU drew in between
    beside the burst: that was little, since it did nothing then.
    """
    began, ended = burst.began + late_seconds, burst.ended + late_seconds
    first = bisect_right(stairs.times, began) - 1
    last = bisect_left(stairs.times, ended)
    before = stairs.watts(first - BESIDE_STEPS, first)
    after = stairs.watts(last, last + BESIDE_STEPS)
    beside = before * (began - stairs.times[first]) + after * (stairs.times[last] - ended)
    return stairs.joules[last] - stairs.joules[first] - beside


def joules_per_unit(
    stairs: Staircase, burst: Burst, late_seconds: float, idle_watts: float
) -> float:
    """Above idle."""
    above = burst_joules(stairs, burst, late_seconds) - idle_watts * burst.seconds
    return above / burst.units


def spread(values: Sequence[float]) -> float:
    """How far apart they are, as a share of their mean."""
    mean = fmean(values)
    return (max(values) - min(values)) / abs(mean) if mean else inf


def residuals(xs: Sequence[float], ys: Sequence[float]) -> list[float]:
    """What the straight line through (x, y) by least squares leaves of each y."""
    x, y = fmean(xs), fmean(ys)
    square = sum((one - x) ** 2 for one in xs)
    product = sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True))
    slope = product / square if square else 0.0
    return [b - y - slope * (a - x) for a, b in zip(xs, ys, strict=True)]


def deviation(left: Sequence[float]) -> float:
    """Standard deviation of what a line through them has left over."""
    return stdev(left) * sqrt((len(left) - 1) / (len(left) - 2)) if len(left) > 2 else 0.0
