"""What values of blocks say of one contrast: mean, interval and p by Student's t. Pure.

A block's value is its contrast: the sum of weights times the logarithms of what was measured under
each condition, or plain differences. Each contrast has an error of its own, from its own values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

MOST_EXACT = 14
"""Blocks up to which all sign changes are tried."""
LEAST_TO_FLIP = 6
"""Blocks: of fewer no sign-flip test gives less than 2^(1 - 5) = 0.0625."""
DRAWN = 9999
ROUNDING = 1e-12
"""Share of the largest value up to which values are equal: what rounding alone makes of them."""
TOO_FAR = "they differ by more than a number can hold"


@dataclass(frozen=True)
class Effect:
    """What values of blocks say of one contrast, on the scale that they are on (logarithms, or
    plain differences).

    sd: of the values, with n - 1; None of one value. error: standard error of the mean. freedom:
    degrees of freedom of the t. low, high: two-sided interval. at_least, at_most: one-sided limits.
    p: two-sided, of no effect. missing: why there is no interval and no p.
    """

    n: int
    mean: float
    sd: float | None
    freedom: float | None
    low: float | None
    high: float | None
    at_least: float | None
    at_most: float | None
    p: float | None
    missing: str | None
    error: float | None = None


def effect(values: Sequence[float], confidence: float = 0.95, what: str = "block") -> Effect:
    """By Student's t with n - 1 degrees of freedom. *what*: what each value is of.

    Raises ValueError for no values, and for some that are not finite.
    """
    n = len(values)
    if not n or not all(map(math.isfinite, values)):
        raise ValueError("an effect needs values, all of them finite")
    if n == 1:
        return without_interval(1, values[0], f"one {what} does not show how much {what}s vary")
    with np.errstate(over="ignore", invalid="ignore"):
        mean, sd = float(np.mean(values)), spread(values)
    return student(n, mean, sd, sd / math.sqrt(n), n - 1, confidence, f"all {what}s are equal")


def spread(values: Sequence[float]) -> float:
    """Standard deviation with n - 1, of two or more; 0 where only rounding tells them apart."""
    if np.ptp(values) <= ROUNDING * max(1.0, np.max(np.abs(values))):
        return 0.0
    return float(np.std(values, ddof=1))


def student(
    n: int,
    mean: float,
    sd: float | None,
    error: float,
    freedom: float,
    confidence: float,
    equal: str,
) -> Effect:
    """Of a mean with a known standard error. *equal*: what is said where that is 0."""
    if not (math.isfinite(mean) and math.isfinite(error)):
        return without_interval(n, mean, TOO_FAR)
    if error == 0:
        return replace(without_interval(n, mean, equal), sd=sd, freedom=freedom, error=0.0)
    half = error * quantile((1 + confidence) / 2, freedom)
    side = error * quantile(confidence, freedom)
    return Effect(
        n=n,
        mean=mean,
        sd=sd,
        freedom=freedom,
        low=mean - half,
        high=mean + half,
        at_least=mean - side,
        at_most=mean + side,
        p=2 * below(-abs(mean) / error, freedom),
        missing=None,
        error=error,
    )


def quantile(level: float, freedom: float) -> float:
    """Of Student's t; as scipy.stats.t.ppf, which takes twenty times as long."""
    return float(special.stdtrit(freedom, level))


def below(t: float, freedom: float) -> float:
    """The probability of a smaller one."""
    return float(special.stdtr(freedom, t))


def without_interval(n: int, mean: float, why: str) -> Effect:
    return Effect(n, mean, None, None, None, None, None, None, None, why)


def simultaneous(
    found: Effect, confidence: float, comparisons: int
) -> tuple[float | None, float | None]:
    """The interval that holds together with those of the other comparisons (Bonferroni)."""
    if found.low is None or found.error is None or found.freedom is None:
        return None, None
    half = found.error * quantile(1 - (1 - confidence) / (2 * comparisons), found.freedom)
    return found.mean - half, found.mean + half


def sign_flip(values: Sequence[float], seed: int = 0) -> float | None:
    """Two-sided p of the mean among all changes of signs, or 9,999 drawn ones; None below 6.

    Of drawn ones it is never 0 [Phipson and Smyth 2010].
    """
    n = len(values)
    if n < LEAST_TO_FLIP:
        return None
    array = np.asarray(values, dtype=float)
    least = abs(array.sum()) - ROUNDING * np.abs(array).sum()
    if n <= MOST_EXACT:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float(np.mean(np.abs(signs @ array) >= least))
    drawn = np.random.default_rng(seed).choice((-1, 1), (DRAWN, n))
    return (1 + int(np.sum(np.abs(drawn @ array) >= least))) / (DRAWN + 1)


def leave_one_out(values: Sequence[float]) -> tuple[float, float] | None:
    """The least and the greatest mean with one block left out; None below 3."""
    if len(values) < 3:
        return None
    rest = [(sum(values) - left_out) / (len(values) - 1) for left_out in values]
    return min(rest), max(rest)


def position(values: Sequence[float], second: Sequence[int], confidence: float) -> Effect | None:
    """What coming second in a block does, by least squares; its sd is that of the residuals.

    second: +1 where the second group of the contrast ran second, -1 where it ran first. None for
    fewer than 3 blocks, and where one order is missing.
    """
    n = len(values)
    if n < 3 or len(set(second)) < 2:
        return None
    signs, array = np.asarray(second, dtype=float), np.asarray(values, dtype=float)
    signs -= signs.mean()
    squares = float(signs @ signs)
    slope = float(signs @ array) / squares
    residuals = array - array.mean() - slope * signs
    sd = math.sqrt(float(residuals @ residuals) / (n - 2))
    sd = 0.0 if sd <= ROUNDING * np.max(np.abs(array)) else sd
    equal = "all blocks of one order are equal"
    return student(n, slope, sd, sd / math.sqrt(squares), n - 2, confidence, equal)


def trend_weights(levels: Sequence[float]) -> list[float]:
    """Weights of a contrast that is the exponent of a power law: y ~ level ** exponent.

    Raises ValueError where a level is not above 0, or all are equal.
    """
    if min(levels, default=0) <= 0 or len(set(levels)) < 2:
        raise ValueError("a trend needs two or more levels, all above 0")
    logs = np.log(np.asarray(levels, dtype=float))
    centred = logs - logs.mean()
    return [float(weight) for weight in centred / (centred @ centred)]


def pooled_trainings(effects: Sequence[Effect], confidence: float) -> tuple[Effect, Effect]:
    """The mean of several trainings' effects: for trainings like these, and for these alone.

    The first is Student's t over their means. The second is their unweighted mean, with the sum of
    their variances over m², and degrees of freedom by Satterthwaite [1946, Biometrics Bulletin
    2:110-114]; without an interval where one of them has no spread. n of both counts trainings.
    """
    means, m = [one.mean for one in effects], len(effects)
    like = effect(means, confidence, "training")
    parts = [
        (one.error**2, one.freedom)
        for one in effects
        if one.error is not None and one.freedom is not None
    ]
    if len(parts) < m:
        why = next(one.missing for one in effects if one.error is None)
        return like, without_interval(m, like.mean, why or "")
    error = math.sqrt(sum(variance for variance, _ in parts)) / m
    freedom = satterthwaite(parts)
    equal = "all blocks of each training are equal"
    return like, student(m, like.mean, None, error, freedom, confidence, equal)


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances, of which each has its own; 0 where all are 0."""
    total = sum(variance for variance, _ in parts)
    return total**2 / sum(v**2 / freedom for v, freedom in parts) if total else 0.0
