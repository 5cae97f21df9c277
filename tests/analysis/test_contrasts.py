"""One contrast of blocks: golden figures, published ones, and SciPy's for the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from energyctl.analysis.compare.contrasts import (
    Effect,
    effect,
    leave_one_out,
    pooled_trainings,
    position,
    sign_flip,
    simultaneous,
    trend_weights,
)
from golden_blocks import ALONE, BESIDE, CELLS

BESIDE_SECOND = (1, -1, -1, 1, -1, 1, 1, -1)
LOGS = [math.log(b / a) for a, b in zip(ALONE, BESIDE, strict=True)]
DARWIN = (49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48)
"""Cross- less self-fertilised maize, in eighths of an inch [Fisher 1935, The Design of
Experiments]."""


def ratio(found: Effect) -> tuple[float, float, float]:
    assert found.low is not None
    assert found.high is not None
    return math.exp(found.mean), math.exp(found.low), math.exp(found.high)


def digits(number: float) -> float:
    """Half of the last of six digits behind the point."""
    return pytest.approx(number, abs=5e-7)


def test_eight_blocks() -> None:
    found = effect(LOGS)
    assert ratio(found) == (digits(1.035238), digits(1.029602), digits(1.040905))
    assert found.p == pytest.approx(1.40420e-6, rel=5e-6)
    assert found.sd == pytest.approx(0.00652948, abs=5e-9)
    assert found.error == pytest.approx(0.00652948 / math.sqrt(8), abs=5e-9)
    assert (found.n, found.freedom, found.missing) == (8, 7, None)
    assert found.at_most is not None
    assert found.at_least is not None
    assert math.exp(found.at_most) == digits(1.039776)
    assert math.exp(found.at_least) == digits(1.030720)
    assert sign_flip(LOGS) == 0.0078125


def test_five_blocks() -> None:
    found = effect(LOGS[:5])
    assert ratio(found) == (digits(1.033480), digits(1.024588), digits(1.042450))
    assert found.p == pytest.approx(4.51560e-4, rel=5e-6)
    assert sign_flip(LOGS[:5]) is None


def test_darwins_maize() -> None:
    found = effect(DARWIN)
    assert found.error is not None
    assert found.mean / found.error == pytest.approx(2.14799, abs=5e-6)
    assert found.p == pytest.approx(0.049703, abs=5e-7)
    assert found.low == pytest.approx(0.0312, abs=5e-5)
    assert found.high == pytest.approx(41.8355, abs=5e-5)


def test_darwins_maize_by_all_sign_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("energyctl.analysis.compare.contrasts.MOST_EXACT", 15)
    assert sign_flip(DARWIN) == 1726 / 2**15


def test_drawn_sign_changes_come_near_all_of_them() -> None:
    drawn = sign_flip(DARWIN)
    assert drawn == pytest.approx(1726 / 2**15, abs=0.008)  # 3.5 standard errors
    assert sign_flip(DARWIN) == drawn != sign_flip(DARWIN, seed=1)
    assert sign_flip(range(100, 130)) == 1 / 10_000


@pytest.mark.parametrize("n", [6, 8, 9, 12])
def test_sign_flip_agrees_with_scipy(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 1, n)
    scipy = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    assert sign_flip(values.tolist()) == pytest.approx(scipy.pvalue)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_effect_agrees_with_scipy(confidence: float) -> None:
    found = effect(LOGS, confidence)
    paired = stats.ttest_rel(np.log(BESIDE), np.log(ALONE))
    interval = paired.confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.p == pytest.approx(paired.pvalue)
    for alternative, limit in (("less", found.at_most), ("greater", found.at_least)):
        one = stats.ttest_1samp(LOGS, 0, alternative=alternative).confidence_interval(confidence)
        assert limit == pytest.approx(one.high if alternative == "less" else one.low)


@pytest.mark.parametrize(
    ("weights", "golden", "p"),
    [
        ((-0.5, 0.5, -0.5, 0.5), (1.333801, 1.328473, 1.339150), None),
        ((-0.5, -0.5, 0.5, 0.5), (0.830174, 0.828857, 0.831493), None),
        ((1, -1, -1, 1), (1.027785, 1.020164, 1.035462), 5.157e-4),
    ],
)
def test_two_by_two(
    weights: tuple[float, ...], golden: tuple[float, float, float], p: float | None
) -> None:
    found = effect([float(np.log(block) @ np.asarray(weights)) for block in CELLS])
    assert ratio(found) == tuple(digits(number) for number in golden)
    assert p is None or found.p == pytest.approx(p, abs=5e-8)


def test_one_block_tells_no_spread() -> None:
    found = effect([0.03])
    assert found.missing == "one block does not show how much blocks vary"
    nothing = (found.sd, found.error, found.freedom, found.low, found.at_most, found.p)
    assert (found.n, found.mean, nothing) == (1, 0.03, (None,) * 6)
    assert simultaneous(found, 0.95, 3) == (None, None)


@pytest.mark.parametrize("factor", [1.0, 1.07])
def test_equal_blocks_have_no_interval(factor: float) -> None:
    """Also where rounding makes the logarithms of one ratio differ."""
    found = effect([math.log(factor * a) - math.log(a) for a in ALONE])
    assert found.missing == "all blocks are equal"
    assert (found.sd, found.error, found.low, found.p) == (0, 0, None, None)
    assert simultaneous(found, 0.95, 3) == (None, None)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_what_is_no_number_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        effect(values)


def test_values_that_differ_by_more_than_numbers_hold() -> None:
    found = effect([1e308, -1e308, 1.5e308])
    assert (found.low, found.missing) == (None, "they differ by more than a number can hold")


def test_simultaneous_intervals_are_of_bonferroni() -> None:
    found = effect(LOGS)
    assert simultaneous(found, 0.95, 1) == pytest.approx((found.low, found.high))
    wider = effect(LOGS, 1 - 0.05 / 3)
    assert simultaneous(found, 0.95, 3) == pytest.approx((wider.low, wider.high))


def test_leave_one_out() -> None:
    assert leave_one_out(LOGS[:2]) is None
    means = [float(np.mean([*LOGS[:i], *LOGS[i + 1 :]])) for i in range(8)]
    assert leave_one_out(LOGS) == pytest.approx((min(means), max(means)))


def test_position() -> None:
    found = position(LOGS, BESIDE_SECOND, 0.95)
    assert found is not None
    assert ratio(found) == (digits(1.000847), digits(0.994818), digits(1.006913))
    assert found.p == pytest.approx(0.7434, abs=5e-5)
    assert found.freedom == 6


@pytest.mark.parametrize("n", [3, 5, 7])
def test_position_agrees_with_scipy(n: int) -> None:
    line = stats.linregress(BESIDE_SECOND[:n], LOGS[:n])
    found = position(LOGS[:n], BESIDE_SECOND[:n], 0.95)
    assert found is not None
    assert (found.mean, found.error, found.p) == pytest.approx(
        (line.slope, line.stderr, line.pvalue)
    )


def test_position_needs_three_blocks_and_both_orders() -> None:
    assert position(LOGS[:2], (1, -1), 0.95) is None
    assert position(LOGS[:4], (1, 1, 1, 1), 0.95) is None
    exact = position([0.1, 0.3, 0.1], (-1, 1, -1), 0.95)
    assert exact is not None
    assert (exact.mean, exact.p) == (pytest.approx(0.1), None)
    assert exact.missing == "all blocks of one order are equal"


def test_trend_weights_find_the_exponent_of_a_power_law() -> None:
    levels = (1, 2, 4, 10)
    weights = trend_weights(levels)
    assert sum(weights) == pytest.approx(0)
    logs = [math.log(7 * level**0.3) for level in levels]
    assert np.dot(weights, logs) == pytest.approx(0.3)
    assert np.dot(weights, logs) == pytest.approx(stats.linregress(np.log(levels), logs).slope)
    for bad in ((), (1,), (2, 2), (0, 1)):
        with pytest.raises(ValueError, match="two or more levels"):
            trend_weights(bad)


def test_pooled_trainings() -> None:
    groups = (LOGS[:4], [x + 0.02 for x in LOGS[4:]], [2 * x for x in LOGS[:3]])
    effects = [effect(group) for group in groups]
    like, these = pooled_trainings(effects, 0.95)
    assert like == effect([one.mean for one in effects], 0.95, "training")
    assert (these.n, these.mean) == (3, pytest.approx(like.mean))
    parts = [np.var(group, ddof=1) / len(group) for group in groups]
    assert these.error == pytest.approx(math.sqrt(sum(parts)) / 3)
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(group) - 1) for part, group in zip(parts, groups, strict=True)
    )
    assert these.freedom == pytest.approx(freedom)
    assert these.low is not None
    assert these.mean - these.low == pytest.approx(these.error * stats.t.ppf(0.975, freedom))


def test_pooled_trainings_of_one_is_that_one() -> None:
    alone = effect(LOGS)
    like, these = pooled_trainings([alone], 0.95)
    assert like.missing == "one training does not show how much trainings vary"
    assert (these.low, these.high, these.p) == pytest.approx((alone.low, alone.high, alone.p))


def test_pooled_trainings_without_a_spread() -> None:
    like, these = pooled_trainings([effect(LOGS), effect([0.03])], 0.95)
    assert like.low is not None
    assert (these.low, these.p) == (None, None)
    assert these.missing == "one block does not show how much blocks vary"
    _, equal = pooled_trainings([effect([0.03, 0.03]), effect([0.02, 0.02])], 0.95)
    assert equal.missing == "all blocks of each training are equal"
