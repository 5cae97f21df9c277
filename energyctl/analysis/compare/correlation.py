"""A measure against a hyper-parameter of many values: a rank correlation instead of groups."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from energyctl.analysis.compare.statistics import CompareOptions, Estimate

LEAST = 5


@dataclass(frozen=True)
class Correlation:
    """rho: Spearman's, with its interval. p: two-sided; None for fewer than five runs. p_adjusted:
    for all trends of the measure [Holm]."""

    training: str | None
    name: str
    measure: str
    n: int
    rho: Estimate
    p: float | None
    p_method: str | None
    alpha: float
    p_adjusted: float | None = None
    family_size: int = 1


def correlate(
    xs: Sequence[float],
    ys: Sequence[float],
    name: str,
    measure: str,
    settings: CompareOptions,
    training: str | None = None,
) -> Correlation:
    """Spearman's rho; p from all orders of few values, from random orders of more.

    The interval is Fisher's, with the standard error sqrt((1 + rho² / 2) / (n - 3)) [Bonett and
    Wright 2000, Psychometrika 65:23-28].
    """
    n, alpha = len(xs), settings.alpha
    if n < LEAST or len(set(xs)) == 1 or len(set(ys)) == 1:
        few = f"fewer than {LEAST} runs tell nothing of a trend"
        nothing = Estimate(None, missing=few if n < LEAST else "all values are equal")
        return Correlation(training, name, measure, n, nothing, None, None, alpha)
    rho = float(stats.spearmanr(xs, ys).statistic)
    exact = n <= 7
    ranks = stats.rankdata(ys)
    test = stats.permutation_test(
        (stats.rankdata(xs),),
        lambda x, axis: _pearson(x, ranks, axis),
        permutation_type="pairings",
        vectorized=True,
        n_resamples=np.inf if exact else 9999,
        batch=2000,
        rng=np.random.default_rng(settings.seed),
    )
    p_method = "all orders" if exact else "9999 random orders"
    interval, p = _interval(rho, n, settings), float(test.pvalue)
    return Correlation(training, name, measure, n, interval, p, p_method, alpha, p)


def _pearson(x: Any, y: Any, axis: int) -> Any:
    a, b = x - np.mean(x, axis=axis, keepdims=True), y - np.mean(y)
    return (a * b).sum(axis=axis) / np.sqrt((a**2).sum(axis=axis) * (b**2).sum())


def _interval(rho: float, n: int, settings: CompareOptions) -> Estimate:
    if math.isclose(abs(rho), 1.0):
        return Estimate(rho, missing="a perfect order leaves its interval open")
    z = float(stats.norm.ppf(1 - settings.alpha / 2))
    half = z * math.sqrt((1 + rho**2 / 2) / (n - 3))
    low, high = (math.tanh(math.atanh(rho) + sign * half) for sign in (-1, 1))
    return Estimate(rho, low, high, method="Fisher, Bonett and Wright 2000")
