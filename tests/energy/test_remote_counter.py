"""Joules of a counter that is asked over a network."""

from __future__ import annotations

from dataclasses import replace
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energyctl.energy import Domain, Recording, series_for
from energyctl.energy.remote_counter import RemoteCounterSeries
from energyctl.energy.series import NOT_SHOWN

START = 1_700_000_000.0
WALL = Domain(
    "wall", "other", "shelly", in_total=False, remote=True, resolution_joules=3.6,
    update_seconds=1.0, relative_uncertainty=0.02,
)  # fmt: skip


def told(values: dict[float, float | None], seconds: float = 0.0) -> RemoteCounterSeries:
    series = series_for(WALL)
    assert isinstance(series, RemoteCounterSeries)
    for time, joules in values.items():
        series.append(START + time, joules, None if joules is not None else "gone", seconds)
    return series


@given(st.lists(st.floats(0.0, 800.0), min_size=8, max_size=40), st.floats(0, 1), st.floats(0, 1))
def test_the_truth_lies_between_the_bounds_whatever_the_power(
    watts: list[float], late: float, begin: float
) -> None:
    """Power changes each second, and the counter shows what had flowed up to a second before."""
    flowed = [sum(watts[:i]) for i in range(len(watts) + 1)]

    def joules(time: float) -> float:
        second = int(max(0.0, time))
        return flowed[second] + (time - second) * watts[min(second, len(watts) - 1)]

    series = told({float(i): joules(max(0.0, i - late)) for i in range(1, len(watts))})
    start, end = 1.0 + begin, len(watts) - 2.0
    span = series.between(START + start, START + end)
    if span.joules is None:
        assert span.missing in ("its counter did not move", NOT_SHOWN)
        return
    # A power above twice the highest mean that was seen is not believed.
    if max(watts) <= series._peak_watts * 2:
        truth = joules(end) - joules(start)
        assert abs(span.joules - truth) <= span.budget["interpolation"] + 1e-6


def test_steady_power_is_told_to_the_pace_of_the_answers() -> None:
    span = told({t: 1000 + 300.0 * t for t in range(100)}).between(START + 20, START + 80)
    assert span.joules == pytest.approx(60 * 300)
    assert span.uncertainty_joules == pytest.approx(0.02 * 60 * 300 + 300, rel=0.05)


def test_a_slow_answer_makes_the_edge_it_is_at_less_sure() -> None:
    values: dict[float, float | None] = {float(t): 300.0 * t for t in range(60)}
    quick, slow = told(values).between(START + 20, START + 40), told(values, 0.9)
    assert (
        slow.between(START + 20, START + 40).budget["interpolation"]
        > (quick.budget["interpolation"])
    )


def test_answers_missing_within_the_interval_cost_nothing() -> None:
    values: dict[float, float | None] = {float(t): 300.0 * t for t in range(100)}
    gap = {time: None if 40 <= time < 60 else joules for time, joules in values.items()}
    span = told(gap).between(START + 20, START + 80)
    assert span.joules == pytest.approx(60 * 300)


def test_a_counter_that_was_reset_tells_nothing_across_that() -> None:
    values: dict[float, float | None] = {t: 9000 + 300.0 * t for t in range(50)}
    values.update({t: 300.0 * (t - 50) for t in range(50, 100)})
    series = told(values)
    span = series.between(START + 20, START + 80)
    assert span.joules is None
    assert (span.missing, span.reason) == ("its counter fell from 23700 J to 0 J: a reset", "back")
    assert series.between(START + 60, START + 80).joules == pytest.approx(20 * 300)
    assert series.between(START + 20, START + 40).joules == pytest.approx(20 * 300)
    assert (series.joules_at_last(), series.stretch) == (49 * 300, 1)


def test_a_counter_that_stands_still_has_no_figure_or_a_wide_band() -> None:
    span = told(dict.fromkeys(range(60), 500.0)).between(START + 10, START + 40)
    assert (span.joules, span.missing, span.reason) == (None, "its counter did not move", "still")
    stuck = told({t: 300.0 * min(t, 30) for t in range(100)})
    assert stuck.between(START + 20, START + 95).missing == NOT_SHOWN
    span = stuck.between(START + 5, START + 30)
    assert span.joules is not None
    assert span.joules + (span.uncertainty_joules or 0) > 25 * 300


def test_an_outage_is_no_proof_that_the_counter_moves_seldom() -> None:
    values: dict[float, float | None] = {float(t): 300.0 * t for t in range(1200)}
    gap = {time: None if 300 <= time < 600 else joules for time, joules in values.items()}
    for start, end in ((700, 900), (100, 800)):
        with_outage = told(gap).between(START + start, START + end)
        assert with_outage == told(values).between(START + start, START + end)


@pytest.mark.parametrize("for_good", [True, False])
def test_a_counter_that_rises_more_than_can_flow_tells_nothing_across_that(for_good: bool) -> None:
    series = RemoteCounterSeries(replace(WALL, max_watts=4000.0))
    for t in range(100):
        wrong = t >= 50 if for_good else t == 50
        series.append(START + t, 300.0 * t + 3.6e6 * wrong)
    span = series.between(START + 20, START + 80)
    assert (span.joules, span.reason) == (None, "jumped")
    assert "rose from 14700 J to 3.615e+06 J, more than can have flowed" in (span.missing or "")
    for start, end in ((20, 40), (60, 80)):
        assert series.between(START + start, START + end).joules == pytest.approx(20 * 300)


def test_two_answers_that_come_close_to_each_other_are_no_burst() -> None:
    series = told({t: 300.0 * floor(t) for t in (*range(40), 40.95, 41.0)})
    assert series._peak_watts <= 600.0


def test_before_and_after_all_answers_there_is_no_figure() -> None:
    series = told({**{t: 300.0 * t for t in range(30)}, **dict.fromkeys(range(30, 90))})
    assert series.between(START - 60, START + 20).missing == "gone"
    assert series.between(START + 5, START + 80).missing == "gone"
    assert series.between(START + 5, START + 29.9).joules is not None


def test_a_recording_tells_it_with_the_stated_accuracy() -> None:
    series = told({t: 300.0 * t for t in range(100)})
    recording = Recording((WALL,), {"wall": series}, (), 1.0)
    (figure,) = recording.energy(START + 20, START + 80).domains
    assert figure.budget["stated"] == pytest.approx(0.02 * 60 * 300)
    assert not figure.checks
