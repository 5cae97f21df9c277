"""Two groups of runs that are no blocks: Welch's t, a rank test, what their times tell. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from energyctl.analysis.compare.contrasts import (
    Effect,
    satterthwaite,
    spread,
    student,
    without_interval,
)

MOST_ARRANGEMENTS = 9999
"""Arrangements of tied values up to which all of them are tried."""
CONFOUNDED = 0.8
"""Cliff's delta of two groups' starts from which on one group came before the other."""


def welch(a: Sequence[float], b: Sequence[float], confidence: float) -> Effect:
    """B less A by Welch's t, of values that are on their scale already; n counts both groups'.

    Raises ValueError where a group is empty, or a value is not finite.
    """
    if not a or not b or not all(map(math.isfinite, (*a, *b))):
        raise ValueError("a comparison needs values in both groups, all of them finite")
    n = len(a) + len(b)
    with np.errstate(over="ignore", invalid="ignore"):
        difference = float(np.mean(b) - np.mean(a))
        if min(len(a), len(b)) < 2:
            few = "one run in a group does not show how much runs vary"
            return without_interval(n, difference, few)
        parts = [(spread(side) ** 2 / len(side), len(side) - 1.0) for side in (a, b)]
    error = math.sqrt(sum(variance for variance, _ in parts))
    freedom = satterthwaite(parts) if math.isfinite(error) else 0.0
    equal = "all runs of each group are equal"
    return student(n, difference, None, error, freedom, confidence, equal)


def mann_whitney(x: Sequence[float], y: Sequence[float]) -> tuple[float, str]:
    """Two-sided p, and how it was had: exact for small samples, with ties from all arrangements."""
    tied = len({*x, *y}) < len(x) + len(y)
    if len({*x, *y}) == 1:
        return 1.0, "all values are equal"
    if tied and math.comb(len(x) + len(y), len(x)) <= MOST_ARRANGEMENTS:
        every = stats.PermutationMethod(n_resamples=MOST_ARRANGEMENTS)
        return float(stats.mannwhitneyu(y, x, method=every).pvalue), "exact, with ties"
    exact = not tied and max(len(x), len(y)) <= 50
    found = stats.mannwhitneyu(y, x, method="exact" if exact else "asymptotic")
    return float(found.pvalue), "exact" if exact else "normal approximation"


def cliffs_delta(x: Sequence[float], y: Sequence[float]) -> float:
    """P(y > x) - P(y < x) [Cliff 1993]."""
    ordered = np.sort(np.asarray(x))
    above = np.searchsorted(ordered, y, side="left").sum()
    below = (len(ordered) - np.searchsorted(ordered, y, side="right")).sum()
    return float(above - below) / (len(x) * len(y))


def confounded_with_time(starts_a: Sequence[float], starts_b: Sequence[float]) -> bool:
    """Whether the runs of one group, of two or more each, came before nearly all of the other's:
    then a drift looks like a difference."""
    if min(len(starts_a), len(starts_b)) < 2:
        return False
    return abs(cliffs_delta(starts_a, starts_b)) >= CONFOUNDED


def drift_that_would_explain(
    difference_log: float, starts_a: Sequence[float], starts_b: Sequence[float]
) -> float | None:
    """The steady drift from the first start to the last that alone would make such a difference.

    Both are logarithms, and the drift is above 0. None where the groups' mean starts are equal.
    """
    distance = abs(float(np.mean(starts_b)) - float(np.mean(starts_a)))
    if distance == 0:
        return None
    starts = (*starts_a, *starts_b)
    return abs(difference_log) * (max(starts) - min(starts)) / distance
