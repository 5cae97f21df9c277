"""A run alone of an earlier campaign, in place of one that would be like it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from energyctl.campaign.earlier import leave_out
from energyctl.config.plan import BackgroundJob, Plan, Run, SkippedValues, Training
from energyctl.config.settings import References
from energyctl.results.pairs import Likeness, RunFacts, facts_of, likeness
from energyctl.results.tables import Part
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
    """A result alone of the values of that block, on NODE."""
    facts = {"hostname": "node", **changes.pop("environment", {})}
    alone, _ = write_pair(folder, number, started=started, alone={"environment": facts, **changes})
    return facts_of(Part(alone))


def plan(*runs: Run, **fields: Any) -> Plan:
    return Plan(runs, (), 0, 1, **fields)


def test_runs_alone_are_left_out_for_the_newest_result_like_them(tmp_path: Path) -> None:
    runs = [*block(1, 1, conditions=2), *block(2, 4)]
    skipped = SkippedValues(4, 0, "default", training(2), "x.json")
    old, new = result(tmp_path / "a", 1, 1.8e9), result(tmp_path / "b", 1, 1.8e9 + 9000)
    found = leave_out(plan(*runs, passed_over=(skipped,)), like, [new, old])
    assert [(run.index, run.block, run.condition) for run in found.runs] == [
        (1, 1, "load 1"), (2, 1, "load 2"), (3, 2, "alone"), (4, 2, "load 1"),
    ]  # fmt: skip
    named = [run.alone_of and run.alone_of.experiment_id for run in found.runs]
    assert named == [new.experiment_id, new.experiment_id, None, None]
    assert [one.run for one in found.passed_over] == [3]
    assert [Run.from_json(run.to_json()) for run in found.runs] == list(found.runs)


def test_each_result_stands_for_one_block(tmp_path: Path) -> None:
    """Blocks that repeat one training: their runs alone tell how much it varies."""
    runs = [*block(1, 1), *(replace(run, block=2, index=run.index + 2) for run in block(1, 1))]
    found = leave_out(plan(*runs), like, [result(tmp_path, 1, 1.8e9)])
    assert [(run.block, run.condition) for run in found.runs] == [
        (1, "load 1"), (2, "alone"), (2, "load 1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"training_seed": 7},
        {"warm_up": True},
        {"status": "failed"},
        {"environment": {"hostname": "other"}},
        {"environment": {"governors": ["powersave"]}},
        {"environment": {"gpus": [{"uuid": "GPU-1", "driver": "2"}]}},
    ],
)
def test_what_is_not_like_the_run_stands_for_none(tmp_path: Path, change: dict[str, Any]) -> None:
    whole = plan(*block(1, 1))
    assert leave_out(whole, like, [result(tmp_path, 1, 1.8e9, **change)]) == whole


def test_nothing_is_left_out_where_it_is_not_asked_for(tmp_path: Path) -> None:
    runs = [replace(run, references=run.references and References()) for run in block(1, 1)]
    whole = plan(*runs)
    assert leave_out(whole, like, [result(tmp_path, 1, 1.8e9)]) == whole


def test_a_campaign_takes_the_run_alone_of_an_earlier_one(bench: Bench) -> None:
    values = {"seconds": 0.5}
    alone = {"repo": "front", "model": "small", "mode": "default", "hyperparameters": values}
    done = bench.run("run", bench.settings("alone.json", experiments=[alone]))
    assert done.returncode == 0, done.stdout + done.stderr
    (first,) = bench.results()
    references = {"earlier": True, "context_held_seconds": 0}
    other = bench.parallel("other.json", references=references)
    assert len(json.loads(bench.look("plan", other, "--json").stdout)["runs"]) == 2
    name = bench.parallel(references=references, foreground={"hyperparameters": values})
    (planned,) = json.loads(bench.look("plan", name, "--json").stdout)["runs"]
    assert planned["alone_of"]["experiment_id"] == first["experiment_id"]
    done = bench.run("run", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not done again, since an earlier run stands for it: 1 run alone" in done.stdout
    (beside,) = (one for one in bench.results() if one["background_info"])
    assert beside["alone_of"]["experiment_id"] == first["experiment_id"]
    apart = beside["environment"]["started"] - planned["alone_of"]["started"]
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


def test_a_cluster_refuses_runs_alone_of_earlier_campaigns(bench: Bench) -> None:
    name = bench.parallel(references={"earlier": True})
    done = bench.run("submit", name, "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert '"references" with "earlier" is for one machine' in done.stderr
