"""What a load is compared with: held GPU contexts, the load alone, the training alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from energyctl.config import settings
from energyctl.launchers import gpu_contexts
from hardware.compiled import library_folder
from hardware.nvml import environment

GPU = "GPU-{}0000000-0000-0000-0000-000000000000"


def checked(**fields: Any) -> settings.CheckedSettings:
    text = json.dumps({"experiment_name": "x", **fields})
    return settings.check(settings.parse(text, "x.json"))


def training(model: str) -> dict[str, Any]:
    return {"repo": "front", "model": model}


def test_the_training_alone_is_a_condition_where_none_is_listed() -> None:
    beside = {"mode": "parallel", "foreground": training("a"), "background": training("b")}
    two = {**training("a"), "conditions": {"x": training("b"), "y": training("c")}}
    listed = {**training("a"), "conditions": {"solo": None, "y": training("c")}}
    none = {**beside, "references": {"foreground_alone": False}}
    off = {**beside, "references": False}
    found = checked(references=True, experiments=[beside, two, listed, none, off]).settings
    assert found is not None
    labels = [[one.label for one in experiment.conditions] for experiment in found.experiments]
    assert labels == [["", ""], ["x", "y", ""], ["solo", "y"], [], []]
    assert [experiment.order for experiment in found.experiments][2:] == [
        "blocks", "as_written", "as_written",
    ]  # fmt: skip
    assert [experiment.references is None for experiment in found.experiments] == [False] * 4 + [
        True
    ]


BESIDE = {"conditions": {"x": training("b"), "y": training("c")}}


@pytest.mark.parametrize(
    ("fields", "where", "said"),
    [
        ({"references": True}, "references", "no experiment of the file has a background"),
        ({"own": True}, "experiments[0].references", "has no background to compare"),
        ({"own": {}}, "experiments[0].references", "has no background to compare"),
        ({"own": {"context_held": 3}}, "experiments[0].references.context_held", "is not a field"),
        ({"references": {"context_held_seconds": -1}}, "references.context_held_seconds", "0"),
        ({"references": "yes"}, "references", "must be"),
        ({"references": {"earlier": True}}, "references", "no experiment of the file has a"),
        (
            {"more": BESIDE, "references": {"earlier": True, "foreground_alone": False}},
            "references.earlier",
            '"foreground_alone": false leaves out',
        ),
        (
            {"more": BESIDE, "own": {"earlier": True, "foreground_alone": False}},
            "experiments[0].references.earlier",
            '"foreground_alone": false leaves out',
        ),
    ],
)
def test_bad_references_are_named_with_their_place(
    fields: dict[str, Any], where: str, said: str
) -> None:
    experiment = {**training("a"), "mode": "default", **fields.pop("more", {})}
    if "own" in fields:
        experiment["references"] = fields.pop("own")
    problems = checked(experiments=[experiment], **fields).problems
    assert any(said in problem.message for problem in problems if problem.where == where)


def test_a_run_alone_that_is_left_out_anyway_is_an_error_of_the_file_or_its_experiment() -> None:
    wanted = {"references": {"earlier": True, "foreground_alone": False}}
    experiment = {**training("a"), **BESIDE}
    (problem,) = checked(experiments=[{**experiment, **wanted}]).problems
    assert (problem.where, problem.severity) == ("experiments[0].references.earlier", "invalid")
    (problem,) = checked(experiments=[experiment], **wanted).problems
    assert (problem.where, problem.severity) == ("references.earlier", "error")


def test_experiments_without_a_background_or_with_their_own_references_are_not_asked() -> None:
    listed = {**training("a"), "conditions": {"alone": None, "y": training("c")}}
    own = {**training("a"), **BESIDE}
    experiments = [{**training("a"), "mode": "default"}, listed, {**own, "references": True}]
    earlier = {"earlier": True, "foreground_alone": False}
    assert checked(references=earlier, experiments=experiments).problems == ()


def test_the_label_of_the_training_alone_has_no_background() -> None:
    conditions = {"alone": training("b"), "y": training("c")}
    problems = checked(experiments=[{**training("a"), "conditions": conditions}]).problems
    assert [problem.where for problem in problems] == ["experiments[0].conditions.alone"]


def test_contexts_are_held_on_all_gpus_and_end_with_the_pipe(tmp_path: Path) -> None:
    env = {
        "LD_LIBRARY_PATH": str(library_folder()),
        "CUDA_VISIBLE_DEVICES": f"{GPU.format(1)},{GPU.format(2)}",
        "FAKE_ACTIVITY": str(tmp_path),
        "FAKE_CUDA_FAIL": "cuDevicePrimaryCtxSetFlags_v2",  # unknown to an old driver, not needed
    }
    command = [sys.executable, "-I", "-S", gpu_contexts.__file__]
    done = subprocess.run(command, input="", env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["held"]) == 2
    assert list(tmp_path.iterdir()) == []  # no kernel
    env["FAKE_CUDA_FAIL"] = "cuDevicePrimaryCtxRetain"
    done = subprocess.run(command, input="", env=env, capture_output=True, text=True, check=False)
    why = "cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY"
    assert (done.returncode, json.loads(done.stdout)) == (1, {"failed": why})


def study(bench: Bench, tmp_path: Path, **fakes: str) -> str:
    """A background on a machine with two GPUs; the load alone is asked for for a second."""
    bench.env |= environment(library_folder(), STEP="0.02", WAVE="constant 70")
    bench.env |= {"FAKE_ACTIVITY": str(tmp_path), **fakes}
    references = {"context_held_seconds": 0.5, "background_alone_seconds": 1.0}
    return bench.parallel(references=references, seed=1)


def seconds(result: dict[str, Any], name: str) -> float:
    return sum(one["end"] - one["start"] for one in result["phases"] if one["name"] == name)


def test_a_run_beside_a_background_has_its_references(bench: Bench, tmp_path: Path) -> None:
    name = study(bench, tmp_path)
    done = bench.run("run", name)
    assert done.returncode == 0, done.stdout + done.stderr
    by = {result["condition"]: result for result in bench.results()}
    assert by.keys() == {"alone", "beside back/large"}
    alone, beside = by["alone"], by["beside back/large"]
    assert alone["block"] == beside["block"] == 1
    names = [one["name"] for one in beside["phases"]]
    assert names[:4] == ["idle", "background_start", "context_held", "background_start"]
    assert "context_held" not in [one["name"] for one in alone["phases"]]
    assert seconds(beside, "context_held") >= 0.45
    (held,) = (one for one in beside["phases"] if one["name"] == "context_held")
    assert held["watts"]["gpu-0"] == pytest.approx(70, rel=0.2)
    # Of 0.2 s each, before the training and after it; settle alone would ask for three.
    baseline = beside["energy"]["baselines"]["background_only"]
    assert baseline["before_seconds"] >= 0.7
    assert baseline["after_seconds"] >= 0.3
    assert not [line for line in beside["warnings"] if "context held" in line]


def test_contexts_that_cannot_be_held_are_a_warning(bench: Bench, tmp_path: Path) -> None:
    name = study(bench, tmp_path, FAKE_CUDA_FAIL="cuInit")
    done = bench.run("run", name, "--only", "1,2")
    assert done.returncode == 0, done.stdout + done.stderr
    (beside,) = (one for one in bench.results() if one["background_info"])
    why = 'no phase "context held": cuInit: CUDA_ERROR_OUT_OF_MEMORY'
    assert why in beside["warnings"]
    assert beside["phases"][1]["name"] == "background_start"


def test_a_journal_keeps_the_references_of_its_runs(bench: Bench, tmp_path: Path) -> None:
    name = study(bench, tmp_path)
    runs = json.loads(bench.look("plan", name, "--json").stdout)["runs"]
    wanted = {
        "context_held_seconds": 0.5,
        "background_alone_seconds": 1.0,
        "foreground_alone": True,
        "earlier": False,
    }
    assert [run.get("references") for run in runs if run["background"]] == [wanted]
    assert [run.get("references") for run in runs if not run["background"]] == [None]
