"""The control: the same work between the runs of a campaign, its spread, and what follows of it."""

from __future__ import annotations

from typing import Any

import pytest

from bench import Bench
from energyctl.campaign.controls import Controls
from energyctl.config.plan import Run, Training
from energyctl.config.settings import Control
from energyctl.results.controls import REPEATED, ControlRun, of_campaign, spread

BACK = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.2}}
FRONT: dict[str, Any] = {"repo": "front", "model": "small", "hyperparameters": {"seconds": 0.3}}
WORK = {"repo": "front", "model": "large"}


def run(index: int, block: int | None = None, *, warm_up: bool = False) -> Run:
    training = Training("front", "small", {})
    return Run(index, 0, 1, "default", training, block=block, warm_up=warm_up)


@pytest.mark.parametrize(
    ("every", "due"),
    [("block", [2, 4, 6]), (2, [2, 4, 6]), (3, [2, 5]), (1, [2, 3, 4, 5, 6])],
)
def test_it_is_due_before_each_block_or_each_so_many_runs(every: Any, due: list[int]) -> None:
    runs = [run(1, warm_up=True), *(run(n, block) for n, block in ((2, 1), (3, 1), (4, 2), (5, 2)))]
    runs.append(run(6, 3))
    wanted = Control(every=every)
    plan = Controls(wanted, None, "node")  # type: ignore[arg-type]
    assert [one.index for one in runs if plan._is_due(one, wanted)] == due


def test_the_spread_is_the_range_over_the_mean() -> None:
    runs = [ControlRun("a", at, joules) for at, joules in ((1.0, 99.0), (2.0, 101.0), (3.0, 100.0))]
    assert spread(runs) == pytest.approx(0.02)
    assert spread(runs[:1]) is None


def study(bench: Bench, **control: Any) -> str:
    """Two blocks; the control is a training of 0.3 s, with the ten idle seconds before it."""
    experiment = {**FRONT, "conditions": {"alone": None, "beside": BACK}, "runs_per_config": 2}
    return bench.settings(experiments=[experiment], seed=1, control={**WORK, **control})


def test_a_control_stands_before_each_block_and_beside_the_journal(bench: Bench) -> None:
    done = bench.run("run", study(bench, every=3, max_spread=1e-9))
    assert done.returncode == 0, done.stdout + done.stderr
    (journal,) = (bench.root / "results" / "campaigns").glob("*.jsonl")
    found = of_campaign(bench.root / "results", journal.stem)
    assert len(found) == 2
    results = sorted(bench.results(), key=lambda one: one["phases"][0]["start"])
    assert len(results) == 4  # a control is no run of the campaign
    starts = [one["phases"][0]["start"] for one in results]
    assert found[0].at < starts[0] < starts[2] < found[1].at < starts[3]
    warned = [any("2 controls lie" in line for line in one["warnings"]) for one in results]
    assert warned == [False, False, False, True]


def test_a_control_that_is_too_far_off_pauses_the_campaign(bench: Bench) -> None:
    done = bench.run("run", study(bench, every=3, max_spread=1e-9, on_exceeded="fail"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "paused: the energies of 2 controls lie" in done.stdout
    assert "go on with: energyctl" in done.stdout
    assert len(bench.results()) == 3
    folder = next((bench.root / "results" / "campaigns").glob("*/control"))
    assert [one.name.endswith(REPEATED) for one in sorted(folder.iterdir())] == [False, True]
    again = bench.run("resume")  # its first control is compared with that of before
    assert "paused:" in again.stdout
    assert len(bench.results()) == 3


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
    done = bench.run("run", name)
    assert done.returncode == 2
    assert f"{where}: " in done.stderr
    assert said in done.stderr
    assert bench.trials == []
