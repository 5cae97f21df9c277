"""Figures of one and of two samples. What too few values cannot tell is None, with a reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

LEAST_TO_RESAMPLE = 5
"""Below, a bootstrap has next to nothing to draw from: its intervals are far too narrow."""

RESAMPLES = 9999


@dataclass(frozen=True)
class CompareOptions:
    """confidence: of all intervals. seed: of what is drawn at random."""

    confidence: float = 0.95
    seed: int = 0
    power: float = 0.8

    @property
    def alpha(self) -> float:
        return round(1.0 - self.confidence, 12)


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval; missing: why there is no interval, or no figure."""

    value: float | None
    low: float | None = None
    high: float | None = None
    method: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class Summary:
    """One sample. sd: with n - 1; None of a single value. band: mean half-width of what the meters
    may be off by, None where not known."""

    name: str
    n: int
    mean: float
    median: float
    sd: float | None
    least: float
    most: float
    band: float | None


def summary(name: str, values: Sequence[float], bands: Sequence[float | None]) -> Summary:
    known = [band for band in bands if band is not None]
    return Summary(
        name=name,
        n=len(values),
        mean=float(np.mean(values)),
        median=float(np.median(values)),
        sd=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        least=min(values),
        most=max(values),
        band=sum(known) / len(known) if known and len(known) == len(values) else None,
    )


def difference_of_means(x: Any, y: Any, axis: int = -1) -> Any:
    """Of y and x."""
    return np.mean(y, axis=axis) - np.mean(x, axis=axis)


def ratio_of_means(x: Any, y: Any, axis: int = -1) -> Any:
    """Of y to x."""
    return np.mean(y, axis=axis) / np.mean(x, axis=axis)


def bootstrap(
    samples: Sequence[Sequence[float]],
    statistic: Callable[..., Any],
    settings: CompareOptions,
) -> Estimate:
    """A statistic of independent samples with its BCa interval [Efron 1987; scipy.stats.bootstrap].

    Where BCa is not defined (hardly any resample differs) it is the percentile interval.
    """
    arrays = [np.asarray(sample, dtype=float) for sample in samples]
    value = float(statistic(*arrays))
    if not math.isfinite(value):
        return Estimate(None, missing="a mean is 0")
    fewest = min(len(sample) for sample in samples)
    if fewest < LEAST_TO_RESAMPLE:
        why = f"fewer than {LEAST_TO_RESAMPLE} runs in a group are too few to resample"
        return Estimate(value, missing=why)
    if all(np.ptp(array) == 0 for array in arrays):
        return Estimate(value, missing="all values are equal")
    for method in ("BCa", "percentile"):
        with np.errstate(all="ignore"):
            interval = _resampled(arrays, statistic, settings, method)
        if all(math.isfinite(edge) for edge in interval):
            return Estimate(value, *interval, method=f"bootstrap, {method}")
    return Estimate(value, missing="the resamples have no finite interval")


def _resampled(
    arrays: Sequence[Any], statistic: Callable[..., Any], settings: CompareOptions, method: str
) -> tuple[float, float]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degenerate data: the interval is nan, and seen to be
        found = stats.bootstrap(
            arrays,
            statistic,
            n_resamples=RESAMPLES,
            vectorized=True,
            confidence_level=settings.confidence,
            method=method,
            rng=np.random.default_rng(settings.seed),
            batch=1000,
        ).confidence_interval
    return float(found.low), float(found.high)


def mann_whitney(x: Sequence[float], y: Sequence[float]) -> tuple[float, str]:
    """Two-sided p, and how it was had: exact for small samples, with ties from all arrangements."""
    tied = len({*x, *y}) < len(x) + len(y)
    if len({*x, *y}) == 1:
        return 1.0, "all values are equal"
    if tied and math.comb(len(x) + len(y), len(x)) <= RESAMPLES:
        every = stats.PermutationMethod(n_resamples=RESAMPLES)
        return float(stats.mannwhitneyu(y, x, method=every).pvalue), "exact, with ties"
    exact = not tied and max(len(x), len(y)) <= 50
    found = stats.mannwhitneyu(y, x, method="exact" if exact else "asymptotic")
    return float(found.pvalue), "exact" if exact else "normal approximation"


def smallest_p(n: int, m: int) -> float:
    """The smallest two-sided p that the exact rank test can give for samples of n and m."""
    return min(1.0, 2.0 / math.comb(n + m, n))


def cliffs_delta(x: Sequence[float], y: Sequence[float], settings: CompareOptions) -> Estimate:
    """P(y > x) - P(y < x) [Cliff 1993], with the interval of Newcombe's method 5 [2006, Statistics
    in Medicine 25:559-573], which holds for small samples, and where the samples do not overlap."""
    ordered = np.sort(np.asarray(x))
    above = np.searchsorted(ordered, y, side="left").sum()
    below = (len(ordered) - np.searchsorted(ordered, y, side="right")).sum()
    delta = float(above - below) / (len(x) * len(y))
    if min(len(x), len(y)) < 2:
        return Estimate(delta, missing="a single run in a group tells nothing of its spread")
    z = float(stats.norm.ppf(1 - settings.alpha / 2))
    theta, more = (delta + 1) / 2, (len(x) + len(y)) / 2 - 1

    def excess(t: float) -> float:
        inner = 1 + more * (1 - t) / (2 - t) + more * t / (1 + t)
        return abs(theta - t) - z * math.sqrt(t * (1 - t) * inner / (len(x) * len(y)))

    # At 0 and at 1 the excess is 0 as well, which is not the edge that is looked for.
    tiny = 1e-12
    low = 0.0 if theta <= tiny else optimize.brentq(excess, tiny, min(theta, 1 - tiny))
    high = 1.0 if theta >= 1 - tiny else optimize.brentq(excess, max(theta, tiny), 1 - tiny)
    return Estimate(delta, 2 * low - 1, 2 * high - 1, method="Newcombe 2006, method 5")


def size_word(delta: float) -> str:
    """Negligible, small, medium, large: below 0.147, 0.33, 0.474, and above [Romano et al. 2006,
    Florida Association of Institutional Research]."""
    bounds = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"))
    return next((word for bound, word in bounds if abs(delta) < bound), "large")


def runs_for_rank_test(delta: float, settings: CompareOptions) -> int | None:
    """Runs in each group for a rank test to show an effect as large as *delta*.

    Noether 1987, JASA 82:645-647: N = (z + z')² / (12 c (1 - c) (p - 1/2)²), of which c = 1/2 is
    each group's share; and never fewer than an exact test needs at all. None: there is no effect.
    """
    if delta == 0:
        return None
    z = float(stats.norm.ppf(1 - settings.alpha / 2) + stats.norm.ppf(settings.power))
    total = z**2 / (3 * (delta / 2) ** 2)
    least = next(n for n in range(2, 1000) if smallest_p(n, n) <= settings.alpha)
    return max(math.ceil(total / 2), least)


def runs_for_t_test(sd: float, difference: float, settings: CompareOptions) -> int | None:
    """Runs in each group for a t test to show that difference of means, by the noncentral t."""
    if sd == 0 or difference == 0:
        return None
    effect = abs(difference) / sd

    def power(n: int) -> float:
        df, shift = 2 * n - 2, effect * math.sqrt(n / 2)
        critical = stats.t.ppf(1 - settings.alpha / 2, df)
        return float(stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift))

    n = 2
    while power(n) < settings.power:
        n = n + 1 if n < 200 else math.ceil(n * 1.02)
        if n > 100_000:
            return None
    return n
