"""Rows of the ledger → how present a job was, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as some

from energyctl.results import ledger
from energyctl.results.ledger import Iteration, JobLedger, Presence

HEADER = "job,run,pid,started,ended,exit_code,signal\n"


def test_rows_are_read_with_their_exit_code_or_signal() -> None:
    text = HEADER + "a,1,10,100.5,101.25,0,\na,2,11,101.5,102.0,,15\nb,1,12,100.0,103.0,3,\n"
    assert ledger.parse(text) == [
        Iteration("a", 1, 10, 100.5, 101.25, 0, None),
        Iteration("a", 2, 11, 101.5, 102.0, None, 15),
        Iteration("b", 1, 12, 100.0, 103.0, 3, None),
    ]
    assert [item.run for item in ledger.parse(text) if item.job == "a"] == [1, 2]
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


def presence(iterations: Iterable[Iteration], start: float, end: float) -> Presence:
    """Of iterations that are taken in one after the other; those that run have no end."""
    iterations, job = list(iterations), JobLedger()
    for item in iterations:
        if item.ended is not None:
            job.add(item)
    job.running = [item for item in iterations if item.ended is None]
    return job.presence(start, end)


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
    found = presence([done(*times) for times in iterations], 0.0, 10.0)
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
    assert presence([iteration], 0.0, 10.0).failures == failures


def test_a_clock_that_was_set_back_makes_no_negative_coverage() -> None:
    found = presence([done(5, 4), done(6, 7)], 0.0, 10.0)
    assert found.coverage == pytest.approx(0.1)


def test_a_span_of_no_length_has_no_coverage() -> None:
    assert presence([done(0, 10)], 5.0, 5.0).coverage == 0.0


# -- taken in as it grows ------------------------------------------------------------------------


def of_the_whole(iterations: Iterable[Iteration], start: float, end: float) -> Presence:
    """The same figures from all iterations at once, as a formula that can be checked by eye."""
    inside = [
        (max(item.started, start), min(math.inf if item.ended is None else item.ended, end), item)
        for item in sorted(iterations, key=lambda item: item.started)
        if item.started < end and (item.ended is None or item.ended > start)
    ]
    covered, longest, until = 0.0, 0.0, start
    for begin, finish, _ in inside:
        longest = max(longest, begin - until)
        covered += max(0.0, finish - max(begin, until))
        until = max(until, finish)
    longest = max(longest, end - until)
    span = end - start
    return Presence(
        iterations=len(inside),
        failures=sum(i.failed and i.ended is not None and i.ended <= end for _, _, i in inside),
        coverage=min(1.0, covered / span) if span > 0 else 0.0,
        max_gap_seconds=max(0.0, longest),
    )


instants = some.floats(0.0, 50.0) | some.integers(0, 50).map(float)
ended = some.builds(
    lambda started, seconds, code, signal: Iteration(
        "a", 1, 1, started, started + seconds, code, signal
    ),
    instants,
    some.floats(-1.0, 30.0),
    some.sampled_from((0, 1, None)),
    some.sampled_from((None, 9, 15)),
)
going_on = instants.map(lambda started: Iteration("a", 1, 1, started))
steps = some.lists(
    some.tuples(some.lists(ended, max_size=4), some.lists(going_on, max_size=2), instants, instants)
)


@given(steps, some.booleans(), some.booleans())
def test_what_grows_has_the_figures_of_the_whole_to_the_last_digit(
    looks: list[tuple[list[Iteration], list[Iteration], float, float]], ordered: bool, one: bool
) -> None:
    """Whatever arrives, late or in order, and whatever spans are asked for in between."""
    if ordered:  # as a ledger grows: by start, while the end of the span moves on
        rows = iter(sorted((i for new, *_ in looks for i in new), key=lambda i: i.started))
        ends = iter(sorted(end for *_, end in looks))
        looks = [([next(rows) for _ in new], now, s, next(ends)) for new, now, s, _ in looks]
    job, so_far = JobLedger(), list[Iteration]()
    for new, running, start, end in looks:
        for item in new:
            job.add(item)
        so_far += new
        job.running = running
        span = (looks[0][2] if one else start), end
        every = [*so_far, *running]
        assert job.presence(*span) == of_the_whole(every, *span)
        assert job.iterations == len(every)
        assert job.failures == sum(item.failed for item in every)
        assert job.last_end == max((i.ended for i in every if i.ended is not None), default=None)


@given(some.lists(some.integers(1, 12)))
def test_which_iterations_have_a_row(runs: list[int]) -> None:
    job = JobLedger()
    for run in runs:
        job.add(Iteration("a", run, 1, 1.0, 2.0, 0))
    assert {run for run in range(14) if job.has_row(run)} == set(runs)


def test_a_look_at_the_span_that_goes_on_costs_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    job, gone_over = JobLedger(), 0
    add = ledger._Sums.add

    def counted(self: ledger._Sums, *arguments: float) -> None:
        nonlocal gone_over
        gone_over += 1
        add(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ledger._Sums, "add", counted)
    for run in range(1, 2001):
        job.add(Iteration("a", run, run, float(run), run + 0.9, 0))
        job.running = [Iteration("a", run + 1, run + 1, run + 0.95)]
        assert job.presence(1.0, run + 0.99).iterations == run + 1
    assert gone_over < 3 * 2000
    assert sum(len(part) * part.itemsize for part in (job._started, job._ended)) == 16 * 2000
    assert job._runs == [(1, 2000)]
