"""Two groups of runs that are no blocks, against SciPy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from energyctl.analysis.compare.unpaired import (
    cliffs_delta,
    confounded_with_time,
    drift_that_would_explain,
    mann_whitney,
    welch,
)
from golden_blocks import ALONE, BESIDE


@pytest.mark.parametrize("sizes", [(8, 8), (3, 8), (8, 2)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_welch_agrees_with_scipy(sizes: tuple[int, int], confidence: float) -> None:
    a, b = np.log(ALONE[: sizes[0]]), np.log(BESIDE[: sizes[1]])
    found = welch(a.tolist(), b.tolist(), confidence)
    scipy = stats.ttest_ind(b, a, equal_var=False)
    interval = scipy.confidence_interval(confidence)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.p, found.freedom) == pytest.approx((scipy.pvalue, scipy.df))
    assert found.mean == pytest.approx(np.mean(b) - np.mean(a))
    assert (found.n, found.sd, found.missing) == (sum(sizes), None, None)
    assert found.at_most is not None
    one = stats.ttest_ind(b, a, equal_var=False, alternative="less")
    assert found.at_most == pytest.approx(one.confidence_interval(confidence).high)


def test_welch_of_too_few_and_of_equal_runs() -> None:
    few = welch([1.0], [1.5, 2.5], 0.95)
    assert (few.mean, few.low, few.error) == (1.0, None, None)
    assert few.missing == "one run in a group does not show how much runs vary"
    equal = welch([1.0, 1.0], [2.0, 2.0, 2.0], 0.95)
    assert (equal.mean, equal.p, equal.error) == (1.0, None, 0)
    assert equal.missing == "all runs of each group are equal"
    one_side = welch([1.0, 1.0], [2.0, 2.1], 0.95)
    assert one_side.freedom == pytest.approx(1)
    assert one_side.low is not None
    for groups in (([], [1.0]), ([1.0, math.nan], [1.0, 2.0])):
        with pytest.raises(ValueError, match="finite"):
            welch(*groups, 0.95)


def test_the_rank_test_sees_nothing_where_blocks_would() -> None:
    p, method = mann_whitney(ALONE, BESIDE)
    assert (p, method) == (pytest.approx(0.7209, abs=5e-5), "exact")
    assert mann_whitney([1, 1], [1]) == (1.0, "all values are equal")
    assert mann_whitney([1, 2, 2], [2, 3, 4])[1] == "exact, with ties"
    assert mann_whitney(range(60), range(60))[1] == "normal approximation"


def test_cliffs_delta_counts_pairs() -> None:
    assert cliffs_delta([1, 2], [3, 4]) == 1
    assert cliffs_delta([3, 4], [1, 2]) == -1
    assert cliffs_delta([1, 2, 3], [2, 2, 5]) == pytest.approx((5 - 2) / 9)


def test_one_group_before_the_other_is_confounded_with_time() -> None:
    assert confounded_with_time([1, 2, 3], [4, 5, 6])
    assert confounded_with_time([4, 5, 6], [1, 2, 3])
    assert not confounded_with_time([1, 4, 5], [2, 3, 6])
    assert not confounded_with_time([1], [2, 3])
    assert confounded_with_time(range(10), [9.5, *range(20, 29)])
    assert not confounded_with_time(range(10), [-1, -2, *range(20, 28)])


def test_the_drift_that_would_explain_a_difference() -> None:
    """1 % from the mean time of the one to that of the other, half of the campaign later."""
    assert drift_that_would_explain(0.01, [0, 100], [100, 200]) == pytest.approx(0.02)
    assert drift_that_would_explain(-0.01, [100, 200], [0, 100]) == pytest.approx(0.02)
    assert drift_that_would_explain(0.01, [0, 100], [50]) is None
