"""Two samples of one measure → a :class:`Comparison`; several trainings → an :class:`Overall`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy import stats

from energyctl.analysis.compare import statistics
from energyctl.analysis.compare.statistics import CompareOptions, Estimate, Summary

# From card to card, as power meters found (docs/measurement.md).
CALIBRATION = 0.05
WHOLE_BANDS = "the whole bands of both"
ONE_MACHINE = "the runs' own parts, on one machine"
OTHER_MACHINES = "the runs' own and common parts and 5 % calibration of each, on other machines"
Verdict = Literal["different", "not shown", "too few"]
ARRANGEMENTS = 20_000
"""So many are gone through one by one; of more, so many are drawn."""

SHARES = (0.05, 0.1)
"""Differences, as a share of A's mean, for which the runs needed are told."""


def verdict(smallest_p: float, p: float, alpha: float) -> Verdict:
    """smallest_p: what a test of so few values could give at the least."""
    if smallest_p > alpha:
        return "too few"
    return "different" if p <= alpha else "not shown"


@dataclass(frozen=True)
class GroupValues:
    """A group's values of one measure; bands: half-widths of what the meters may be off by; owns:
    the parts of them that are each run's own. machine: which all were run on, None for several."""

    name: str
    values: Sequence[float]
    bands: Sequence[float | None]
    owns: Sequence[float | None] = ()
    machine: str | None = None


@dataclass(frozen=True)
class Comparison:
    """B against A. p: of the rank test, two-sided; p_adjusted: for several comparisons [Holm].

    meter: half-width that the meters may shift the difference of the means by, at the worst;
    meter_method: how that is known.
    needed_observed: runs in each group that would show a difference of this size in 4 of 5 studies;
    needed_shares: the same of 5 % and 10 %, from the spread within the groups.
    """

    training: str | None
    measure: str
    unit: str
    a: Summary
    b: Summary
    difference: Estimate
    ratio: Estimate
    p: float
    p_method: str
    p_adjusted: float
    smallest_p: float
    delta: Estimate
    meter: float | None
    meter_method: str | None
    needed_observed: int | None
    needed_shares: dict[float, int | None]
    alpha: float

    @property
    def verdict(self) -> Verdict:
        return verdict(self.smallest_p, self.p_adjusted, self.alpha)

    @property
    def beyond_meters(self) -> bool | None:
        """Whether the difference is more than the meters may be off by; None: not known."""
        if self.meter is None or self.difference.value is None:
            return None
        return abs(self.difference.value) > self.meter


def compare(
    a: GroupValues,
    b: GroupValues,
    measure: str,
    unit: str,
    settings: CompareOptions,
    training: str | None = None,
) -> Comparison:
    """One measure of two groups, each with a value at least."""
    first, second = (
        statistics.summary(a.name, a.values, a.bands),
        statistics.summary(b.name, b.values, b.bands),
    )
    p, method = statistics.mann_whitney(a.values, b.values)
    delta = statistics.cliffs_delta(a.values, b.values, settings)
    pair = a.values, b.values
    meter, known = meter_of(a, b)
    return Comparison(
        training=training,
        measure=measure,
        unit=unit,
        a=first,
        b=second,
        difference=statistics.bootstrap(pair, statistics.difference_of_means, settings),
        ratio=_ratio(pair, settings),
        p=p,
        p_method=method,
        p_adjusted=p,
        smallest_p=statistics.smallest_p(first.n, second.n),
        delta=delta,
        meter=meter,
        meter_method=known,
        needed_observed=statistics.runs_for_rank_test(delta.value or 0.0, settings),
        needed_shares=_needed_shares(first, second, settings),
        alpha=settings.alpha,
    )


def meter_of(a: GroupValues, b: GroupValues) -> tuple[float | None, str | None]:
    """By how much the meters may shift the difference of the means, and how that is known.

    What a run's uncertainty has of its own differs from run to run, so that of a mean of n is a
    root of n less. What runs on one machine have in common shifts both means alike, and so their
    difference by no more than it differs. On another machine it does not, nor does calibration.
    """
    bands = [_mean(group.bands) for group in (a, b)]
    owns = [_mean(group.owns) for group in (a, b)]
    if None in bands:
        return None, None
    whole = [band or 0.0 for band in bands]
    if None in owns:
        return sum(whole), WHOLE_BANDS
    own = [part or 0.0 for part in owns]
    common = [band - part for band, part in zip(whole, own, strict=True)]
    alone = sum(part / math.sqrt(len(g.values)) for part, g in zip(own, (a, b), strict=True))
    if a.machine is not None and a.machine == b.machine:
        return alone + abs(common[0] - common[1]), ONE_MACHINE
    energy = sum(abs(_mean(group.values) or 0.0) for group in (a, b))
    return alone + sum(common) + CALIBRATION * energy, OTHER_MACHINES


def _mean(figures: Sequence[float | None]) -> float | None:
    """None where one is not known."""
    known = [figure for figure in figures if figure is not None]
    return sum(known) / len(known) if known and len(known) == len(figures) else None


def _ratio(pair: tuple[Sequence[float], Sequence[float]], settings: CompareOptions) -> Estimate:
    if min(map(min, pair)) <= 0:
        return Estimate(None, missing="there are values that are not above 0")
    return statistics.bootstrap(pair, statistics.ratio_of_means, settings)


def _needed_shares(a: Summary, b: Summary, settings: CompareOptions) -> dict[float, int | None]:
    """None where the spread is not known: it takes three runs in each group."""
    if a.sd is None or b.sd is None or min(a.n, b.n) < 3:
        return dict.fromkeys(SHARES)
    pooled = math.sqrt(((a.n - 1) * a.sd**2 + (b.n - 1) * b.sd**2) / (a.n + b.n - 2))
    return {share: statistics.runs_for_t_test(pooled, share * a.mean, settings) for share in SHARES}


def holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same with p adjusted for how many they are [Holm 1979, Scand. J. Statist. 6:65-70]."""
    order = sorted(range(len(comparisons)), key=lambda i: comparisons[i].p)
    adjusted, largest = dict[int, float](), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * comparisons[index].p))
        adjusted[index] = largest
    return [replace(one, p_adjusted=adjusted[i]) for i, one in enumerate(comparisons)]


@dataclass(frozen=True)
class Overall:
    """What several trainings say together, each compared with itself.

    ratio: geometric mean of B / A over the trainings, with an interval for trainings like them, by
    Student's t of their logarithms. least, most: of the trainings' ratios. p: of the rank test
    within these trainings.
    """

    measure: str
    a: str
    b: str
    trainings: int
    ratio: Estimate
    least: float
    most: float
    p: float
    p_method: str
    smallest_p: float
    alpha: float

    @property
    def verdict(self) -> Verdict:
        return verdict(self.smallest_p, self.p, self.alpha)


def compare_strata(
    pairs: Sequence[tuple[GroupValues, GroupValues]], measure: str, settings: CompareOptions
) -> Overall | None:
    """All trainings together; None for fewer than two. Ratios need values above 0."""
    usable = [pair for pair in pairs if min(min(pair[0].values), min(pair[1].values)) > 0]
    if len(usable) < 2:
        return None
    logs = [float(np.log(statistics.ratio_of_means(a.values, b.values))) for a, b in usable]
    p, method, least = van_elteren([(a.values, b.values) for a, b in usable], settings)
    return Overall(
        measure=measure,
        a=usable[0][0].name,
        b=usable[0][1].name,
        trainings=len(usable),
        ratio=_geometric_mean(logs, settings),
        least=math.exp(min(logs)),
        most=math.exp(max(logs)),
        p=p,
        p_method=method,
        smallest_p=least,
        alpha=settings.alpha,
    )


def _geometric_mean(logs: Sequence[float], settings: CompareOptions) -> Estimate:
    """Of ratios, by their logarithms. Student's t, not a bootstrap: of five values that holds the
    truth nearer to 87 than to 95 times in 100."""
    value = math.exp(sum(logs) / len(logs))
    if len(logs) < 3:
        return Estimate(value, missing="fewer than 3 trainings tell too little of how they vary")
    if max(logs) == min(logs):
        return Estimate(value, missing="all ratios are equal")
    low, high = stats.t.interval(
        settings.confidence, len(logs) - 1, loc=math.log(value), scale=float(stats.sem(logs))
    )
    method = "Student's t of the logarithms"
    return Estimate(value, math.exp(low), math.exp(high), method)


def van_elteren(
    pairs: Sequence[tuple[Sequence[float], Sequence[float]]], settings: CompareOptions
) -> tuple[float, str, float]:
    """Two-sided p of the rank test within strata, how it was had, and the smallest it could be.

    The statistic is van Elteren's [1960]: the sum of each stratum's rank sum over its size + 1. Its
    distribution under no difference is that of all arrangements within strata, or of random ones.
    """
    strata = [(stats.rankdata([*x, *y]) / (len(x) + len(y) + 1), len(y)) for x, y in pairs]
    observed = sum(float(ranks[len(ranks) - m :].sum()) for ranks, m in strata)
    centre = sum(float(ranks.mean()) * m for ranks, m in strata)
    count = math.prod(math.comb(len(ranks), m) for ranks, m in strata)
    exact, smallest = count <= ARRANGEMENTS, min(1.0, 2.0 / count)
    sums = _all_arrangements(strata) if exact else _random_arrangements(strata, settings.seed)
    hits = int(np.sum(np.abs(sums - centre) >= abs(observed - centre) - 1e-9))
    if exact:
        return hits / len(sums), "exact", smallest
    # Phipson and Smyth 2010: a p of drawn arrangements is never 0.
    p = (hits + 1) / (ARRANGEMENTS + 1)
    return p, f"{ARRANGEMENTS} random arrangements", smallest


def _random_arrangements(strata: Sequence[tuple[Any, int]], seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return sum(
        rng.permuted(np.tile(ranks, (ARRANGEMENTS, 1)), axis=1)[:, :m].sum(axis=1)
        for ranks, m in strata
    )


def _all_arrangements(strata: Sequence[tuple[Any, int]]) -> Any:
    sums = np.zeros(1)
    for ranks, m in strata:
        own = np.array([sum(chosen) for chosen in itertools.combinations(ranks, m)])
        sums = (sums[:, None] + own[None, :]).ravel()
    return sums
