"""Means of the figures of pairs over blocks, with intervals by Student's t. Pure.

One value per block of the run alone, or per run alone where that is of none or of an earlier
campaign, so that pairs which share it count once: the mean of them. Of `marginal_joules`, in which
the run alone has no part, one per block of the run beside, or per run beside. Geometric means of
ratios (arithmetic ones of their logarithms), arithmetic means of joules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from energyctl.energy.block_power import student_t
from energyctl.results.pairs import Figure, Pair
from energyctl.text import count, with_uncertainty

CONFIDENCE = 0.95
"""Of all intervals."""

TOO_FAR = "they differ by more than a number can hold"

RATIOS = ("slowdown", "energy_ratio", "background_slowdown")
ADDED = "marginal_joules"
JOULES = (ADDED, "one_after_the_other_joules", "saving_joules")
MEANS = (*RATIOS, *JOULES)
ENERGIES = ("energy_ratio", *JOULES)
UNLIKE = "not metered alike: the total is one domain by itself in some pairs, of parts in others"


@dataclass(frozen=True)
class Mean:
    """Of n blocks; low, high: its interval. missing: why there is no interval, or no mean."""

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    missing: str | None = None


def figures(mean: Mean, scale: float) -> list[str]:
    """The mean and the ends of its interval over *scale*, with the digits that the interval allows;
    those that are known."""
    edges = mean.low, mean.high
    half = None if mean.low is None or mean.high is None else (mean.high - mean.low) / 2 / scale
    known = [value for value in (mean.value, *edges) if value is not None]
    return [with_uncertainty(value / scale, half)[0] for value in known]


@dataclass(frozen=True)
class Means:
    """Of all pairs of one training and condition. n: blocks, or runs alone where not all of these
    are of blocks."""

    training: str
    condition: str
    n: int
    of_blocks: bool
    slowdown: Mean
    energy_ratio: Mean
    background_slowdown: Mean
    marginal_joules: Mean
    one_after_the_other_joules: Mean
    saving_joules: Mean

    @property
    def of(self) -> str:
        """What n counts."""
        return "blocks" if self.of_blocks else "runs alone"

    def size(self, n: int) -> str:
        """``8 blocks``, ``1 run alone``."""
        return size_of(n, self.of_blocks)


def size_of(n: int, of_blocks: bool) -> str:
    """``8 blocks``, ``1 run alone``."""
    return count(n, "block") if of_blocks else f"{count(n, 'run')} alone"


def means_of(pairs: Sequence[Pair]) -> list[Means]:
    """By training and condition, in the order of the pairs."""
    groups = grouped(pairs, lambda pair: (pair.training, pair.condition))
    return [_means(members) for members in groups]


def _means(pairs: Sequence[Pair]) -> Means:
    alone, of_blocks = by_run_alone(pairs)
    beside = grouped(pairs, lambda pair: pair.match.beside.block or pair.beside)
    figures = {
        name: mean_of(
            [[getattr(pair.interference, name) for pair in block] for block in blocks],
            ratio=name in RATIOS,
        )
        for name, blocks in ((name, beside if name == ADDED else alone) for name in MEANS)
    }
    if len({pair.match.beside.total_by_itself for pair in pairs}) > 1:
        figures |= dict.fromkeys(ENERGIES, Mean(0, missing=UNLIKE))
    return Means(pairs[0].training, pairs[0].condition, len(alone), of_blocks, **figures)


def by_run_alone(pairs: Sequence[Pair]) -> tuple[list[list[Pair]], bool]:
    """One list per block of the runs alone, else per run alone; whether all are of blocks."""
    lent = {pair.alone for pair in pairs if pair.match.earlier}
    of_block = {pair.alone: pair.match.alone.block for pair in pairs if pair.alone not in lent}
    units = grouped(pairs, lambda pair: of_block.get(pair.alone) or pair.alone)
    return units, all(of_block.get(pair.alone) is not None for pair in pairs)


def grouped(pairs: Iterable[Pair], unit: Callable[[Pair], object]) -> list[list[Pair]]:
    units: dict[object, list[Pair]] = {}
    for pair in pairs:
        units.setdefault(unit(pair), []).append(pair)
    return list(units.values())


def mean_of(blocks: Sequence[Sequence[Figure]], *, ratio: bool = False) -> Mean:
    """Of the blocks of which all figures are known."""
    into: Callable[[float], float] = math.log if ratio else float
    back: Callable[[float], float] = math.exp if ratio else float
    known = [block for block in blocks if all(one.value is not None for one in block)]
    reason = next((one.missing for block in blocks for one in block if one.missing), None)
    if not known:
        return Mean(0, missing=reason)
    n = len(known)
    try:
        values = [fmean(into(one.value or 0.0) for one in block) for block in known]
        mean = fmean(values)
        if n < 2:
            return Mean(n, back(mean), missing="one block does not show how much they vary")
        half = student_t(n - 1) * stdev(values) / math.sqrt(n)
        value, low, high = back(mean), back(mean - half), back(mean + half)
    except OverflowError:
        return Mean(n, missing=TOO_FAR)
    finite = all(map(math.isfinite, (value, low, high, high - low)))
    return Mean(n, value, low, high) if finite else Mean(n, missing=TOO_FAR)
