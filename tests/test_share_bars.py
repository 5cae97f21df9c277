"""The bars of the shares are met in a small form, and each mutant of how they are told misses one.

That the drift of references is ignored no bar shows, since all that they do not explain is in the
band; tests/energy/test_shares.py does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from statistics import fmean

import pytest

from benchmarks import shared_results
from benchmarks.running import printed
from benchmarks.shared_outcomes import Simulated, judged, simulated
from benchmarks.shared_worlds import WORLDS
from benchmarks.shares import missed
from energyctl.energy.shares import estimators
from energyctl.energy.shares.model import Facts

IN_TURN = WORLDS[0]


def drawn(pairs: int = 20) -> list[Simulated]:
    random = Random(7)
    return [simulated(IN_TURN, random) for _ in range(pairs)]


@pytest.fixture(scope="module")
def pairs() -> list[Simulated]:
    return drawn()


def missed_by(pairs: Sequence[Simulated]) -> str:
    return "; ".join(missed(IN_TURN, [judged(one) for one in pairs]))


def test_shares_of_pairs_in_turn_meet_their_bars(pairs: Sequence[Simulated]) -> None:
    assert missed_by(pairs) == ""


def test_shares_prints_rows_of_every_world_and_misses_no_bar() -> None:
    others = [world.case.__name__ for world in WORLDS[1:]]
    output = printed("shares", "--pairs", "3", "--only", *others, codes=(0,))
    for world in WORLDS[1:]:
        named = rf"^\| {re.escape(world.name)} \| (\d+) \|"
        (row,) = re.findall(named, output, re.MULTILINE)
        assert not world.always or row == "3"
    assert re.search("^0 missed$", output, re.MULTILINE)


def test_half_of_the_context_that_is_left_out_is_noticed(
    pairs: Sequence[Simulated], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Facts, "foreground_context_joules", property(lambda facts: 0.0))
    assert "median error" in missed_by(pairs)


def test_a_closure_that_one_side_has_alone_is_noticed(
    pairs: Sequence[Simulated], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimators, "_scaled", lambda dynamic, x, y: dynamic - y)
    assert "exchanged roles do not exchange the figures" in missed_by(pairs)


def test_means_of_polls_in_place_of_sums_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last sample is looked at each second or so."""

    def polled(percents: Sequence[int], window: float) -> float:
        return fmean(percents[::5]) / 100 * window * len(percents)

    monkeypatch.setattr(shared_results, "busy_seconds", polled)
    assert "95th percentile of errors" in missed_by(drawn())
