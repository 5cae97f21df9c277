"""How many blocks: the table of planning, against SciPy's noncentral t and simulated campaigns."""

from __future__ import annotations

import math
import time
from itertools import count

import numpy as np
import pytest
from scipy import stats

from energyctl.analysis.compare.planning import (
    blocks_needed,
    cautious_sd,
    power_of,
    power_within_margin,
)

MARGIN = math.log(1.05)


@pytest.mark.parametrize(
    ("sd", "needed"),
    [
        (0.01, (11, 5, 3, 3)),
        (0.02, (34, 11, 4, 3)),
        (0.03, (74, 21, 6, 4)),
        (0.05, (201, 52, 11, 5)),
    ],
)
def test_blocks_to_tell_a_difference(sd: float, needed: tuple[int, ...]) -> None:
    assert tuple(blocks_needed(share, sd) for share in (0.01, 0.02, 0.05, 0.10)) == needed


@pytest.mark.parametrize(
    ("sd", "alike", "equal", "two_percent_more"),
    [(0.01, 3, 3, 3), (0.02, 4, 3, 5), (0.03, 5, 5, 9), (0.05, 11, 9, 20)],
)
def test_blocks_to_stay_within_a_margin(
    sd: float, alike: int, equal: int, two_percent_more: int
) -> None:
    def least(effect: float, both: bool) -> int:
        return next(n for n in count(3) if power_within_margin(n, effect, sd, MARGIN, both) >= 0.8)

    assert least(0, True) == alike
    assert least(0, False) == equal
    assert least(math.log(1.02), False) == two_percent_more


def test_power_within_a_margin() -> None:
    found = power_within_margin(5, 0, 0.02 * math.sqrt(2), MARGIN, True)
    assert found == pytest.approx(0.8641, abs=5e-5)
    assert power_within_margin(8, MARGIN, 0.02, MARGIN, False) == pytest.approx(0.05, abs=1e-5)


@pytest.mark.parametrize("n", [3, 5, 8, 100, 10_000])
@pytest.mark.parametrize("shift", [0, 0.5, 1, 2.8, 5])
def test_power_is_that_of_the_noncentral_t(n: int, shift: float) -> None:
    """At shifts for which SciPy has a figure."""
    critical = stats.t.ppf(0.975, n - 1)
    exact = stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift)
    assert power_of(n, shift / math.sqrt(n), 1) == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize(("n", "effect", "sd"), [(3, MARGIN, 0.01), (5, -0.03, 0.02), (8, 1, 2)])
def test_power_is_that_of_simulated_campaigns(n: int, effect: float, sd: float) -> None:
    campaigns = np.random.default_rng(n).normal(effect, sd, (20_000, n))
    told = np.mean(stats.ttest_1samp(campaigns, 0, axis=1).pvalue <= 0.05)
    assert power_of(n, effect, sd) == pytest.approx(told, abs=0.012)  # 3.4 standard errors


def test_cautious_spread() -> None:
    """Factors of 3, 5, 8 and 12 blocks."""
    factors = [cautious_sd(1, blocks) for blocks in (3, 5, 8, 12)]
    assert factors == pytest.approx([2.1169, 1.5576, 1.3533, 1.2546], abs=5e-5)


def test_a_cautious_plan_rarely_falls_short() -> None:
    """From pilots of 5 blocks: less than 80 % power in about 1 of 5, with their own spread more
    often than not."""
    pilots = 0.02 * np.sqrt(np.random.default_rng(1).chisquare(4, 300) / 4)

    def short(spreads: list[float]) -> float:
        plans = [blocks_needed(0.02, sd, least=2) or 0 for sd in spreads]
        return float(np.mean([power_of(n, math.log(1.02), 0.02) < 0.8 for n in plans]))

    assert short([cautious_sd(sd, 5) for sd in pilots]) < 0.27
    assert short(pilots.tolist()) > 0.45


def test_what_needs_too_many_blocks_or_hardly_any() -> None:
    began = time.process_time()
    assert blocks_needed(1e-9, 0.02) is None
    assert blocks_needed(1e-4, 0.01) == pytest.approx((2.8016 / 0.01) ** 2, rel=0.001)
    assert time.process_time() - began < 5
    assert blocks_needed(0, 0.02) is None
    assert blocks_needed(0, 0) is None
    assert blocks_needed(0.05, 0) == blocks_needed(0.05, 1e-9) == blocks_needed(50, 0.001) == 3
    assert blocks_needed(-0.05, 0.03) == pytest.approx(blocks_needed(0.05, 0.03), abs=1)
