"""The trend of controls, against a published regression and SciPy."""

from __future__ import annotations

import math
from random import Random

import pytest
from scipy import stats

from energyctl.analysis.drift import drift_sentences, trend
from energyctl.results.controls import ControlRun


def controls(joules: list[float], node: str = "n1") -> list[ControlRun]:
    return [ControlRun(node, 3600.0 * hour, one) for hour, one in enumerate(joules)]


def test_the_trend_and_its_interval_are_those_of_scipy() -> None:
    draw = Random(3)
    joules = [1000 * math.exp(0.002 * hour + draw.gauss(0, 0.004)) for hour in range(9)]
    found = trend(controls(joules))
    assert found is not None
    line = stats.linregress(range(9), [math.log(one) for one in joules])
    half = stats.t.ppf(0.975, 7) * line.stderr
    wanted = [math.exp(8 * (line.slope + sign * half)) for sign in (0, -1, 1)]
    assert found == pytest.approx(wanted, rel=1e-5)  # of t, three decimals


def test_each_machine_has_a_sentence() -> None:
    steady = controls([100.0] * 6)
    drifting = controls([100, 101, 102, 103, 104, 105], "n2")
    few, one = controls([100.0, 101.0], "n3"), controls([100.0], "n4")
    assert drift_sentences([*steady, *drifting, *few, *one]) == [
        "6 controls on n1: the energies of the same work lie 0.0 % apart. Over 5 h 00 min it took "
        "0.0 % more (95 % interval 0.0 to 0.0 %).",
        "6 controls on n2: the energies of the same work lie 4.9 % apart. Over 5 h 00 min it took "
        "5.0 % more (95 % interval 4.9 to 5.1 %).",
        "2 controls on n3: the energies of the same work lie 1.0 % apart; "
        "5 are needed for a trend.",
        "1 control on n4: whether the machine stayed the same is not known.",
    ]


def test_a_steady_drift_is_in_the_interval_as_often_as_it_says() -> None:
    draw, inside = Random(1), 0
    for _ in range(2000):
        joules = [1000 * math.exp(0.003 * hour + draw.gauss(0, 0.005)) for hour in range(8)]
        found = trend(controls(joules))
        assert found is not None
        inside += found[1] <= math.exp(0.021) <= found[2]
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)
