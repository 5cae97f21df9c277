"""Division of a domain's dynamic joules against figures computed by hand."""

from __future__ import annotations

from dataclasses import replace
from math import hypot, inf, nan

import pytest

from energyctl.energy.shares import estimators, model
from energyctl.energy.shares.model import Doubts, Estimate, Facts

GOLDEN = Facts(
    joules=24_000.0,
    seconds=100.0,
    idle_watts=60.0,
    context_watts=40.0,
    foreground_context=100.0,
    background_context=100.0,
    both_context=100.0,
    alone_joules=13_000.0,
    alone_seconds=50.0,
    alone_idle_watts=60.0,
    alone_context=50.0,
    load_watts=190.0,
    load_context=1.0,
    foreground_busy=40.0,
    background_busy=60.0,
    alone_busy=40.0,
    load_busy=0.9,
    load_seconds=200 / 3,
)
"""Kernels of the foreground draw 200 W, for 40 s; those of the background 100 W, for 60 s. Alone
the foreground's take 8 of 13 kJ in 50 s; the load's keep the GPU busy for nine tenths."""

SURE = Doubts()
APART = 0.15 * 8000 * 6000 / 14_000 + 0.01 * 14_000 / 2
"""What sharing may change in the one alone, and half of the leakage."""


def activity(facts: Facts, doubts: Doubts = SURE, clocks_differ: bool = False) -> Estimate:
    return estimators.activity(facts, doubts, 0.15, clocks_differ)


def work(facts: Facts, doubts: Doubts = SURE, clocks_differ: bool = False) -> Estimate:
    return estimators.work(facts, doubts, 0.15, clocks_differ)


def wide(doubts: Doubts) -> float:
    """What doubts add to the golden half-width."""
    return activity(GOLDEN, doubts).high - 8000 - APART


# -- figures -------------------------------------------------------------------------------------


def test_the_parts_of_a_pair_in_turn() -> None:
    assert (GOLDEN.idle_joules, GOLDEN.context_joules, GOLDEN.dynamic_joules) == (
        6000.0,
        4000.0,
        14_000.0,
    )
    assert GOLDEN.foreground_context_joules == 2000.0
    assert estimators.by_activity(GOLDEN) == pytest.approx((8000.0, 6000.0))
    assert estimators.by_work(GOLDEN) == pytest.approx((8000.0, 6000.0))
    assert estimators.closure(GOLDEN, clocks_differ=False) == pytest.approx(0.0, abs=1e-12)
    for estimate in (activity(GOLDEN), work(GOLDEN)):
        assert estimate.foreground == pytest.approx(8000.0)
        assert (estimate.low, estimate.high) == pytest.approx((8000 - APART, 8000 + APART))
        assert estimate.background_wide == pytest.approx(APART)


def test_what_the_references_do_not_explain_may_be_of_either() -> None:
    """700 J more: 15 parts of 14 scaled, or all of it of the foreground, or of the background."""
    more = replace(GOLDEN, joules=24_700.0)
    assert estimators.closure(more, clocks_differ=False) == pytest.approx(700 / 14_700)
    found, apart = activity(more), APART * 14_700 / 14_000
    assert found.foreground == pytest.approx(8400.0)
    assert (found.low, found.high) == pytest.approx((8000 - apart, 8700 + apart))
    # By work, each has half of it.
    assert work(more).foreground == pytest.approx(8350.0)


def test_the_context_is_halved_where_both_have_one() -> None:
    facts = replace(GOLDEN, foreground_context=90.0, background_context=70.0, both_context=65.0)
    assert facts.context_joules == pytest.approx(40 * (90 + 70 - 65))
    assert facts.foreground_context_joules == pytest.approx(40 * (25 + 65 / 2))


def test_the_exponent_of_the_clock_is_the_one_that_explains_the_total() -> None:
    """The foreground's clock is 0.8 of that alone, and its power goes by the square of it: 5120 J
    of its 8000. Exponents that leave 10 % more are in the band."""
    foreground = 8000 * 0.8**2
    facts = replace(GOLDEN, joules=24_000 - 8000 + foreground, foreground_clock=0.8)
    assert estimators.closure(facts, clocks_differ=True) == pytest.approx(0.0, abs=1e-9)
    found = activity(facts, clocks_differ=True)
    assert found.foreground == pytest.approx(foreground)
    dynamic, apart = foreground + 6000, 0.15 * foreground * 6000 / (foreground + 6000)
    apart += 0.01 * dynamic / 2
    inside = [
        8000 * 0.8 ** (tenth / 10)
        for tenth in range(5, 31)
        if abs(8000 * 0.8 ** (tenth / 10) - foreground) <= 0.1 * dynamic
    ]
    # All of what an exponent leaves may be of either.
    assert (found.low, found.high) == pytest.approx((min(inside) - apart, max(inside) + apart))
    assert max(inside) - min(inside) > 0.15 * dynamic


def test_clocks_that_do_not_differ_need_no_exponent() -> None:
    facts = replace(GOLDEN, foreground_clock=0.99)
    assert activity(facts).foreground == pytest.approx(14_000 * 7920 / 13_920)


# -- bands ---------------------------------------------------------------------------------------


def test_a_meters_part_counts_as_the_foregrounds_share_of_it() -> None:
    assert wide(Doubts({"joules": 100.0})) == pytest.approx(100 * 8 / 14)


def test_the_held_context_counts_in_all_references() -> None:
    """At 41 W, of 13.9 kJ: 50 J less alone, and 1/0.9 W less for 60 s."""
    low = 13_900 * 7950 / (7950 + 6000 - 60 / 0.9)
    high = 14_100 * 8050 / (8050 + 6000 + 60 / 0.9)
    assert wide(Doubts({"context_watts": 1.0})) == pytest.approx((high - low) / 2)


def test_chance_adds_in_quadrature_and_what_moves_together_does_not() -> None:
    busy = {"foreground_busy": 0.4, "background_busy": 0.6}
    parts = [wide(Doubts({name: width})) for name, width in busy.items()]
    assert wide(Doubts(busy)) == pytest.approx(hypot(*parts))
    # Busy times that are both off by a hundredth change nothing.
    assert wide(Doubts(at_once=(busy,))) == pytest.approx(0.0, abs=1e-9)
    one, other = {"joules": 100.0}, {"alone_joules": 50.0}
    apart = [wide(Doubts(at_once=(each,))) for each in (one, other)]
    assert wide(Doubts(at_once=(one, other))) == pytest.approx(sum(apart))


DRIFT = Doubts(other_loads=({"load_watts": 180.0}, {"load_watts": 200.0}))


def test_half_of_what_the_load_before_and_after_differ_by_counts() -> None:
    """Of 80 or 100 W above idle and context, y is 5333 or 6667 J."""
    figures = [14_000 * 8000 / (8000 + watts / 0.9 * 60) for watts in (80, 100)]
    assert wide(DRIFT) == pytest.approx((figures[0] - figures[1]) / 2)
    assert wide(DRIFT) > 380


def test_a_drift_that_is_ignored_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def ignored(of: object, facts: Facts, doubts: Doubts) -> float:
        return model.half_width(of, facts, replace(doubts, other_loads=()))  # type: ignore[arg-type]

    monkeypatch.setattr(estimators, "half_width", ignored)
    with pytest.raises(AssertionError):
        test_half_of_what_the_load_before_and_after_differ_by_counts()


def test_exchanged_roles_exchange_the_figures() -> None:
    """Alone in place of the load: 8 kJ of 40 s in 50 s."""
    facts = replace(GOLDEN, joules=24_500.0, both_context=80.0, background_context=85.0)
    other = replace(
        facts,
        foreground_busy=60.0, background_busy=40.0, foreground_context=85.0,
        background_context=100.0, alone_joules=190 * 200 / 3, alone_seconds=200 / 3,
        alone_context=200 / 3, alone_busy=60.0, load_watts=260.0, load_busy=0.8,
        load_seconds=50.0,
    )  # fmt: skip
    for estimate in (activity, work):
        one, swapped = estimate(facts), estimate(other)
        assert one.foreground + swapped.foreground == pytest.approx(facts.dynamic_joules)
        assert one.low + swapped.high == pytest.approx(facts.dynamic_joules)
    contexts = facts.foreground_context_joules + other.foreground_context_joules
    assert contexts == pytest.approx(facts.context_joules)


# -- nothing, and nonsense -----------------------------------------------------------------------


def test_a_total_that_does_not_move_is_of_either_within_its_band() -> None:
    still = replace(
        GOLDEN,
        joules=10_030.0,
        alone_joules=GOLDEN.alone_joules - GOLDEN.alone_dynamic_joules,
        load_watts=GOLDEN.load_watts - GOLDEN.load_dynamic_watts,
    )
    doubts = Doubts({"joules": 50.0})
    for estimate in (activity(still, doubts), work(still, doubts)):
        assert estimate.foreground == pytest.approx(15.0)
        assert (estimate.low, estimate.high) == pytest.approx((-50.0, 80.0))
    # Where the references say that there should be some, it is no case of that.
    assert estimators.nothing_dynamic(still, doubts, 14_000.0) is None
    assert estimators.nothing_dynamic(GOLDEN, doubts, 14_000.0) is None


def test_one_that_launches_nothing_has_nothing() -> None:
    sleeper = replace(
        GOLDEN, joules=16_000.0, foreground_busy=0.0, alone_busy=0.0, alone_joules=5000.0
    )
    found = activity(sleeper)
    assert found.foreground == 0
    assert found.low < 0 < found.high


@pytest.mark.parametrize("value", [0.0, -1.0, 1e300, -1e300, 1e-320, inf, nan])
@pytest.mark.parametrize("name", [name for name in vars(GOLDEN) if "clock" not in name])
def test_numbers_that_cannot_be_give_a_figure_or_none(name: str, value: float) -> None:
    """Clocks are checked where they are read."""
    facts = replace(GOLDEN, **{name: value})
    for estimate in (activity, work):
        found = estimate(facts, DRIFT, clocks_differ=True)
        assert found.is_known or found.missing == "the result has numbers that cannot be"
        if found.is_known:
            assert abs(found.foreground) < inf
