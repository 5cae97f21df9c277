"""Ledgers and lines of known rates → the work of a job in each phase, and its uncertainty."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from benchmarks.work import PLAIN, World, judged, run
from energyctl.energy import Phase
from energyctl.results.job_pieces import Counts, Mark
from energyctl.results.job_work import NO_LINE, NONE_FINISHED, job_work
from energyctl.results.ledger import Past
from energyctl.results.schema import WorkJson
from energyctl.results.tables import Part
from energyctl.results.tables.details import job_rows, work_rows


def phases(*lengths: tuple[str, float]) -> list[Phase]:
    found, time = list[Phase](), 0.0
    for name, length in lengths:
        found.append(Phase(name, time, time + length))
        time += length
    return found


def whole(*edges: float) -> list[Past]:
    """Iterations that finished, one after the other."""
    return [Past(a, b, False, True, run) for run, (a, b) in enumerate(pairwise(edges), 1)]


def cut(start: float, end: float, run: int, *, failed: bool = False) -> Past:
    return Past(start, end, failed, False, run)


def lines(*marks: tuple[float, float], final: bool = True, total: float | None = None) -> Counts:
    """(time, done) of each."""
    seen = [Mark(time, time, done) for time, done in marks]
    return Counts(seen, seen[-1].done if final and seen else None, total)


def amounts(work: list[WorkJson]) -> dict[str, tuple[float | None, float | None]]:
    return {one["phase"]: (one["amount"], one["uncertainty"]) for one in work}


AROUND = phases(("background_only", 30), ("foreground", 30), ("background_stop", 1))


def test_iterations_count_in_the_phase_that_they_ran_in() -> None:
    work = job_work(whole(0, 10, 20, 30, 45, 60), {}, AROUND)
    assert work == [
        {"phase": name, "seconds": 30, "amount": n, "unit": "iterations", "uncertainty": 0}
        for name, n in (("background_only", 3), ("foreground", 2))
    ]


def test_one_across_an_edge_is_divided_by_the_rates_on_both_sides() -> None:
    """10 s each alone and 20 s beside: that from 25 on is half done at 30."""
    before, after = whole(5, 15, 25, 35, 55), AROUND[1].end
    got = amounts(job_work([*before, cut(55, after + 0.5, 5)], {}, AROUND))
    amount, uncertainty = got["background_only"]
    assert amount is not None
    assert uncertainty is not None
    assert amount == pytest.approx(2.5 + 1 / 6, abs=1e-9)  # 5 s at 0.1, 5 s at 0.05: 2 to 1
    assert uncertainty == pytest.approx(1 / 6, abs=1e-9)
    assert abs(2.5 - amount) <= uncertainty


def test_where_one_rate_is_known_the_rest_of_it_is_elsewhere() -> None:
    """One iteration from before the foreground to after it: alone it takes 10 s."""
    around = phases(("background_only", 25), ("foreground", 20), ("background_only", 30))
    work = job_work(whole(0, 10, 20, 50, 60, 70), {}, around)
    assert [one["amount"] for one in work] == pytest.approx([2.5, 0, 2.5])
    work = job_work(whole(0, 10, 20, 48, 58, 68), {}, around)
    assert [one["amount"] for one in work] == pytest.approx([2.5, 0.2, 2.3])
    assert [one["uncertainty"] for one in work] == pytest.approx([0.01, 0.016, 0.006])


def test_where_nothing_is_known_it_may_be_all_on_one_side() -> None:
    work = job_work(whole(20, 60), {}, AROUND)
    assert [one["amount"] for one in work] == pytest.approx([0.25, 0.75])
    assert [one["uncertainty"] for one in work] == pytest.approx([0.75, 0.75])


def test_one_neighbour_tells_a_rate_to_a_tenth() -> None:
    (alone, beside) = job_work(whole(14, 25, 60), {}, AROUND)
    assert alone["amount"] == pytest.approx(1 + 5 / 11)
    assert alone["uncertainty"] == beside["uncertainty"] == pytest.approx(0.5 / 11)


def test_lines_say_how_far_an_iteration_was() -> None:
    """At the edge the third has just said that it is at 8 of 10."""
    counts = {
        1: lines(*((1.0 * n, n) for n in range(1, 11))),
        2: lines(*((10 + 1.0 * n, n) for n in range(1, 11))),
        3: lines((22.0 + 1.0, 1), (30.0, 8), (31.5, 9), (33, 10)),
    }
    work = job_work(whole(0, 10, 20, 33), counts, AROUND)
    assert [one["amount"] for one in work] == pytest.approx([2.8, 0.2])
    assert [one["uncertainty"] for one in work] == pytest.approx([0, 0], abs=1e-3)


@pytest.mark.parametrize("first", [0, 1])
def test_it_does_not_matter_where_the_count_begins(first: int) -> None:
    """Lines at the begin of each of five epochs, which take 2 s."""
    counts = {
        run: lines(*((10.0 * (run - 1) + 2.0 * n, n + first) for n in range(5))) for run in (1, 2)
    }
    counts[3] = lines(*((20.0 + 2.0 * n, n + first) for n in range(3)), final=False)
    (work,) = job_work([*whole(0, 10, 20), cut(20, 25, 3)], counts, AROUND)
    assert work["amount"] == pytest.approx(2.5)


def test_a_line_that_came_within_a_span_widens_the_band() -> None:
    counts = {
        run: Counts([Mark(10.0 * run - 5.5, 10.0 * run - 4.5, 1)], final=2) for run in (1, 2, 3, 4)
    }
    (alone, beside) = job_work(whole(0, 10, 20, 30, 40), counts, AROUND)
    assert alone["amount"] == pytest.approx(3)
    late = phases(("background_only", 32), ("foreground", 28))
    (alone, beside) = job_work(whole(0, 10, 20, 30, 40), counts, late)
    assert alone["amount"] == pytest.approx(3.2)
    assert alone["uncertainty"] >= 0.05
    assert beside["uncertainty"] == alone["uncertainty"]


def test_one_that_was_cut_off_counts_as_far_as_it_came() -> None:
    stopped = [*whole(0, 10, 20), cut(20, 25, 3)]
    (work,) = job_work(stopped, {}, AROUND)
    assert (work["amount"], work["uncertainty"]) == (2.5, 0.01)
    (work,) = job_work([*whole(0, 10, 20), cut(20, 29, 3, failed=True)], {}, AROUND)
    assert work["amount"] == pytest.approx(2.9)
    # However long it hung, it did not finish.
    (hung,) = job_work([*whole(0, 5), cut(5, 25, 2)], {}, AROUND)
    assert hung["amount"] == pytest.approx(2)
    assert hung["uncertainty"] == pytest.approx(1)


def test_one_that_was_cut_off_counts_by_its_lines() -> None:
    counts = {run: lines(*((10.0 * (run - 1) + n, n) for n in range(1, 11))) for run in (1, 2)}
    counts[3] = lines((21, 1), (24, 4), final=False)
    (work,) = job_work([*whole(0, 10, 20), cut(20, 24.5, 3)], counts, AROUND)
    assert work["amount"] == pytest.approx(2.45)


def test_lines_at_the_end_of_one_that_was_cut_off_count_in_it() -> None:
    """Two of them, both seen once it had ended."""
    counts = {run: lines(*((10.0 * (run - 1) + n, n) for n in range(1, 11))) for run in (1, 2)}
    counts[3] = lines((25, 5), (25, 6), (25.3, 7))
    (work,) = job_work([*whole(0, 10, 20), cut(20, 25, 3)], counts, AROUND)
    assert work["amount"] == pytest.approx(2.7)


def test_a_long_one_that_never_finished_counts_by_what_its_lines_say_of_how_much() -> None:
    counts = {1: lines((10, 5), (20, 10), (40, 15), (60, 20), final=False, total=100)}
    (alone, beside, stop) = job_work([cut(0, 60.5, 1)], counts, AROUND)
    assert alone["amount"] == pytest.approx(0.10 + 0.05 * 2 / 3, abs=1e-9)
    assert beside["amount"] == pytest.approx(0.10 - 0.05 * 2 / 3, abs=1e-9)
    assert stop["amount"] == pytest.approx(0.0025, abs=1e-9)


def test_one_that_said_nothing_did_less_than_the_first_line_of_others_says() -> None:
    counts = {run: lines((10.0 * run - 5, 50), (10.0 * run, 100)) for run in (1, 2)}
    iterations = [*whole(0, 10, 20), cut(20, 29, 3)]
    (work,) = job_work(iterations, {**counts, 3: Counts()}, AROUND, "steps")
    assert (work["amount"], work["uncertainty"]) == (250, 50)
    (work,) = job_work(iterations, counts, AROUND, "steps")  # its log is gone
    assert (work["amount"], work["uncertainty"]) == (290, 1.8)


def test_where_nobody_can_tell_it_is_null_with_the_reason() -> None:
    (alone, beside) = job_work([cut(10, 45, 1)], {}, AROUND)
    for work in (alone, beside):
        assert (work["amount"], work["uncertainty"]) == (None, None)
        assert work["reason"] == NONE_FINISHED
    (alone, _) = job_work(whole(10, 45), {}, AROUND, "steps")
    assert (alone["amount"], alone["unit"], alone["reason"]) == (None, "steps", NO_LINE)


def test_a_unit_of_its_own_is_counted_by_lines() -> None:
    counts = {
        1: lines((5, 100), (10, 200)),
        2: lines((15, 100), (20, 200)),
        3: lines((25, 100), (30, 200)),
        4: lines((40, 100), (50, 200)),
    }
    (alone, beside) = job_work(whole(0, 10, 20, 30, 50), counts, AROUND, "steps")
    assert (alone["amount"], beside["amount"]) == (600, 200)
    assert (alone["unit"], alone["uncertainty"], beside["uncertainty"]) == ("steps", 0, 0)


def test_the_rest_behind_the_last_line_counts_where_the_total_is_told() -> None:
    early = {1: lines((4, 96), (8, 192), total=400)}  # it stopped early
    rest = {1: lines((4, 96), (8, 192), total=200)}
    assert job_work(whole(0, 10), early, AROUND, "steps")[0]["amount"] == 192
    assert job_work(whole(0, 10), rest, AROUND, "steps")[0]["amount"] == 200


def test_an_iteration_whose_log_is_gone_did_what_the_others_did() -> None:
    counts = {1: lines((4, 90)), 2: lines((14, 110)), 3: lines((25, 50), final=False)}
    (work,) = job_work(whole(0, 10, 20, 30), counts, AROUND, "steps")
    assert (work["amount"], work["uncertainty"]) == (300, 10)


def test_a_job_has_no_entry_for_a_phase_that_it_did_not_run_in() -> None:
    assert job_work([], {}, AROUND) == []
    assert job_work(whole(0, 1), {}, []) == []
    assert [one["phase"] for one in job_work(whole(31, 40), {}, AROUND)] == ["foreground"]
    running = [Past(0, float("inf"), False, False, 1)]
    assert len(job_work(running, {}, AROUND)) == 3


SLOW = some.floats(0.4, 1.0)
BESIDE = some.floats(60, 180)
SEEDS = some.integers(0, 10**6)


@given(some.floats(2, 5), some.sampled_from([0, 1, 7]), SLOW, BESIDE, SEEDS)
def test_slowdown_and_lost_work_are_known_to_one_percent(
    iteration: float, parts: int, slow: float, beside: float, seed: int
) -> None:
    world = replace(PLAIN, iteration=iteration, lines=parts, slow=slow, beside=beside)
    trial = judged(run(world, Random(seed)))
    assert trial.slowdown < 0.01
    assert trial.lost < 0.01


@given(some.booleans(), some.floats(0, 0.3), some.sampled_from([1, 5, 20]), SLOW, BESIDE, SEEDS)
def test_what_has_no_chance_in_it_is_inside_its_band(
    own: bool, starting: float, parts: int, slow: float, beside: float, seed: int
) -> None:
    """Iterations are alike, but what is not slowed down is not known."""
    world = World(jitter=0, starting=starting, lines=parts, slow=slow, beside=beside, own=own)
    truth = run(replace(world, iteration=4 + seed / 10**6), Random(seed))
    assert all(judged(truth).inside)


@given(some.floats(1, 50), some.sampled_from([0, 3]), SLOW, SEEDS)
def test_what_finished_is_counted_once(
    iteration: float, parts: int, slow: float, seed: int
) -> None:
    truth = run(World(iteration=iteration, lines=parts, slow=slow), Random(seed))
    ended = [one for one in truth.iterations if one.whole]
    work = job_work(ended, truth.counts, truth.phases)
    assert sum(one["amount"] or 0 for one in work) == pytest.approx(len(ended))
    assert all((one["amount"] or 0) >= 0 for one in work)
    assert all((one["uncertainty"] or 0) >= 0 for one in work)


def entry(phase: str, amount: float | None, **more: str) -> dict[str, object]:
    off = None if amount is None else 0.5
    numbers = {"seconds": 10.0, "amount": amount, "unit": "steps", "uncertainty": off}
    return {"phase": phase, **numbers, **more}


def test_tables_have_what_was_done_in_each_phase_and_in_the_last_attempt() -> None:
    failed, again = entry("foreground", 1.0), entry("foreground:train", 30.0)
    work = [entry("background_only", 9.0), failed, entry("background_only", 5.0), again]
    work += [entry("between_steps", 1.0), entry("foreground:test", 4.0)]
    work += [entry("background_stop", None, reason=NO_LINE)]
    jobs = [{"job": "a", "work": work}, {"job": "b"}]
    result = Part({"experiment_id": "E", "background_info": {"jobs": jobs}})
    first, second = job_rows(result)
    assert (first["work"], first["work_uncertainty"], first["work_unit"]) == (34.0, 1.0, "steps")
    assert (second["work"], second["work_uncertainty"], second["work_unit"]) == (None, None, None)
    rows = work_rows(result)
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert [row["amount"] for row in rows] == [9.0, 1.0, 5.0, 30.0, 1.0, 4.0, None]
    assert (rows[3]["phase"], rows[3]["step"]) == ("foreground", "train")
    assert (rows[6]["job"], rows[6]["missing"]) == ("a", NO_LINE)
