"""The energy at an instant inside a counter's step."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energyctl.energy.counter_steps import StepInterval


def test_a_switch_between_the_powers_beside_a_step_is_placed_where_its_mean_says() -> None:
    # 80 W for 30 ms, then 300 W for 70 ms.
    step = StepInterval(10.0, 10.1, 80 * 0.03 + 300 * 0.07, watts_before=80.0, watts_after=300.0)
    assert step.joules_until(10.02) == pytest.approx(80 * 0.02)
    assert step.joules_until(10.05) == pytest.approx(80 * 0.03 + 300 * 0.02)


def test_a_step_without_a_switch_or_without_neighbours_is_spread_evenly() -> None:
    assert StepInterval(0.0, 0.1, 20.0, 200.0, 200.0).joules_until(0.025) == pytest.approx(5.0)
    assert StepInterval(0.0, 0.1, 20.0).joules_until(0.025) == pytest.approx(5.0)
    assert StepInterval(0.0, 0.1, 50.0, 80.0, 300.0).joules_until(0.025) == pytest.approx(12.5)


@given(
    st.floats(0.0, 500.0),
    st.floats(0.0, 500.0),
    st.floats(0.0, 0.1),
    st.floats(0.0, 0.1),
    st.booleans(),
)
def test_the_doubt_covers_every_switch_that_the_step_can_hide(
    before: float, after: float, switch: float, time: float, seen: bool
) -> None:
    joules = before * switch + after * (0.1 - switch)
    step = StepInterval(0.0, 0.1, joules, before if seen else None, after if seen else None)
    truth = before * min(time, switch) + after * max(0.0, time - switch)
    doubt = step.uncertainty_joules(time, max(before, after))
    assert abs(step.joules_until(time) - truth) <= doubt + 1e-9


def test_a_load_far_below_the_most_that_is_possible_leaves_less_doubt() -> None:
    busy, quiet = StepInterval(0.0, 0.1, 15.0), StepInterval(0.0, 0.1, 2.0)
    assert quiet.uncertainty_joules(0.05, 300.0) < busy.uncertainty_joules(0.05, 300.0) / 3


def test_where_nothing_is_taken_for_granted_all_of_the_step_may_lie_on_one_side() -> None:
    assert StepInterval(0.0, 0.1, 20.0).uncertainty_joules(0.05, inf) == pytest.approx(10.0)
    assert StepInterval(0.0, 0.1, 20.0).uncertainty_joules(0.09, inf) == pytest.approx(18.0)


def test_a_step_that_may_have_begun_earlier_may_hold_all_its_joules_before_an_instant() -> None:
    known = StepInterval(0.0, 0.1, 20.0)
    open_ended = StepInterval(0.0, 0.1, 20.0, earliest=-0.1)
    assert known.uncertainty_joules(0.02, 300.0) == pytest.approx(4.0)  # 6 J are the most
    assert open_ended.uncertainty_joules(0.02, 300.0) == pytest.approx(16.0)
    # Where it began after the instant, some of what flowed before it flowed after the instant.
    late = StepInterval(0.0, 0.1, 20.0, earliest=0.0, latest=0.1)
    assert late.uncertainty_joules(0.02, 300.0) == pytest.approx(4.0 + 300 * 0.08)
