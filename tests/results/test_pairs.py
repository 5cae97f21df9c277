"""Pairs: which runs are one, and their figures against a known truth."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from random import Random
from typing import Any

import pytest

import energyctl
from benchmarks.work import VARIED, Varied, rate_alone
from energyctl import cli
from energyctl.energy.block_power import student_t
from energyctl.results.pairs import FIGURES, Pair
from energyctl.results.paths import RunFiles
from energyctl.results.shape import LARGEST_QUANTITY
from written_results import background_job, write_pair


def pair_of(folder: Path) -> Pair:
    (pair,) = energyctl.load(folder).pairs
    return pair


def value(pair: Pair, name: str) -> float:
    figure = getattr(pair.interference, name)
    assert figure.missing is None
    assert isinstance(figure.value, float)
    return figure.value


# -- figures -------------------------------------------------------------------------------------


def test_the_figures_of_a_pair_are_those_of_the_truth(tmp_path: Path) -> None:
    """Alone 20 s and 6 kJ. Beside 25 s and 10 kJ, in which the background does 37.5 iterations at
    1.5 in place of 2 per second: alone they take 18.75 s at 300 W."""
    write_pair(tmp_path, 1)
    pair = pair_of(tmp_path)
    truth = {
        "slowdown": 1.25,
        "background_slowdown": 2 / 1.5,
        "background_work": 37.5,
        "background_work_lost": 12.5,
        "energy_alone_joules": 6000.0,
        "energy_beside_joules": 10000.0,
        "energy_ratio": 10 / 6,
        "marginal_joules": 10000 - 300 * 25,
        "background_alone_seconds": 18.75,
        "background_alone_joules": 5625.0,
        "one_after_the_other_joules": 11625.0,
        "saving_joules": 1625.0,
        "saving_idle_joules": 100.0 * (20 + 18.75 - 25),
    }
    assert {name: value(pair, name) for name in FIGURES} == pytest.approx(truth)
    assert pair.interference.background_work.unit == "iterations"
    assert (pair.condition, pair.training, pair.block) == ("loaded", "front / small", 1)


def edge(above: float, below: float) -> float:
    """By what share of itself a quotient may be off, of what is off by such shares."""
    return (1 + above) / (1 - below) - 1


def test_uncertainties_hold_what_meters_and_counts_leave_open(tmp_path: Path) -> None:
    write_pair(tmp_path, 1)
    found = pair_of(tmp_path).interference
    assert found.slowdown.uncertainty == pytest.approx(1.25 * 0.01 * (1 / 25 + 1 / 20))
    # 0.2 of 40 iterations alone, 0.1 of 37.5 beside.
    share = edge(0.2 / 40, 0.1 / 37.5)
    assert found.background_slowdown.uncertainty == pytest.approx(share * 2 / 1.5)
    share = edge(0.1 / 37.5, 0.2 / 40)
    assert found.background_alone_seconds.uncertainty == pytest.approx(share * 18.75)
    # The load's power is known to 0.1 W.
    load = 0.1 * 18.75 + 300 * share * 18.75
    assert found.background_alone_joules.uncertainty == pytest.approx(load)
    assert found.marginal_joules.uncertainty == pytest.approx(3 + 0.1 * 25)
    # 1 J of each run's own; of the 2 J in common nothing is left.
    assert found.saving_joules.uncertainty == pytest.approx(1 + 1 + load)
    own, common = 1 / 10000 + 1 / 6000, abs(2 / 10000 - 2 / 6000)
    assert found.energy_ratio.uncertainty == pytest.approx((own + common) * 10 / 6)


@pytest.mark.parametrize("measured", [True, False])
def test_a_meter_that_states_a_share_is_off_by_that_share_of_the_saving(
    tmp_path: Path, measured: bool
) -> None:
    """5 % stated of all energies, and work that is known exactly: 5 % of the saving. Of an estimate
    it need not be one share alone and beside, so the energies' parts add up."""

    def stated(result: dict[str, Any]) -> dict[str, Any]:
        energy, (domain,) = result["energy"], result["energy"]["domains"]
        joules = domain["joules"]
        bands = {
            "uncertainty_joules": 0.05 * joules, "own_joules": 0.0, "common_joules": 0.05 * joules,
            "budget": {"stated": 0.05 * joules}, "measured": measured,
        }  # fmt: skip
        domain |= bands
        for name in ("marginal", "above_idle"):
            if (above := domain[f"{name}_joules"]) is not None:
                of = above if measured else 2 * joules - above
                domain[f"{name}_uncertainty_joules"] = 0.05 * of
        return {"energy": energy}

    alone, beside = write_pair(tmp_path / "first", 1)
    for entry in beside["background_info"]["jobs"][0]["work"]:
        entry["uncertainty"] = 0.0
    write_pair(
        tmp_path / "second", 1, alone=stated(alone),
        beside={**stated(beside), "background_info": beside["background_info"]},
    )  # fmt: skip
    pair = pair_of(tmp_path / "second")
    found = pair.interference
    apart = 6000 + 5625 + 10000
    assert found.saving_joules.uncertainty == pytest.approx(0.05 * (1625 if measured else apart))
    ratio = 0.0 if measured else 2 * 0.05 * 10 / 6
    assert found.energy_ratio.uncertainty == pytest.approx(ratio, abs=1e-12)
    assert found.energy_alone_joules.uncertainty == pytest.approx(300)
    idle = pair.document()["domains"]["gpu-0"]
    assert idle["idle_uncertainty_joules"] == pytest.approx(0.05 * idle["idle_joules"])


def test_several_jobs_have_work_each_and_one_energy(tmp_path: Path) -> None:
    """Copies that are slowed down by 2 and by 4: 12.5 and 6.25 s alone, 9.375 s in the mean."""
    _, beside = write_pair(tmp_path / "one", 1)
    info = beside["background_info"]
    info["jobs"] = [background_job(n, (2.0, r), 25.0) for n, r in (("a", 1.0), ("b", 0.5))]
    write_pair(tmp_path / "copies", 1, beside={"background_info": info})
    pair = pair_of(tmp_path / "copies")
    found = pair.interference
    assert [job.slowdown.value for job in found.jobs] == pytest.approx([2.0, 4.0])
    assert value(pair, "background_work") == pytest.approx(37.5)
    assert value(pair, "background_work_lost") == pytest.approx(62.5)
    assert value(pair, "background_alone_seconds") == pytest.approx(9.375)
    assert (found.background_alone_seconds.uncertainty or 0) >= 12.5 - 9.375
    assert value(pair, "background_alone_joules") == pytest.approx(9.375 * 300)
    info["jobs"][1]["model"] = "other"
    write_pair(tmp_path / "unlike", 1, beside={"background_info": info})
    unlike = pair_of(tmp_path / "unlike")
    assert "unlike work" in str(unlike.interference.background_work.missing)
    assert value(unlike, "background_alone_joules") == pytest.approx(9.375 * 300)


def test_iterations_alone_are_the_whole_ones_that_the_power_is_of(tmp_path: Path) -> None:
    """Seven in 2.8 s that vary by 0.02 s, where the phases, which begin and end within iterations,
    hold 40 in 20 s. What the rates before and after differ by is in the band, too."""
    _, beside = write_pair(tmp_path, 1)
    baseline = {
        "of": "iterations", "cycle_seconds": 0.4, "before": 4, "before_seconds": 1.6, "after": 3,
        "after_seconds": 1.2, "watts": 300.0, "drift": 0.0, "cycle_deviation_seconds": 0.02,
    }  # fmt: skip
    beside["energy"]["baselines"] = {"idle": None, "background_only": baseline}
    write_pair(tmp_path, 1, beside=beside)
    pair = pair_of(tmp_path)
    assert value(pair, "background_slowdown") == pytest.approx(2.5 / 1.5)
    assert value(pair, "background_alone_joules") == pytest.approx(37.5 / 2.5 * 300)
    noise = student_t(5) * 0.02 / 0.4 * sqrt(1 / 7 + 0.4 / 25)
    assert pair.interference.background_slowdown.uncertainty == pytest.approx(
        edge(noise, 0.1 / 37.5) * 2.5 / 1.5
    )
    baseline["after_seconds"] = 1.5
    write_pair(tmp_path, 1, beside=beside)
    wider = pair_of(tmp_path).interference.background_slowdown.uncertainty
    noise = student_t(5) * 0.02 * 7 / 3.1 * sqrt(1 / 7 + 3.1 / 7 / 25)
    share = edge((2.5 - 2.0) * 1.6 / 7 + noise, 0.1 / 37.5)
    assert wider == pytest.approx(share * 7 / 3.1 / 1.5)
    baseline |= {"after": 0, "after_seconds": 0.0}
    write_pair(tmp_path, 1, beside=beside)
    one_side = pair_of(tmp_path).interference.background_slowdown.uncertainty
    noise = student_t(3) * 0.02 / 0.4 * sqrt(1 / 4 + 0.4 / 25)
    assert one_side == pytest.approx(edge(noise, 0.1 / 37.5) * 2.5 / 1.5)


@pytest.mark.parametrize("untold", [{"cycle_deviation_seconds": None}, {"of": "epochs"}])
def test_iterations_that_do_not_tell_how_they_vary_leave_it_to_the_phases(
    tmp_path: Path, untold: dict[str, Any]
) -> None:
    _, beside = write_pair(tmp_path, 1)
    baseline = {
        "of": "iterations", "cycle_seconds": 0.4, "before": 4, "before_seconds": 1.6, "after": 0,
        "after_seconds": 0.0, "watts": 300.0, "drift": None, "cycle_deviation_seconds": 0.02,
    }  # fmt: skip
    beside["energy"]["baselines"] = {"idle": None, "background_only": {**baseline, **untold}}
    write_pair(tmp_path, 1, beside=beside)
    assert value(pair_of(tmp_path), "background_slowdown") == pytest.approx(2.0 / 1.5)


@pytest.mark.parametrize("load", [one for one in VARIED if not one.slow], ids=str)
def test_what_would_have_been_done_alone_is_within_its_band(load: Varied) -> None:
    random = Random(3)
    trials = [rate_alone(load, random, 20.0, 60.0) for _ in range(400)]
    assert sum(off <= band for off, band in trials) >= 0.93 * len(trials)


def test_a_moment_of_the_load_alone_tells_no_rate_beside_a_longer_one(tmp_path: Path) -> None:
    _, beside = write_pair(tmp_path, 1)
    job = beside["background_info"]["jobs"][0]
    job["work"][0] |= {"seconds": 0.2, "amount": 3.0, "uncertainty": 2.0}
    write_pair(tmp_path, 1, beside=beside)
    pair = pair_of(tmp_path)
    assert value(pair, "background_slowdown") == pytest.approx(2 / 1.5)
    share = edge(0.1 / 20, 0.1 / 37.5)
    assert pair.interference.background_slowdown.uncertainty == pytest.approx(share * 2 / 1.5)


def test_a_job_that_was_dead_in_a_step_lost_work(tmp_path: Path) -> None:
    """At its full rate in the first 10 of 25 s, and gone in the second step."""
    _, beside = write_pair(tmp_path, 1)
    before, training, after = beside["phases"]
    edge = training["start"] + 10
    beside["phases"] = [
        before,
        {**training, "name": "foreground:train", "end": edge},
        {**training, "name": "foreground:test", "start": edge},
        after,
    ]
    job = beside["background_info"]["jobs"][0]
    job["work"][1] |= {"phase": "foreground:train", "seconds": 10.0, "amount": 20.0}
    write_pair(tmp_path, 1, beside=beside)
    pair = pair_of(tmp_path)
    assert value(pair, "background_work") == 20.0
    assert value(pair, "background_work_lost") == pytest.approx(30.0)
    assert value(pair, "background_slowdown") == pytest.approx(2.5)
    assert energyctl.load(tmp_path)[pair.beside].jobs[0].work == 20.0


@pytest.mark.parametrize(
    ("entry", "lost", "kept"),
    [
        (1, "background_slowdown", "background_alone_seconds"),
        (0, "background_alone_seconds", "background_work_lost"),
        (0, "saving_joules", "background_slowdown"),
    ],
)
def test_a_count_that_may_be_none_makes_no_divisor(
    tmp_path: Path, entry: int, lost: str, kept: str
) -> None:
    _, beside = write_pair(tmp_path, 1)
    beside["background_info"]["jobs"][0]["work"][entry]["uncertainty"] = 40.0
    write_pair(tmp_path, 1, beside=beside)
    pair = pair_of(tmp_path)
    assert "too few iterations" in getattr(pair.interference, lost).missing
    assert value(pair, kept) > 0


@pytest.mark.parametrize("odd", [LARGEST_QUANTITY, 1e-320])
def test_what_is_beyond_numbers_has_no_figure(tmp_path: Path, odd: float) -> None:
    _, beside = write_pair(tmp_path, 1)
    for key in ("seconds", "amount", "uncertainty"):
        work = [dict(one) for one in beside["background_info"]["jobs"][0]["work"]]
        job = {**beside["background_info"]["jobs"][0], "work": work}
        work[0][key] = work[2][key] = odd
        write_pair(tmp_path, 1, beside={"background_info": {"jobs": [job]}})
        document = pair_of(tmp_path).document()
        assert "Infinity" not in json.dumps(document)
        assert "NaN" not in json.dumps(document)


def test_work_is_that_of_the_last_attempt(tmp_path: Path) -> None:
    """Two attempts: what was done beside the first one counts for nothing."""
    _, beside = write_pair(tmp_path / "one", 1)
    first, *others = beside["phases"][1:]
    start = first["start"] - 30
    phases = [
        beside["phases"][0],
        {**first, "start": start, "end": start + 5},
        {**beside["phases"][0], "start": start + 5, "end": first["start"]},
        first,
        *others,
    ]
    phases[0] = {**phases[0], "start": start - 10, "end": start}
    job = beside["background_info"]["jobs"][0]
    alone, together, after = job["work"]
    job["work"] = [alone, {**together, "amount": 1000.0}, alone, together, after]
    write_pair(
        tmp_path / "two", 1,
        beside={"phases": phases, "background_info": beside["background_info"]},
    )  # fmt: skip
    assert value(pair_of(tmp_path / "two"), "background_work") == pytest.approx(37.5)


def without_work(beside: dict[str, Any]) -> None:
    del beside["background_info"]["jobs"][0]["work"]


def untold_work(beside: dict[str, Any]) -> None:
    beside["background_info"]["jobs"][0]["work"][1] |= {"amount": None, "reason": "no line seen"}


def idle_background(beside: dict[str, Any]) -> None:
    beside["background_info"]["jobs"][0]["work"][1]["amount"] = 0


def without_marginal(beside: dict[str, Any]) -> None:
    beside["energy"]["domains"][0]["marginal_joules"] = None
    beside["energy"]["missing"]["marginal_joules"] = "too short"


def without_energy(beside: dict[str, Any]) -> None:
    beside["energy"]["domains"][0] |= {"joules": None, "missing": "it hung"}


def metered_otherwise(beside: dict[str, Any]) -> None:
    beside["energy"]["domains"][0]["source"] = "estimate"


@pytest.mark.parametrize(
    ("change", "lost", "reason"),
    [
        (without_work, "background_slowdown", "has no work"),
        (without_work, "saving_joules", "has no work"),
        (untold_work, "background_work", "no line seen"),
        (idle_background, "background_slowdown", "no work beside"),
        (without_marginal, "saving_joules", "too short"),
        (without_energy, "energy_beside_joules", "it hung"),
        (without_energy, "energy_ratio", "it hung"),
        (metered_otherwise, "energy_ratio", "not metered alike: alone gpu-0 (nvml); beside"),
    ],
)
def test_what_cannot_be_had_is_null_with_its_reason(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], lost: str, reason: str
) -> None:
    _, beside = write_pair(tmp_path / "one", 1)
    change(beside)
    pair = write_pair(tmp_path / "odd", 1, beside=beside) and pair_of(tmp_path / "odd")
    figure = getattr(pair.interference, lost)
    assert (figure.value, figure.uncertainty) == (None, None)
    assert reason in figure.missing
    assert value(pair, "slowdown") == pytest.approx(1.25)
    assert f"{lost}: " in pair.row()["missing"]


# -- which runs are a pair -----------------------------------------------------------------------


def notes_of(folder: Path) -> str:
    return "\n".join(energyctl.load(folder).pairing.notes)


def test_a_run_is_paired_within_its_block(tmp_path: Path) -> None:
    """Though another run alone, of the same values, was nearer in time."""
    first, _ = write_pair(tmp_path, 1, started=1.8e9)
    write_pair(tmp_path, 2, started=1.8e9 + 5000, joules=(5000.0, 9000.0))
    near = {**first, "experiment_id": "near", "block": 3}
    (tmp_path / "near.json").write_text(json.dumps(near))
    found = energyctl.load(tmp_path).pairing
    assert [(pair.block, pair.alone) for pair in found.pairs] == [
        (1, first["experiment_id"]),
        (2, "20300317_005000_front_small"),
    ]
    assert "1 run alone: each run beside a background like it is in another pair (near)" in (
        "\n".join(found.notes)
    )


def test_one_run_alone_stands_with_each_condition_of_its_block(tmp_path: Path) -> None:
    _, beside = write_pair(tmp_path, 1)
    heavy = {**beside, "experiment_id": "heavy", "condition": "heavy"}
    (tmp_path / "heavy.json").write_text(json.dumps(heavy))
    pairs = energyctl.load(tmp_path).pairs
    assert {pair.condition: pair.alone for pair in pairs} == {
        "loaded": "20300317_000000_front_small", "heavy": "20300317_000000_front_small",
    }  # fmt: skip


def test_without_blocks_the_nearest_in_time_are_a_pair_each_run_alone_once(tmp_path: Path) -> None:
    for number, start in enumerate((0, 1000, 2000)):
        write_pair(tmp_path, None, started=1.8e9 + start, seconds=(20.0, 21.0 + number))
    found = energyctl.load(tmp_path).pairing
    assert [pair.row()["apart_seconds"] for pair in found.pairs] == [100.0, 100.0, 100.0]
    assert len({pair.alone for pair in found.pairs}) == 3
    assert (
        "3 pairs are not of one block: the nearest run alone was taken, up to 1 min 40 s"
        in (found.notes[0])
    )


def test_runs_beside_that_are_left_over_share_the_nearest_run_alone(tmp_path: Path) -> None:
    _, beside = write_pair(tmp_path, None)
    (tmp_path / "again.json").write_text(json.dumps({**beside, "experiment_id": "again"}))
    found = energyctl.load(tmp_path).pairing
    assert {pair.alone for pair in found.pairs} == {"20300317_000000_front_small"}
    assert "2 pairs share runs alone" in "\n".join(found.notes)


def test_a_run_alone_of_a_block_is_taken_last_by_others(tmp_path: Path) -> None:
    """Though it is the nearest: it is in a pair already."""
    alone, beside = write_pair(tmp_path, 1)
    later = {**beside, "experiment_id": "later", "block": None}
    (tmp_path / "later.json").write_text(json.dumps(later))
    pairs = {pair.beside: pair for pair in energyctl.load(tmp_path).pairs}
    assert pairs["later"].alone == alone["experiment_id"]
    assert "2 pairs share runs alone" in notes_of(tmp_path)
    far = {**alone, "experiment_id": "far", "block": None}
    far["foreground_result"]["attempts"][0] |= {"start": 1.81e9, "end": 1.81e9 + 20}
    (tmp_path / "far.json").write_text(json.dumps(far))
    pairs = {pair.beside: pair for pair in energyctl.load(tmp_path).pairs}
    assert pairs["later"].alone == "far"
    assert pairs[beside["experiment_id"]].alone == alone["experiment_id"]
    assert "share" not in notes_of(tmp_path)


def test_results_of_earlier_versions_are_paired_by_their_values(tmp_path: Path) -> None:
    both = write_pair(tmp_path, None)
    for one in both:
        for key in ("condition", "block", "training_seed", "warm_up"):
            del one[key]
        (tmp_path / f"{one['experiment_id']}.json").write_text(json.dumps(one))
    assert pair_of(tmp_path).condition == "beside back/large"
    assert "that tell no condition, block and seed" in notes_of(tmp_path)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"warm_up": True}, "left out: 1 warm-up run"),
        ({"status": "failed"}, "left out: 1 failed run under the condition alone"),
        ({"status": "interrupted"}, "left out: 1 interrupted run under the condition alone"),
        ({"training_seed": 7}, "there is no run alone with its training seed"),
        ({"environment": {"hostname": "other"}}, "there is no run alone on its machine"),
        ({"environment": {"hostname": "node"}}, "there is no run alone on its GPUs"),
    ],
)
def test_runs_that_are_in_no_pair_are_told(
    tmp_path: Path, change: dict[str, Any], note: str
) -> None:
    write_pair(tmp_path, 1, alone=change)
    runs = energyctl.load(tmp_path)
    assert runs.pairs == ()
    assert note in "\n".join(runs.pairing.notes)
    assert "1 run beside a background: there is no run alone " in notes_of(tmp_path)


def test_other_hyper_parameters_are_no_pair(tmp_path: Path) -> None:
    alone, _ = write_pair(tmp_path, 1)
    alone["foreground_result"]["hyperparameters"]["lr"] = 0.2
    (tmp_path / f"{alone['experiment_id']}.json").write_text(json.dumps(alone))
    assert "there is no run alone with its hyper-parameters" in notes_of(tmp_path)


def test_a_campaign_of_the_same_name_has_blocks_of_its_own(tmp_path: Path) -> None:
    """Two runs of one settings file: block 1 of one is not block 1 of the other."""
    _, beside = write_pair(tmp_path, 1)
    facts = {**beside["environment"], "journal": "20300318_again"}
    again = {**beside, "environment": facts}
    (tmp_path / f"{beside['experiment_id']}.json").write_text(json.dumps(again))
    assert pair_of(tmp_path).block is None


def test_a_run_alone_of_an_earlier_campaign_is_read_where_it_is_named(tmp_path: Path) -> None:
    alone, beside = write_pair(tmp_path, 1)
    facts = {**beside["environment"], "journal": "20300318_later"}
    named = {"experiment_id": alone["experiment_id"], "age_seconds": 100.0}
    path = tmp_path / f"{beside['experiment_id']}.json"
    path.write_text(json.dumps({**beside, "environment": facts, "alone_of": named}))
    found = energyctl.load(path).pairing
    assert [(pair.alone, pair.block) for pair in found.pairs] == [(alone["experiment_id"], None)]
    note = "1 pair has its run alone from an earlier campaign, up to 1 min 40 s before"
    assert [line.partition(":")[0] for line in found.notes] == [note]
    named["experiment_id"] = "../elsewhere"
    path.write_text(json.dumps({**beside, "environment": facts, "alone_of": named}))
    assert "compared with ../elsewhere of an earlier campaign, which is not there" in (
        "".join(energyctl.load(path).pairing.notes)
    )


def test_many_runs_of_the_same_values_are_paired_soon(tmp_path: Path) -> None:
    from dataclasses import replace

    from energyctl.results.pairs.matching import matches

    write_pair(tmp_path, None)
    pair = pair_of(tmp_path)
    runs = [
        replace(one, experiment_id=f"{one.experiment_id}_{n}", started=(one.started or 0) + 300 * n)
        for n in range(2000)
        for one in (pair.match.alone, pair.match.beside)
    ]
    found, _ = matches(runs)
    assert len(found) == 2000
    assert all(one.apart_seconds == pytest.approx(100) for one in found)


# -- tables --------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_pair(tmp_path: Path) -> None:
    write_pair(tmp_path / "results", 1)
    write_pair(tmp_path / "results", 2, started=1.8e9 + 1000)
    out = tmp_path / "pairs.csv"
    assert cli.run(["-C", str(tmp_path), "export", "--table", "pairs", "--out", str(out)]) == 0
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["block"] for row in rows] == ["1", "2"]
    assert float(rows[0]["slowdown"]) == pytest.approx(1.25)
    missing = "shares of gpu: gpu-0: a reference is missing: "
    assert rows[0]["missing"].startswith(missing)
    assert "; " not in rows[0]["missing"]
    frame = energyctl.load(tmp_path / "results").table("pairs")
    assert frame["saving_joules"].to_list() == pytest.approx([1625.0, 1625.0])


def test_a_result_that_another_table_lacks_is_in_no_pair(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, beside = write_pair(tmp_path / "results", 1)
    path = tmp_path / "results" / f"{beside['experiment_id']}.json"
    ledger = RunFiles.of_result(path).ledger
    ledger.parent.mkdir(parents=True)
    ledger.write_text("job,run,pid,started,ended,exit_code,signal\nj,1,5,1e300,1e300,0,\n")
    out = tmp_path / "tables"
    assert cli.run(["-C", str(tmp_path), "export", "--out", str(out)]) == 1
    assert "its ledger has a time that is none" in capsys.readouterr().err
    assert len((out / "pairs.csv").read_text().splitlines()) == 1


def test_how_pairs_were_found_is_said_beside_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(tmp_path / "results", None)
    assert cli.run(["-C", str(tmp_path), "export", "--table", "pairs", "--out", "-"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "1 pair is not of one block" in err


def test_the_table_without_pairs_has_its_head_alone(tmp_path: Path) -> None:
    write_pair(tmp_path / "results", 1, alone={"status": "failed"})
    out = tmp_path / "tables"
    assert cli.run(["-C", str(tmp_path), "export", "--out", str(out)]) == 0
    assert len((out / "pairs.csv").read_text().splitlines()) == 1
    assert len((out / "runs.csv").read_text().splitlines()) == 3
