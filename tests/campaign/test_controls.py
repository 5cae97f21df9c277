"""The control: the same work between the runs of a campaign, its spread, and what follows of it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from energyctl.campaign.fixed_plan import controls_due
from energyctl.config.plan import Run, Training
from energyctl.config.settings import Control
from energyctl.results.controls import REPEATED, ControlRun, deviation, of_campaign, spread

BACK = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.2}}
FRONT: dict[str, Any] = {"repo": "front", "model": "small", "hyperparameters": {"seconds": 0.3}}
WORK = {"repo": "front", "model": "large"}


def run(index: int, block: int | None = None, *, warm_up: bool = False) -> Run:
    training = Training("front", "small", {})
    return Run(index, 0, 1, "default", training, block=block, warm_up=warm_up)


@pytest.mark.parametrize(
    ("every", "due"),
    [("block", {2, 4, 6}), (2, {2, 4, 6}), (3, {2, 5}), (1, {2, 3, 4, 5, 6, 7, 8})],
)
def test_it_is_due_before_each_block_or_each_so_many_runs(every: Any, due: set[int]) -> None:
    blocks = (1, 1, 2, 1, 3, 2, None)  # of an order that is random throughout, and one of none
    runs = [run(1, warm_up=True), *(run(n, block) for n, block in enumerate(blocks, 2))]
    if every == "block":
        assert controls_due(runs, Control(every=every)) == due
    else:
        assert controls_due(runs, Control(every=every)) >= due
    assert controls_due(runs, None) == frozenset()


def test_the_spread_is_the_range_over_the_mean() -> None:
    runs = [ControlRun("a", at, joules) for at, joules in ((1.0, 99.0), (2.0, 101.0), (3.0, 100.0))]
    assert spread(runs) == pytest.approx(0.02)
    assert spread(runs[:1]) is None
    assert deviation(ControlRun("a", 4.0, 110.0), runs) == pytest.approx(0.1)
    assert deviation(runs[0], []) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": 1, "energy": {"total_joules": 1}}',
        '{"schema": 1, "status": "succeeded", "energy": {"total_joules": -1}, "phases": []}',
        '{"schema": 1, "status": "succeeded", "energy": {"total_joules": 5}}',
        "[]",
    ],
)
def test_an_odd_control_is_left_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "campaigns" / "night" / "control" / "one" / "control.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert of_campaign(tmp_path, "night") == []


def study(bench: Bench, **control: Any) -> str:
    """Two blocks; the control is a training of 0.3 s, with the ten idle seconds before it."""
    experiment = {**FRONT, "conditions": {"alone": None, "beside": BACK}, "runs_per_config": 2}
    return bench.settings(experiments=[experiment], seed=1, control={**WORK, **control})


def test_a_control_stands_before_each_block_and_beside_the_journal(bench: Bench) -> None:
    done = bench.run("run", study(bench, max_spread=1e-9))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  control  front / large, alone  " in done.stdout
    assert "run 1 of 4  front / large" not in done.stdout
    (journal,) = (bench.root / "results" / "campaigns").glob("*.jsonl")
    found = of_campaign(bench.root / "results", journal.stem)
    assert len(found) == 2
    results = sorted(bench.results(), key=lambda one: one["phases"][0]["start"])
    assert len(results) == 4  # a control is no run of the campaign
    starts = [one["phases"][0]["start"] for one in results]
    assert found[0].at < starts[0] < starts[1] < found[1].at < starts[2]
    assert [one["block"] for one in results] == [1, 1, 2, 2]
    warned = [any("the control took" in line for line in one["warnings"]) for one in results]
    assert warned == [False, False, True, True]


def test_a_control_that_is_too_far_off_pauses_the_campaign(bench: Bench) -> None:
    done = bench.run("run", study(bench, every=3, max_spread=1e-9, on_exceeded="fail"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "paused: the control took" in done.stdout
    assert "go on with: energyctl" in done.stdout
    assert len(bench.results()) == 3
    folder = next((bench.root / "results" / "campaigns").glob("*/control"))
    assert [one.name.endswith(REPEATED) for one in sorted(folder.iterdir())] == [False, True]
    first = next(one for one in folder.iterdir() if not one.name.endswith(REPEATED))
    shutil.rmtree(first)  # the odd one
    again = bench.run("resume")
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(bench.results()) == 4


@pytest.mark.parametrize(
    ("control", "where", "said"),
    [
        ({"every": "blocks"}, "control.every", 'must be "block"'),
        ({"every": 0}, "control.every", "at least 1"),
        ({"max_spread": 2}, "control.max_spread", "at most 1"),
        ({"on_exceeded": "stop"}, "control.on_exceeded", '"warn", "wait" or "fail"'),
        ({"evry": 2}, "control.evry", "is not a field"),
        ({"repo": "frnt", "model": "small", "every": 1}, "control.repo", "no repository"),
        ({"repo": "front", "every": 1}, "control", '"model" is missing'),
        ({"every": "block"}, "control.every", "there are no blocks"),
    ],
)
def test_a_control_that_cannot_be_is_refused(
    bench: Bench, control: dict[str, Any], where: str, said: str
) -> None:
    name = bench.settings(experiments=[{**FRONT, "mode": "default"}], control=control)
    done = bench.look("run", name)
    assert done.returncode == 2
    assert f"{where}: " in done.stderr
    assert said in done.stderr
    assert bench.trials == []
