"""Each verdict of an effect, and Holm's correction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from energyctl.analysis.compare.contrasts import Effect, effect
from energyctl.analysis.compare.unpaired import welch
from energyctl.analysis.compare.verdicts import (
    MarginPs,
    Verdict,
    holm,
    holm_margins,
    margin_ps,
    verdict,
)

LOGS = np.log((840.1, 1239.4, 684.2, 1541.0, 958.3, 1149.9, 744.0, 1441.7)) - np.log(
    (812.4, 1203.9, 655.0, 1490.2, 934.7, 1101.3, 720.8, 1388.6)
)
MARGIN = math.log(1.05)


def of(percent: float, spread: float) -> Effect:
    """Eight blocks of exactly that mean and standard deviation, in percent of logarithms."""
    pattern = np.array((-1, 1, -1, 1, -1, 1, -1, 1)) * math.sqrt(7 / 8)
    return effect((percent / 100 + spread / 100 * pattern).tolist())


def test_golden_verdicts() -> None:
    found = effect(LOGS.tolist())
    assert verdict(found, found.p, 0.05, MARGIN) == "differs, within the margin"
    assert verdict(found, found.p, 0.05, None) == "differs"
    at_most, at_least = margin_ps(found, MARGIN)
    assert at_most == pytest.approx(2.37632e-4, rel=5e-6)
    assert at_least == pytest.approx(stats.ttest_1samp(LOGS, -MARGIN, alternative="greater").pvalue)


@pytest.mark.parametrize(
    ("percent", "spread", "expected", "without_margin"),
    [
        (8, 1, "more than the margin", "differs"),
        (-8, 1, "less by more than the margin", "differs"),
        (3.5, 0.5, "differs, within the margin", "differs"),
        (-3.5, 0.5, "differs, within the margin", "differs"),
        (6, 3, "differs", "differs"),
        (5, 1, "differs", "differs"),
        (-5, 1, "differs", "differs"),
        (0.4, 1.5, "alike within the margin", "open"),
        (-3, 4, "no more than the margin", "open"),
        (3, 5, "open", "open"),
    ],
)
def test_each_verdict(
    percent: float, spread: float, expected: Verdict, without_margin: Verdict
) -> None:
    found = of(percent, spread)
    assert verdict(found, found.p, 0.05, MARGIN) == expected
    assert verdict(found, found.p, 0.05, None) == without_margin


def test_limits_say_the_same_as_the_p_of_margins() -> None:
    for percent in np.linspace(-10, 10, 41):
        found = of(percent, 2)
        assert found.at_most is not None
        assert found.at_least is not None
        at_most, at_least = margin_ps(found, MARGIN)
        assert at_most is not None
        assert at_least is not None
        assert (at_most < 0.05) == (found.at_most < MARGIN)
        assert (at_least < 0.05) == (found.at_least > -MARGIN)
        more = verdict(found, found.p, 0.05, MARGIN) == "more than the margin"
        assert more == (found.at_least > MARGIN)


def test_what_has_no_interval() -> None:
    for few in (effect([0.3]), welch([0.1], [0.2, 0.3], 0.95)):
        assert verdict(few, few.p, 0.05, MARGIN) == "too few"
        assert margin_ps(few, MARGIN) == (None, None)
    equal = effect([0.3, 0.3, 0.3])
    assert verdict(equal, equal.p, 0.05, MARGIN) == "open"
    assert holm_margins([equal], MARGIN) == [MarginPs(None, None, None, None)]


def test_holms_correction() -> None:
    """The example of Holm's paper's method by hand: 0.01 * 4, 0.015 * 3, then no less."""
    assert holm([0.04, 0.01, 0.03, 0.015]) == pytest.approx([0.06, 0.04, 0.06, 0.045])
    assert holm([0.04, None, 0.01]) == [0.04, None, 0.02]
    assert holm([0.7, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([None]) == [None]


def test_a_difference_is_told_by_the_corrected_p() -> None:
    found = of(2, 2)
    assert found.p is not None
    assert found.p < 0.05 < 3 * found.p
    assert verdict(found, found.p, 0.05, None) == "differs"
    assert verdict(found, 3 * found.p, 0.05, None) == "open"


def test_margins_of_several_comparisons_are_corrected_too() -> None:
    just = of(6.5, 2)
    assert verdict(just, just.p, 0.05, MARGIN) == "more than the margin"
    family = holm_margins([just, of(0, 2), of(1, 2)], MARGIN)
    assert verdict(just, just.p, 0.05, MARGIN, family[0]) == "differs"
    sides = [margin_ps(one, MARGIN)[0] or 0.0 for one in (just, of(0, 2), of(1, 2))]
    assert [ps.at_most for ps in family] == holm(sides)
    assert [ps.more for ps in family] == holm([1 - p for p in sides])
