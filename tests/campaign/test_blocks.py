"""A campaign alone and beside, in blocks: planned, run, interrupted, resumed, exported."""

from __future__ import annotations

import csv
import json
import signal
from typing import Any

import pytest

import energyctl
from bench import Bench, wait_for

FRONT: dict[str, Any] = {"repo": "front", "model": "small", "hyperparameters": {"seconds": 0.3}}
BACK: dict[str, Any] = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.2}}
CONDITIONS = {"alone": None, "light": BACK, "heavy": [{**BACK, "copies": 2}]}


@pytest.fixture
def study(bench: Bench) -> str:
    """A file of two blocks of three conditions, after a warm-up run; the training has a seed."""
    path = bench.root / "settings" / "models_config.json"
    registry = json.loads(path.read_text())
    front = registry["models"]["front"]
    front["supported_hyperparams"]["seed"] = {"env_var": "SEED", "type": "int", "default": 1}
    front["seed_parameter"] = "seed"
    path.write_text(json.dumps(registry))
    training = {**FRONT, "mutate": ["learning_rate"], "runs_per_config": 2}
    experiment = {**training, "conditions": CONDITIONS}
    return bench.settings(experiments=[experiment], seed=5, warm_up_runs=1)


def planned(bench: Bench, name: str) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(bench.look("plan", name, "--json").stdout)["runs"]
    return runs


KEYS = ("condition", "block", "training_seed", "warm_up", "mode")


def keys(document: Any) -> list[Any]:
    return [document[name] for name in KEYS]


def by_index(bench: Bench) -> list[Any]:
    return sorted(bench.results(), key=lambda result: result["environment"]["run"]["index"])


def test_each_result_says_its_condition_block_and_seed(bench: Bench, study: str) -> None:
    plan = planned(bench, study)
    assert len(plan) == 7
    done = bench.run("run", study)
    assert done.returncode == 0, done.stderr
    results = by_index(bench)
    assert [keys(result) for result in results] == [keys(run) for run in plan]
    starts = [result["phases"][0]["start"] for result in results]
    assert starts == sorted(starts)
    for result, run in zip(results, plan, strict=True):
        assert result["foreground_result"]["hyperparameters"] == run["hyperparameters"]
        assert run["hyperparameters"]["seed"] == run["training_seed"]
        jobs = result["background_info"]["jobs"] if result["background_info"] else []
        assert len(jobs) == {"alone": 0, "light": 1, "heavy": 2}[result["condition"]]
    assert [result["warm_up"] for result in results] == [True] + [False] * 6
    # The tables and energyctl.load have them, too.
    assert bench.look("export", "--out", "tables").returncode == 0
    with open(bench.root / "tables" / "runs.csv", newline="") as file:
        rows = {row["experiment_id"]: row for row in csv.DictReader(file)}
    runs = energyctl.load(bench.root / "results")
    for result in results:
        row, run = rows[result["experiment_id"]], runs[result["experiment_id"]]
        assert row["condition"] == run.condition == result["condition"]
        assert row["block"] == ("" if run.block is None else str(run.block))
        assert run.training_seed == result["training_seed"] == int(row["training_seed"])
        assert run.warm_up is result["warm_up"]
        assert row["warm_up"] == str(result["warm_up"]).lower()


def test_a_campaign_that_was_interrupted_goes_on_in_its_order(bench: Bench, study: str) -> None:
    plan = planned(bench, study)
    popen = bench.start("run", study, "--no-progress")
    wait_for(lambda: len(bench.results()) == 3, "three runs")
    popen.send_signal(signal.SIGINT)
    popen.communicate(timeout=30)
    assert popen.returncode == 130
    done = bench.run("resume")
    assert done.returncode == 0, done.stderr
    finished = [result for result in by_index(bench) if result["status"] == "succeeded"]
    assert [keys(result) for result in finished] == [keys(run) for run in plan]
    starts = [result["phases"][0]["start"] for result in finished]
    assert starts == sorted(starts)


def test_the_plan_shows_conditions_and_blocks(bench: Bench, study: str) -> None:
    shown = bench.look("plan", study).stdout
    lines = shown.splitlines()
    assert lines[0].startswith("trial: 7 runs in 2 blocks, values drawn with seed 5")
    header = next(line.split() for line in lines if "condition" in line)
    assert header == ["run", "block", "mode", "condition", "foreground", "values", "takes"]
    (first,) = [line.split() for line in lines if line.startswith(" 1  ")]
    assert first[1] == "warm-up"
    rows = [line.split() for line in lines if line[:2].strip().isdigit()]
    assert [row[1] for row in rows] == ["warm-up", "1", "1", "1", "2", "2", "2"]
    assert "light: back / large" in shown
    assert "heavy: back / large x2" in shown
    assert "cluster" not in shown


def test_only_takes_blocks(bench: Bench, study: str) -> None:
    done = bench.look("run", study, "--only", "1,block:2", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "trial: 4 runs in 1 block" in done.stdout
    for only, message in (
        ("block:3", "--only block:3: the plan has the blocks 1 to 2"),
        ("8", "--only 8: the plan has the runs 1 to 7"),
        ("block", "'block' is no list of runs like 1,3 or block:2"),
        ("blocks:1", "'blocks:1' is no list of runs like 1,3 or block:2"),
        (":1", "':1' is no list of runs like 1,3 or block:2"),
    ):
        done = bench.look("run", study, "--only", only, "--dry-run")
        assert done.returncode == 2
        assert message in done.stderr
    plain = bench.settings("plain.json", experiments=[{**FRONT, "mode": "default"}])
    done = bench.look("run", plain, "--only", "block:1", "--dry-run")
    assert "--only block:1: the plan has no blocks" in done.stderr


def test_one_training_runs_alone_and_beside_others_without_a_file(bench: Bench) -> None:
    arguments = [
        "run",
        "--repo",
        "front",
        "--model",
        "small",
        "--set",
        "seconds=0.3",
        "--runs",
        "2",
    ]
    beside = ["--beside", "back/large", "--beside", "front/large"]
    done = bench.look(*arguments, *beside, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "front_small: 6 runs in 2 blocks" in done.stdout
    assert "beside back / large" in done.stdout
    done = bench.look(*arguments, "--beside", "back/tiny", "--dry-run")
    assert done.returncode == 2
    assert "--beside back/tiny: no such training; `energyctl models` lists them" in done.stderr
    done = bench.look(*arguments, "--beside", "back/large", "--beside", "back/large")
    assert (done.returncode, "--beside back/large is there twice" in done.stderr) == (2, True)
    done = bench.look("run", "x.json", "--beside", "back/large")
    assert (done.returncode, "goes without a settings file" in done.stderr) == (2, True)
