"""Rows of the ledger → how present a job was, as tables."""

from __future__ import annotations

import pytest

from energyctl.results import ledger
from energyctl.results.ledger import Iteration

HEADER = "job,run,pid,started,ended,exit_code,signal\n"


def test_rows_are_read_with_their_exit_code_or_signal() -> None:
    text = HEADER + "a,1,10,100.5,101.25,0,\na,2,11,101.5,102.0,,15\nb,1,12,100.0,103.0,3,\n"
    assert ledger.parse(text) == [
        Iteration("a", 1, 10, 100.5, 101.25, 0, None),
        Iteration("a", 2, 11, 101.5, 102.0, None, 15),
        Iteration("b", 1, 12, 100.0, 103.0, 3, None),
    ]
    assert [item.run for item in ledger.of_job(ledger.parse(text), "a")] == [1, 2]
    assert [item.failed for item in ledger.parse(text)] == [False, False, True]


@pytest.mark.parametrize(
    "torn",
    ["a", "a,2", "a,2,11,101.5,102.0", "a,2,11,101.5,102.0,0", "a,2,11,10x,102,0,", ",,,,,,", "\0"],
)
def test_a_torn_last_line_is_passed_over(torn: str) -> None:
    assert [item.run for item in ledger.parse(HEADER + "a,1,10,100.5,101.25,0,\n" + torn)] == [1]


@pytest.mark.parametrize("text", ["", HEADER, "job", "\n\n"])
def test_an_empty_ledger_has_no_iterations(text: str) -> None:
    assert ledger.parse(text) == []


def test_a_running_iteration_is_the_first_half_of_its_row() -> None:
    assert ledger.parse_running("a,3,77,100.5,9123") == (Iteration("a", 3, 77, 100.5), 9123)
    for torn in ("", "a", "a,3,77", "a,3,77,", "a,3,77,100.5", "a,3,77,100.5,", "a,x,77,1.0,9123"):
        assert ledger.parse_running(torn) is None


def done(started: float, ended: float | None, code: int = 0) -> Iteration:
    return Iteration("a", 1, 1, started, ended, None if ended is None else code)


@pytest.mark.parametrize(
    ("iterations", "coverage", "gap", "count"),
    [
        ([], 0.0, 10.0, 0),
        ([(0, 10)], 1.0, 0.0, 1),
        ([(-5, 15)], 1.0, 0.0, 1),
        ([(-5, None)], 1.0, 0.0, 1),
        ([(4, None)], 0.6, 4.0, 1),
        ([(-5, 0), (10, 12)], 0.0, 10.0, 0),  # they only touch the span
        ([(2, 4)], 0.2, 6.0, 1),
        ([(0, 4), (4, 10)], 1.0, 0.0, 2),
        ([(0, 4), (5, 10)], 0.9, 1.0, 2),
        ([(5, 10), (0, 4)], 0.9, 1.0, 2),  # in any order
        ([(1, 3), (4, 9)], 0.7, 1.0, 2),
        ([(0, 6), (2, 4), (5, 8)], 0.8, 2.0, 3),  # overlapping: no second counts twice
        ([(0, 10), (0, 10)], 1.0, 0.0, 2),
        ([(0, 9), (1, 2), (9.5, 10)], 0.95, 0.5, 3),
        ([(-3, 1), (9, None)], 0.2, 8.0, 2),
        ([(3, 3)], 0.0, 7.0, 1),
    ],
)
def test_presence_of_a_job(
    iterations: list[tuple[float, float | None]], coverage: float, gap: float, count: int
) -> None:
    found = ledger.presence([done(*times) for times in iterations], 0.0, 10.0)
    assert found.coverage == pytest.approx(coverage)
    assert found.max_gap_seconds == pytest.approx(gap)
    assert found.iterations == count


@pytest.mark.parametrize(
    ("iteration", "failures"),
    [
        (done(1, 5, 0), 0),
        (done(1, 5, 1), 1),
        (done(-3, 5, 1), 1),
        (done(1, None), 0),
        (done(1, 10.5, 1), 0),  # ended by the stop of the group
        (Iteration("a", 1, 1, 1.0, 10.5, None, 15), 0),
        (Iteration("a", 1, 1, 1.0, 5.0, None, 9), 1),
    ],
)
def test_failures_are_those_before_the_stop(iteration: Iteration, failures: int) -> None:
    assert ledger.presence([iteration], 0.0, 10.0).failures == failures


def test_a_clock_that_was_set_back_makes_no_negative_coverage() -> None:
    found = ledger.presence([done(5, 4), done(6, 7)], 0.0, 10.0)
    assert found.coverage == pytest.approx(0.1)


def test_a_span_of_no_length_has_no_coverage() -> None:
    assert ledger.presence([done(0, 10)], 5.0, 5.0).coverage == 0.0
