"""Iterations of a job → its whole cycles, as tables."""

from __future__ import annotations

import pytest

from energyctl.results.cycles import (
    Cycle,
    blocks_wanted,
    first_blocks,
    last_blocks,
    slowest,
    typical_seconds,
    whole_cycles,
)
from energyctl.results.ledger import SIGTERM, Iteration, JobLedger


def ledger(*rows: tuple[float, float | None, int]) -> JobLedger:
    """Of iterations (started, ended, exit code; that of SIGTERM: stopped by it)."""
    job = JobLedger()
    for run, (started, ended, code) in enumerate(rows, start=1):
        how = (None, SIGTERM) if code == SIGTERM else (code, None)
        item = Iteration("a", run, run, started, ended, *(how if ended is not None else ()))
        if ended is None:
            job.running = [*job.running, item]
        else:
            job.add(item)
    return job


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([(0, None, 0)], []),
        ([(0, 9, 0)], []),  # nobody knows when the next one begins
        ([(0, 9, 0), (10, None, 0)], [(0, 10)]),
        ([(0, 9, 0), (10, 19, 0), (20.5, None, 0)], [(0, 10), (10, 20.5)]),
        ([(0, 9, 0), (10, 11, 1), (12, 21, 0), (22, 23, 1)], [(0, 10), (12, 22)]),  # failures
        ([(0, 9, 0), (10, 12, SIGTERM), (13, None, 0)], [(0, 10)]),  # stopped by an operator
        ([(0, 9, 0), (90, 99, 0), (100, None, 0)], [(90, 100)]),  # nobody ran in between
        ([(0, 9, 0), (11, None, 0)], [(0, 11)]),
        ([(0, 9, 0), (11.1, None, 0)], []),
        ([(10, 19, 0), (0, 9, 0), (20, None, 0)], [(0, 10), (10, 20)]),  # rows in any order
    ],
)
def test_a_cycle_is_from_one_good_iteration_to_the_next(
    rows: list[tuple[float, float | None, int]], expected: list[tuple[float, float]]
) -> None:
    assert whole_cycles(ledger(*rows)) == expected


def test_a_delay_between_iterations_belongs_to_the_cycle() -> None:
    rows = ledger((0, 9, 0), (19, 28, 0), (38, None, 0))
    assert whole_cycles(rows) == []
    assert whole_cycles(rows, between_seconds=12.0) == [(0, 19), (19, 38)]


def every(seconds: float, count: int) -> list[Cycle]:
    return [Cycle(n * seconds, (n + 1) * seconds) for n in range(count)]


def test_typical_is_the_median_and_the_slowest_job_counts() -> None:
    assert typical_seconds([Cycle(0, 50), Cycle(50, 60), Cycle(60, 71)]) == 11
    assert typical_seconds([]) is None
    assert slowest({"a": every(3, 9), "b": every(20, 2), "c": []}) == every(20, 2)
    assert slowest({"a": []}) == []
    assert slowest({}) == ()


@pytest.mark.parametrize(
    ("typical", "least", "count"),
    [(60, 10, 3), (5, 10, 3), (2.5, 10, 4), (0.3, 10, 34), (1, 0.1, 3), (0.0, 10, 3)],
)
def test_three_cycles_or_as_many_as_the_seconds_take(
    typical: float, least: float, count: int
) -> None:
    assert blocks_wanted(typical, least) == count


def test_blocks_before_and_after_an_instant_are_whole() -> None:
    cycles = every(10, 8)
    assert last_blocks(cycles, 45, 3) == [(10, 20), (20, 30), (30, 40)]
    assert last_blocks(cycles, 40, 2) == [(20, 30), (30, 40)]
    assert last_blocks(cycles, 15, 3) == [(0, 10)]
    assert last_blocks(cycles, 45, 0) == []
    assert first_blocks(cycles, 45, 3) == [(50, 60), (60, 70), (70, 80)]
    assert first_blocks(cycles, 50, 2) == [(50, 60), (60, 70)]
    assert first_blocks(cycles, 65, 3) == [(70, 80)]
