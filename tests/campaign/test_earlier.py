"""A run alone of an earlier campaign, in place of one that would be like it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from energyctl.campaign.earlier import leave_out
from energyctl.cli.output.tables import earlier_lines
from energyctl.config.plan import BackgroundJob, EarlierAlone, Plan, Run, SkippedValues, Training
from energyctl.config.settings import References
from energyctl.meters import placing
from energyctl.results.pairs import Likeness, RunFacts, facts_of, likeness
from energyctl.results.tables import Part
from hardware.compiled import library_folder
from hardware.nvml import environment
from hardware.powercap import moving, zone
from hardware.waveform import Constant
from written_results import write_pair

NODE = Part({"hostname": "node"})
EARLIER = References(earlier=True)


def like(run: Run) -> Likeness:
    return likeness(Part(run.foreground.to_json()), run.training_seed, NODE)


def training(block: int) -> Training:
    return Training("front", "small", {"lr": 0.1 + block, "epochs": 10})


def block(number: int, first: int, *, conditions: int = 1, seed: int | None = None) -> list[Run]:
    """One run alone, then one beside a load for each condition."""
    jobs = (BackgroundJob(Training("back", "large", {})),)
    alone = Run(
        first, 0, number, "default", training(number), block=number, training_seed=seed or number
    )
    beside = replace(alone, mode="parallel", background=jobs, references=EARLIER)
    more = [
        replace(beside, index=first + place, condition=f"load {place}")
        for place in range(1, conditions + 1)
    ]
    return [alone, *more]


def result(folder: Path, number: int, started: float, **changes: Any) -> RunFacts:
    """A result alone of the values of that block, on NODE, which metered GPU 0."""
    facts = {"hostname": "node", **changes.pop("environment", {})}
    alone, _ = write_pair(folder, number, started=started, alone={"environment": facts, **changes})
    return facts_of(Part(alone))


def plan(*runs: Run, **fields: Any) -> Plan:
    return Plan(runs, (), 0, 1, **fields)


def left(whole: Plan, *earlier: RunFacts) -> Plan:
    """What is left of it on a machine that meters GPU 0."""
    return leave_out(whole, like, earlier, {0})


def named(found: Plan) -> list[str | None]:
    return [run.alone_of and run.alone_of.experiment_id for run in found.runs]


def test_runs_alone_are_left_out_for_the_newest_result_like_them(tmp_path: Path) -> None:
    runs = [*block(1, 1, conditions=2), *block(2, 4)]
    skipped = SkippedValues(4, 0, "default", training(2), "x.json")
    old, new = result(tmp_path / "a", 1, 1.8e9), result(tmp_path / "b", 1, 1.8e9 + 9000)
    found = left(plan(*runs, passed_over=(skipped,)), new, old)
    assert [(run.index, run.block, run.condition) for run in found.runs] == [
        (2, 1, "load 1"), (3, 1, "load 2"), (4, 2, "alone"), (5, 2, "load 1"),
    ]  # fmt: skip
    assert named(found) == [new.experiment_id, new.experiment_id, None, None]
    assert [one.run for one in found.passed_over] == [4]
    assert [Run.from_json(run.to_json()) for run in found.runs] == list(found.runs)


def repeated(blocks: int) -> list[Run]:
    """Blocks of one training and seed."""
    return [
        replace(run, block=number, index=run.index + 2 * (number - 1))
        for number in range(1, blocks + 1)
        for run in block(1, 1)
    ]


def test_each_result_stands_for_one_block(tmp_path: Path) -> None:
    """Blocks that repeat one training: their runs alone tell how much it varies."""
    found = left(plan(*repeated(2)), result(tmp_path, 1, 1.8e9))
    assert [(run.block, run.condition) for run in found.runs] == [
        (1, "load 1"), (2, "alone"), (2, "load 1"),
    ]  # fmt: skip


def test_a_result_of_the_same_block_comes_before_a_newer_one(tmp_path: Path) -> None:
    of = {number: result(tmp_path, 1, 1.8e9 + number, block=number) for number in (2, 3, 7)}
    found = left(plan(*repeated(3)), *of.values())
    assert named(found) == [of[7].experiment_id, of[2].experiment_id, of[3].experiment_id]


def test_a_block_with_several_runs_alone_keeps_them(tmp_path: Path) -> None:
    """As the cells of a grid, of which one alone may be in the results."""
    other = replace(block(1, 3)[0], foreground=training(2))
    whole = plan(*block(1, 1), other)
    assert left(whole, result(tmp_path, 1, 1.8e9)) == whole


def energy(**changes: Any) -> dict[str, Any]:
    """With the domains of two GPUs, but for these changes."""
    domains = [
        {"name": f"gpu-{number}", "source": "nvml", "in_total": True, "joules": 5.0}
        for number in (0, 1)
    ]
    return {"seconds": 20.0, "total_joules": 10.0, "measured": True, "domains": domains, **changes}


UNKNOWN = {"name": "gpu-0", "source": "nvml", "in_total": True, "joules": None}


@pytest.mark.parametrize(
    "change",
    [
        {"training_seed": 7},
        {"warm_up": True},
        {"status": "failed"},
        {"environment": {"hostname": "other"}},
        {"environment": {"governors": ["powersave"]}},
        {"environment": {"gpus": [{"uuid": "GPU-1", "driver": "2"}]}},
        {"environment": {"run": {"machine": {"gpu_clock_mhz": 1200}}}},
        {"energy": energy()},
        {"energy": energy(domains=energy()["domains"][1:])},
        {"energy": energy(domains=energy()["domains"][:1], measured=False)},
        {"energy": energy(domains=[UNKNOWN])},
        {"energy": energy(domains=[])},
        {"energy": None},
    ],
)
def test_what_is_not_like_the_run_stands_for_none(tmp_path: Path, change: dict[str, Any]) -> None:
    whole = plan(*block(1, 1))
    assert left(whole, result(tmp_path / "like", 1, 1.8e9)) != whole
    assert left(whole, result(tmp_path, 1, 1.8e9, **change)) == whole


def test_a_total_without_domains_does_not_tell_what_was_metered(tmp_path: Path) -> None:
    whole = plan(*block(1, 1))
    facts = [
        result(tmp_path / str(len(domains)), 1, 1.8e9, energy=energy(domains=domains))
        for domains in ([], [{**energy()["domains"][0], "name": "package-0"}])
    ]
    assert [leave_out(whole, like, [one], set()) == whole for one in facts] == [True, False]


CARDS = [
    {"index": 0, "uuid": "GPU-aa0", "name": "one"}, {"index": 1, "uuid": "GPU-ab1", "name": "one"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "shown", "cards", "indices"),
    [
        (None, None, CARDS, {0, 1}),
        (None, "1", CARDS, {1}),
        (None, "", CARDS, set()),
        (None, "GPU-ab", CARDS, {1}),
        ([], "1", CARDS, set()),
        ([0, "GPU-ab1"], "1", CARDS, {0, 1}),
        ([2], None, CARDS, None),
        (["GPU-a"], None, CARDS, None),
        (["MIG-1"], None, CARDS, None),
        (None, "0,MIG-1", CARDS, None),
        (None, None, [], set()),
        ([0], None, [], None),
    ],
)
def test_metered_gpus_are_found_by_the_facts_of_the_machine(
    names: list[int | str] | None,
    shown: str | None,
    cards: list[dict[str, Any]],
    indices: set[int] | None,
) -> None:
    environ = {} if shown is None else {"CUDA_VISIBLE_DEVICES": shown}
    assert placing.metered(names, cards, environ) == indices


def test_nothing_is_left_out_where_it_is_not_asked_for(tmp_path: Path) -> None:
    runs = [replace(run, references=run.references and References()) for run in block(1, 1)]
    whole = plan(*runs)
    assert left(whole, result(tmp_path, 1, 1.8e9)) == whole


def test_what_began_a_moment_ahead_of_this_clock_is_not_of_the_future() -> None:
    run = replace(block(1, 1)[1], alone_of=EarlierAlone("x", 1.8e9))
    assert earlier_lines([run], 1.8e9 - 5, 3)[1] == "  block 1: x, 0.0 s old"


@pytest.fixture
def metered(bench: Bench, tmp_path: Path) -> Iterator[Bench]:
    """A machine with a CPU package and two GPUs that are measured."""
    package = zone(tmp_path / "powercap", "intel-rapl:0", "package-0")
    with moving({package: Constant(40)}):
        bench.env |= environment(library_folder(), GPUS="2", STEP="0.02", WAVE="constant 70")
        bench.env["ENERGYCTL_POWERCAP"] = str(tmp_path / "powercap")
        yield bench


VALUES = {"seconds": 0.5}


def done_alone(bench: Bench) -> dict[str, Any]:
    """The result of a campaign of that training alone."""
    alone = {"repo": "front", "model": "small", "mode": "default", "hyperparameters": VALUES}
    done = bench.run("run", bench.settings("alone.json", experiments=[alone]))
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = bench.results()
    return found


def study(bench: Bench, name: str = "x.json", **fields: Any) -> str:
    references = {"earlier": True, "context_held_seconds": 0}
    foreground = {"hyperparameters": VALUES}
    return bench.parallel(name, references=references, **{"foreground": foreground, **fields})


def planned(bench: Bench, name: str) -> list[dict[str, Any]]:
    done = bench.run("plan", name, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
    return found


def test_a_campaign_takes_the_run_alone_of_an_earlier_one(metered: Bench) -> None:
    bench = metered
    first = done_alone(bench)
    assert len(planned(bench, study(bench, "other.json", foreground={}))) == 2
    assert len(planned(bench, study(bench, "fewer.json", gpus=[0]))) == 2
    name = study(bench)
    (planned_beside,) = planned(bench, name)
    assert planned_beside["alone_of"]["experiment_id"] == first["experiment_id"]
    done = bench.run("run", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not done again, since an earlier run stands for it: 1 run alone" in done.stdout
    (beside,) = (one for one in bench.results() if one["background_info"])
    assert beside["alone_of"]["experiment_id"] == first["experiment_id"]
    apart = beside["environment"]["started"] - planned_beside["alone_of"]["started"]
    assert beside["alone_of"]["age_seconds"] == pytest.approx(apart)
    found = json.loads(bench.look("attribute", "--json").stdout)
    (pair,) = found["pairs"]
    assert (pair["alone"], pair["block"]) == (first["experiment_id"], None)
    assert "1 pair has its run alone from an earlier campaign" in found["notes"][0]
    assert not [note for note in found["notes"] if "in no pair" in note or "nearest" in note]
    path = f"results/{beside['experiment_id']}.json"
    done = bench.look("export", path, "--table", "pairs", "--out", "-")
    assert first["experiment_id"] in done.stdout
    (bench.root / "results" / f"{first['experiment_id']}.json").unlink()
    done = bench.look("attribute")
    assert done.returncode == 2
    assert "which is not there" in done.stderr


def test_only_does_a_whole_block_again(metered: Bench) -> None:
    done_alone(metered)
    name = study(metered, seed=1)  # which of both comes first is drawn
    done = metered.run("run", name, "--only", "block:1", "--dry-run")
    assert (done.returncode, "trial: 2 runs in 1 block" in done.stdout) == (0, True), done.stderr
    assert "not done again" not in done.stdout
    (beside,) = planned(metered, name)
    done = metered.run("run", name, "--only", str(beside["index"]))
    assert done.returncode == 0, done.stderr
    assert f"run {beside['index']} of 2 succeeded" in done.stdout
    (result,) = (one for one in metered.results() if one["background_info"])
    assert (result["environment"]["run"]["index"], "alone_of" in result) == (beside["index"], False)


def test_a_plan_for_power_has_the_runs_that_are_left_out(metered: Bench) -> None:
    """Its conditions are compared, whoever did the run alone."""
    done_alone(metered)
    name = study(metered)
    done = metered.run("run", name, "--only", "block:1")
    assert done.returncode == 0, done.stderr
    done = metered.run("plan", name, "--power", "5%", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["runs"]) == 1
    assert found["power"]


def test_a_cluster_refuses_runs_alone_of_earlier_campaigns(bench: Bench) -> None:
    name = bench.parallel(references={"earlier": True})
    done = bench.look("submit", name, "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert '"references" with "earlier" is for one machine' in done.stderr
