"""Figures over time: steady, or still on their way."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from energyctl.steadiness import FEWEST, Steadiness, trend

RANDOM = random.Random(3)
NOISE = [RANDOM.gauss(0, 1) for _ in range(1000)]


def watched(
    value: Callable[[int], float], name: str, count: int = 41, seconds: float = 10.0
) -> str | None:
    """What is said after *count* looks, four a second."""
    steadiness = Steadiness(seconds)
    for number in range(count):
        steadiness.add(1000 + number / 4, {name: value(number)})
    return steadiness.moving()


@pytest.mark.parametrize(
    ("figure", "name", "moves"),
    [
        (lambda n: 250.0, "GPU 0 watts", False),
        (lambda n: 0.0, "a cores", False),
        (lambda n: 100.0 + 5 * n, "GPU 0 watts", True),
        (lambda n: 300.0 - 5 * n, "GPU 0 watts", True),  # falling is no steadier than rising
        (lambda n: 0.0 if n < 20 else 250.0, "GPU 0 watts", True),  # it has just begun
        (lambda n: 250.0 + 0.2 * n, "GPU 0 watts", False),  # 8 W of 250
        (lambda n: 10.0 + 0.1 * n, "GPU 0 watts", False),  # 4 W are nothing
        (lambda n: 0.002 * n, "a cores", False),
        (lambda n: 1.0 + 0.05 * n, "a cores", True),
        (lambda n: 100.0 + 20 * NOISE[n], "GPU 0 watts", False),
        (lambda n: 3 + NOISE[n], "a cores", False),
        (lambda n: 100.0 + 5 * n + 5 * NOISE[n], "GPU 0 watts", True),
        (lambda n: 80.0 if n % 2 else 300.0, "GPU 0 watts", False),  # batches: a load with a period
        (lambda n: 80.0 if n // 4 % 2 else 300.0, "GPU 0 watts", False),
    ],
)
def test_what_counts_as_moving(figure: Callable[[int], float], name: str, moves: bool) -> None:
    assert (watched(figure, name) is not None) is moves


def test_what_moves_is_named_with_its_drift() -> None:
    assert watched(lambda n: 100.0 + 5 * n, "GPU 0 watts") == (
        "GPU 0 watts drifts by +2e+02 (now 300)"
    )


def test_nothing_is_steady_before_the_window_is_full() -> None:
    assert watched(lambda n: 5.0, "a cores", count=40) == "waiting for a full window"
    assert watched(lambda n: 5.0, "a cores", count=41) is None
    assert watched(lambda n: 5.0, "a cores", count=0) == "waiting for a full window"


def test_a_window_has_looks_enough_however_short_it_is() -> None:
    assert watched(lambda n: 5.0, "a cores", count=FEWEST - 1, seconds=0) is not None
    assert watched(lambda n: 5.0, "a cores", count=FEWEST, seconds=0) is None


def test_the_rise_at_the_start_is_forgotten_once_it_is_out_of_the_window() -> None:
    ramp = [min(250.0, 10.0 * number) for number in range(80)]
    assert watched(lambda n: ramp[n], "GPU 0 watts", count=45) is not None
    assert watched(lambda n: ramp[n], "GPU 0 watts", count=70) is None


def test_a_restart_begins_a_new_window() -> None:
    steadiness = Steadiness(10)
    for number in range(50):
        steadiness.add(number, {"a cores": 1.0})
    assert steadiness.moving() is None
    assert steadiness.latest() == {"a cores": 1.0}
    steadiness.restart()
    assert steadiness.moving() == "waiting for a full window"
    assert steadiness.latest() == {}
    assert steadiness.span_seconds == 0.0


def test_one_of_several_figures_is_enough_to_be_moving() -> None:
    steadiness = Steadiness(10)
    for number in range(41):
        steadiness.add(number / 4, {"a cores": 1.0, "b cores": number / 10})
    assert str(steadiness.moving()).startswith("b cores drifts")


def test_trend_is_the_drift_over_the_whole_span() -> None:
    drift, noise = trend([0.0, 1.0, 2.0, 3.0], [1.0, 3.0, 5.0, 7.0])
    assert (drift, noise) == pytest.approx((6.0, 0.0))
    assert trend([0.0, 1.0], [0.0, 9.0]) == (0.0, float("inf"))
    assert trend([5.0] * 4, [0.0, 9.0, 3.0, 1.0]) == (0.0, float("inf"))
