"""Mean power of a domain over a baseline's blocks, and how well that stands for another time.

A block is a stretch of the time line in which the load went through its course once, or some whole
times: (start, end) in Unix seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, sqrt
from statistics import fmean, linear_regression

from energyctl.energy.domain import proportional_joules
from energyctl.energy.series import Series, disagreement

Block = tuple[float, float]

# Shorter blocks tell more of the counter's steps than of the load.
LEAST_BLOCK_SECONDS = 1.0
# A block is followed in so many pieces, of a second at least.
PIECES, LEAST_PIECE_SECONDS = 30, 1.0

# What a counter's steps leave open at the edges of blocks shows in the blocks' spread.
AT_EDGES = ("interpolation", "location")

# Two-sided 95 % quantiles of Student's t for 1, 2, 3... degrees of freedom.
T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
NORMAL_QUANTILE = 1.959964


@dataclass(frozen=True)
class Power:
    """Mean power with its half-width; or the reason for none."""

    watts: float | None
    uncertainty_watts: float | None
    missing: str | None = None


@dataclass(frozen=True)
class BlockPower:
    """What a domain drew in blocks that follow one another.

    blocks: at least one. watts: the mean of each. meter_joules: what the meter may be off over all
    of them, but for what shows in the spread of `watts`, and what `proportional_joules` says of the
    energy that they are compared with. swing_joules: how far apart, within a
    block, the energy got ahead of even power and behind it, at most. swing_watts: how far the
    power of a piece of a block was from its mean, at most.
    """

    blocks: tuple[Block, ...]
    watts: tuple[float, ...]
    meter_joules: float
    swing_joules: float
    swing_watts: float

    @property
    def seconds(self) -> float:
        return sum(end - start for start, end in self.blocks)

    @property
    def mean(self) -> float:
        joules = ((e - s) * w for (s, e), w in zip(self.blocks, self.watts, strict=True))
        return sum(joules) / self.seconds

    @property
    def middle(self) -> float:
        """Unix seconds."""
        return (self.blocks[0][0] + self.blocks[-1][1]) / 2

    @property
    def trend(self) -> float:
        """Watts per second, of a line through the blocks."""
        if len(self.blocks) < 2:
            return 0.0
        return linear_regression([(s + e) / 2 for s, e in self.blocks], self.watts).slope


def equal_blocks(start: float, end: float, count: int) -> tuple[Block, ...]:
    """The time from *start* to *end* in so many blocks."""
    edges = [start + (end - start) * i / count for i in range(count + 1)]
    return tuple(pairwise(edges))


def joined(blocks: Sequence[Block], least_seconds: float = LEAST_BLOCK_SECONDS) -> list[Block]:
    """Those that are too short together with what follows them at once, until they are not."""
    together: list[Block] = []
    for start, end in blocks:
        before = together[-1] if together else None
        if before and before[1] == start and before[1] - before[0] < least_seconds:
            together[-1] = (before[0], end)
        else:
            together.append((start, end))
    return together


def block_power(
    series: Series, blocks: Sequence[Block], check: Series | None = None
) -> BlockPower | str:
    """What the domain drew in each; the reason where that is not known of one. check: of
    `Domain.check`."""
    watts, meter, swing_joules, swing_watts = list[float](), 0.0, 0.0, 0.0
    for start, end in blocks:
        span = series.between(start, end)
        if span.joules is None:
            return str(span.missing)
        mean = span.joules / (end - start)
        watts.append(mean)
        course = _course(series, start, end, span.joules)
        ahead = [joules - mean * seconds for seconds, joules in course]
        swing_joules = max(swing_joules, max(ahead) - min(ahead))
        for (t0, j0), (t1, j1) in pairwise(course):
            swing_watts = max(swing_watts, abs((j1 - j0) / (t1 - t0) - mean))
    for start, end in joined(blocks, inf):
        span = series.between(start, end)
        budget = dict(span.budget)
        if check is not None:
            budget["disagreement"] = disagreement(span.joules or 0.0, check, start, end)
        meter += sum(joules for cause, joules in budget.items() if cause not in AT_EDGES)
        meter -= proportional_joules(budget, measured=series.domain.measured)
    return BlockPower(tuple(blocks), tuple(watts), meter, swing_joules, swing_watts)


def mean_power(before: BlockPower, after: BlockPower | None, start: float, end: float) -> Power:
    """The power that would have been drawn from *start* to *end*, by that of blocks around it.

    The half-width is the sum of
    - the drift: half of what before and after differ by; with nothing after, the trend of the
      blocks before carried on to the middle;
    - the noise: Student's t × spread of the blocks × √(1/their number + share of one in the time):
      of the blocks' mean, and of the mean of as many blocks as fit into the time;
    - the course: the time need not be of whole cycles, and what is over may be any part of one;
    - the meter's own uncertainty over the blocks.
    """
    sides, seconds = [before, *([after] if after else [])], end - start
    length = sum(side.seconds for side in sides)
    watts = sum(side.mean * side.seconds for side in sides) / length
    count = sum(len(side.blocks) for side in sides)
    if count == 1:
        return Power(
            None, None, "its baseline is a single block, which does not show how much others differ"
        )
    if after is not None:
        drift = abs(after.mean - before.mean) * max(s.seconds for s in sides) / length
    else:
        drift = abs(before.trend) * abs((start + end) / 2 - before.middle)
    share = min(1.0, length / count / seconds)
    spread = deviation([side.watts for side in sides]) or 0.0
    noise = student_t(count - 1) * spread * sqrt(1 / count + share)
    course = min(
        max(side.swing_joules for side in sides) / seconds, max(s.swing_watts for s in sides)
    )
    meter = sum(side.meter_joules for side in sides) / length
    return Power(watts, drift + noise + course + meter)


def student_t(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t; above the table by Cornish and Fisher's series
    [Abramowitz and Stegun, 26.7.5]."""
    if freedom <= len(T_QUANTILES):
        return T_QUANTILES[freedom - 1]
    z = NORMAL_QUANTILE
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def deviation(sides: Sequence[Sequence[float]]) -> float | None:
    """Standard deviation of values about the mean of their side; where there is one on each, about
    that of all. None of a single value."""
    every = [value for side in sides for value in side]
    if len(every) < 2:
        return None
    count = sum(1 for side in sides if side)
    if len(every) == count:
        sides, count = [every], 1
    squares = ((value - fmean(side)) ** 2 for side in sides if side for value in side)
    return sqrt(sum(squares) / (len(every) - count))


def _course(series: Series, start: float, end: float, joules: float) -> list[tuple[float, float]]:
    """(seconds, joules) since *start*, piece by piece, up to *end*."""
    piece = max(LEAST_PIECE_SECONDS, (end - start) / PIECES)
    course = [(0.0, 0.0)]
    for number in range(1, int((end - start) / piece)):
        so_far = series.between(start, start + number * piece).joules
        if so_far is not None:
            course.append((number * piece, so_far))
    return [*course, (end - start, joules)]
