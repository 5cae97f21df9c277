"""How many blocks a campaign needs. Pure.

Power is a mean over the spreads that campaigns happen to see, at the middles of equally likely
ranges of them: the noncentral t to 5 digits. SciPy's own (1.17) is nan for many large effects.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats

MOST_BLOCKS = 100_000
RANGES = 4096


def power_of(n: int, effect: float, sd: float, alpha: float = 0.05, groups: int = 1) -> float:
    """Share of campaigns of n blocks in which a two-sided t test tells that true effect from 0.

    effect: a mean of values, and sd: how they spread, on one scale. groups: 1 of blocks; 2 where n
    are the runs in each of two groups, whose means differ by the effect.
    """
    if sd == 0:
        return float(effect != 0)
    shift, freedom = effect / sd * math.sqrt(n / groups), groups * (n - 1)
    half = stats.t.ppf(1 - alpha / 2, freedom) * _spreads(freedom)
    return float(np.mean(stats.norm.cdf(shift - half) + stats.norm.cdf(-shift - half)))


def power_within_margin(
    n: int, effect: float, sd: float, delta: float, both: bool, alpha: float = 0.05
) -> float:
    """Share of campaigns of n blocks whose one-sided limits lie below +delta; and, of *both*, above
    -delta. sd: above 0."""
    error = sd / math.sqrt(n)
    half = stats.t.ppf(1 - alpha, n - 1) * _spreads(n - 1)
    below = stats.norm.cdf((delta - effect) / error - half)
    above = stats.norm.cdf(half - (delta + effect) / error) if both else 0.0
    return float(np.mean(np.maximum(0.0, below - above)))


@lru_cache(maxsize=256)
def _spreads(freedom: int) -> Any:
    """Spreads that samples show, as shares of the true one: each as likely as the others."""
    quantiles = (np.arange(RANGES) + 0.5) / RANGES
    return np.sqrt(stats.chi2.ppf(quantiles, freedom) / freedom)


def cautious_sd(sd: float, blocks: int, level: float = 0.8) -> float:
    """Upper limit of a spread that two or more blocks showed [Browne 1995, Statistics in Medicine
    14:1933-1940]: planned with the spread itself, more than half of campaigns are too small."""
    freedom = blocks - 1
    return sd * math.sqrt(freedom / float(stats.chi2.ppf(1 - level, freedom)))


def blocks_needed(
    share: float,
    sd: float,
    power: float = 0.8,
    alpha: float = 0.05,
    least: int = 3,
    groups: int = 1,
) -> int | None:
    """Blocks for a t test to tell a difference of that share (0.05 of 5 %) from none.

    sd: of the blocks' log ratios; with two *groups* of the runs' logarithms, and the runs in each
    are told. None where it takes more than 100,000 of them.
    """
    effect, low, high = math.log1p(share), least, least
    while power_of(high, effect, sd, alpha, groups) < power:
        if high == MOST_BLOCKS:
            return None
        low, high = high + 1, min(2 * high, MOST_BLOCKS)
    while low < high:
        middle = (low + high) // 2
        if power_of(middle, effect, sd, alpha, groups) >= power:
            high = middle
        else:
            low = middle + 1
    return low
