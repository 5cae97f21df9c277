"""Steps, working folders and outputs: real campaigns of stand-in clones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, wait_for
from energyctl.campaign.training import workdirs
from energyctl.campaign.training.foreground import describe_exit

PROGRAM = """
import os, pathlib, sys, time
step, seconds = sys.argv[1], float(sys.argv[2])
print(step, "in", os.getcwd(), flush=True)
end = time.monotonic() + seconds
while time.monotonic() < end:
    time.sleep(0.01)
if step == "train":
    folder = pathlib.Path("model/deep")
    folder.mkdir(exist_ok=True)
    for epoch in (1, 2):
        (folder / f"net_{epoch}.pth").write_text(os.environ["WHO"])
        os.utime(folder / f"net_{epoch}.pth", (time.time() + epoch, time.time() + epoch))
        print(f"Epoch {epoch}/2 loss: {0.5 / epoch}", flush=True)
    with open("model/report.txt", "w") as file:
        file.write("acc 0.25\\nacc 0.75\\nacc 0.5\\n")
elif step == "test":
    print("net:", os.path.basename(sys.argv[3]), pathlib.Path(sys.argv[3]).read_text())
    print("Rank@1:0.625 mAP:1.5e-01")
    if sys.argv[4:]:
        sys.exit(int(sys.argv[4]))
"""

REPOSITORY: dict[str, Any] = {
    "path": "repos/front",
    "models": ["net"],
    "interpreter": sys.executable,
    "role_env": {"foreground": {"WHO": "fg"}, "background": {"WHO": "bg"}},
    "workspace": {"kind": "links", "writes": ["model"]},
    "steps": [
        {
            "name": "train",
            "command": ["{python}", "-S", "program.py", "train", "{seconds}"],
            "values": {"checkpoint": "model/*/net_*.pth"},
        },
        {
            "name": "test",
            "command": ["{python}", "-S", "program.py", "test", "0", "{checkpoint}"],
            "performance_metrics": {
                "log_patterns": {"rank1": "Rank@1:{number}", "mAP": "mAP:{number}"},
                "required": ["rank1"],
            },
        },
    ],
    "supported_hyperparams": {"seconds": {"type": "float", "default": 0.5}},
    "performance_metrics": {
        "log_patterns": {
            "loss": "loss: {number}",
            "accuracy": {"pattern": "acc {number}", "file": "model/*.txt", "select": "max"},
            "percent": {"pattern": "mAP:{number}", "scale": 100},
        }
    },
    "progress": r"Epoch (\d+)/(\d+)",
    "outputs": {"keep": ["model/*.txt"]},
}


def clone(bench: Bench, **fields: Any) -> Path:
    """The registry with that entry, changed by *fields*, and its clone."""
    registry = {"models": {"front": {**REPOSITORY, **fields}}}
    (bench.root / "settings" / "models_config.json").write_text(json.dumps(registry))
    folder = bench.root / "repos" / "front"
    (folder / "program.py").write_text(PROGRAM)
    (folder / "model").mkdir()
    (folder / "model" / "old.txt").write_text("acc 0.99\n")
    return folder


def content(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in folder.rglob("*") if path.is_file()}


def changed_steps(**fields: Any) -> list[dict[str, Any]]:
    """The steps, with the last one changed."""
    train, test = REPOSITORY["steps"]
    return [train, {**test, **fields}]


TRAINING = {"repo": "front", "model": "net"}


def test_both_roles_of_one_clone_train_and_test_in_folders_of_their_own(bench: Bench) -> None:
    folder = clone(bench)
    before = content(folder)
    foreground = {**TRAINING, "hyperparameters": {"seconds": 1.0}}
    background = {**TRAINING, "hyperparameters": {"seconds": 0.2}, "copies": 2}
    experiment = {"mode": "parallel", "foreground": foreground, "background": background}
    done = bench.run("run", bench.settings(experiments=[experiment]))
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = bench.results()
    measured = result["foreground_result"]
    metrics = {"loss": 0.25, "accuracy": 0.75, "percent": 15.0, "rank1": 0.625, "mAP": 0.15}
    assert measured["performance_metrics"] == pytest.approx(metrics)
    train, test = measured["attempts"][0]["steps"]
    assert (train["name"], train["metered"], train["exit_code"]) == ("train", True, 0)
    assert (test["name"], test["metered"], test["exit_code"]) == ("test", False, 0)
    assert test["start"] >= train["end"]
    assert result["energy"]["seconds"] == pytest.approx(train["end"] - train["start"], abs=1e-3)
    names = [phase["name"] for phase in result["phases"]]
    measured_phases = names[names.index("foreground:train") :]
    assert measured_phases[:4] == [
        "foreground:train", "between_steps", "step:test", "background_only",
    ]  # fmt: skip
    log = (bench.root / "results" / measured["log"]).read_text()
    assert "net: net_2.pth fg" in log
    kept = bench.root / "results" / measured["outputs"] / "model" / "report.txt"
    assert kept.read_text().startswith("acc 0.25")
    assert content(folder) == before
    assert list((bench.root / "results").glob("work_*")) == []
    assert len(result["background_info"]["jobs"]) == 2
    for job in result["background_info"]["jobs"]:
        logs = bench.root / "results" / job["logs"]
        said = (logs / "run_1.log").read_text()
        assert "net: net_2.pth bg" in said
        assert f"background_{job['job']}" in said
        assert job["failures"] == 0


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            {"command": [*REPOSITORY["steps"][1]["command"], "3"]},
            "in step test, the training ended",
        ),
        ({"performance_metrics": {"log_patterns": {"x": "X {number}"}, "required": ["x"]}}, "x"),
        ({"command": ["./gone"]}, "gone is missing"),
    ],
)
def test_a_step_that_ends_badly_fails_the_run(
    bench: Bench, fields: dict[str, Any], error: str
) -> None:
    clone(bench, steps=changed_steps(**fields))
    done = bench.run("run", bench.settings(experiments=[{**TRAINING, "mode": "default"}]))
    if "missing" in error:
        assert done.returncode == 2
        assert error in done.stderr
        return
    assert done.returncode == 1
    (result,) = bench.results()
    assert result["status"] == "failed"
    assert error in result["foreground_result"]["error"]
    assert result["energy"]["seconds"] > 0.4  # what was metered is kept


def test_accepted_exit_codes_time_limits_and_values_that_are_missing(bench: Bench) -> None:
    accepted = changed_steps(
        command=[*REPOSITORY["steps"][1]["command"], "3"], accepted_exit_codes=[0, 3]
    )
    clone(bench, steps=accepted)
    name = bench.settings(experiments=[{**TRAINING, "mode": "default"}])
    assert bench.run("run", name).returncode == 0
    train = {**REPOSITORY["steps"][0], "timeout_seconds": 0.1}
    entry = {**REPOSITORY, "steps": [train, REPOSITORY["steps"][1]]}
    registry = bench.root / "settings" / "models_config.json"
    registry.write_text(json.dumps({"models": {"front": entry}}))
    assert bench.run("run", name).returncode == 1
    prepare = {"name": "prepare", "metered": False, "command": ["/bin/sh", "-c", "exit 4"]}
    train, test = ({**step, "metered": step["name"] == "train"} for step in REPOSITORY["steps"])
    entry = {**REPOSITORY, "steps": [prepare, train, test]}
    registry.write_text(json.dumps({"models": {"front": entry}}))
    assert bench.run("run", name).returncode == 1
    unmeasured = bench.results()[-1]
    assert unmeasured["energy"] is None
    assert unmeasured["foreground_result"]["exit_code"] == 4
    train = {**REPOSITORY["steps"][0], "values": {"checkpoint": "model/*.none"}}
    entry = {**REPOSITORY, "steps": [train, REPOSITORY["steps"][1]]}
    registry.write_text(json.dumps({"models": {"front": entry}}))
    assert bench.run("run", name).returncode == 1
    errors = [result["foreground_result"]["error"] for result in bench.results()]
    assert errors[0] is None
    assert errors[1].startswith("in step train, timeout after 0.1 s (timeout_seconds); its log: ")
    assert errors[2].startswith("in step prepare, the training ended with exit code 4; its log: ")
    assert errors[3].startswith("in step train, it made nothing that matches model/*.none")


def test_in_place_keeps_and_deletes_only_what_the_run_wrote(bench: Bench) -> None:
    outputs = {"keep": ["model/*.txt"], "delete": ["model/*"]}
    folder = clone(bench, workspace="in_place", outputs=outputs)
    done = bench.run("run", bench.settings(experiments=[{**TRAINING, "mode": "default"}]))
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = bench.results()
    assert result["foreground_result"]["performance_metrics"]["accuracy"] == 0.75
    kept = bench.root / "results" / result["foreground_result"]["outputs"] / "model"
    assert [path.name for path in kept.iterdir()] == ["report.txt"]
    assert [path.name for path in (folder / "model").iterdir()] == ["old.txt"]
    assert not [line for line in result["warnings"] if "clone changed during the run" in line]


@pytest.mark.parametrize(("code", "hint"), [(-9, True), (137, True), (-15, False), (1, False)])
def test_the_end_of_what_lacked_memory_says_so(code: int, hint: bool) -> None:
    assert ("out-of-memory" in describe_exit(code)) == hint


def test_links_to_files_are_kept_as_files_and_links_to_folders_as_links(tmp_path: Path) -> None:
    work, data = tmp_path / "work", tmp_path / "data"
    (work / "out").mkdir(parents=True)
    data.mkdir()
    (data / "weights").write_text("w")
    (work / "out" / "file").symlink_to(data / "weights")
    (work / "out" / "folder").symlink_to(data)
    assert workdirs.keep(work, ["out/*", "none"], tmp_path / "kept") == []
    kept = tmp_path / "kept" / "out"
    assert (kept / "file").read_text() == "w"
    assert not (kept / "file").is_symlink()
    assert (kept / "folder").readlink() == data


@pytest.mark.parametrize("command", [["resume"], ["stop"], ["run", "x.json"]])
def test_working_folders_of_a_killed_run_go(bench: Bench, command: list[str]) -> None:
    clone(bench)
    training = {**TRAINING, "mode": "default", "hyperparameters": {"seconds": 2}}
    popen = bench.start("run", bench.settings(experiments=[training]))
    wait_for(
        lambda: list((bench.root / "results").glob("work_*/foreground*")), "the working folder"
    )
    popen.kill()
    popen.wait()
    assert bench.run(*command).returncode == 0
    assert list((bench.root / "results").glob("work_*")) == []


def test_a_trial_says_what_it_saw(bench: Bench) -> None:
    clone(bench)
    done = bench.run("models", "--test", "front/net", "--set", "seconds=0.1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rank1 0.625" in done.stdout
    assert "progress: 2 of 2" in done.stdout
    assert list((bench.root / "results").glob("*")) in ([], [bench.root / "results" / ".gitkeep"])
    cut = bench.run("models", "--test", "front/net", "--set", "seconds=60", "--seconds", "0.5")
    assert cut.returncode == 0
    assert "ran, and was ended" in cut.stdout
    assert "clone changed during the run" not in done.stdout
    entry = {**REPOSITORY, "workspace": "in_place"}
    registry = bench.root / "settings" / "models_config.json"
    registry.write_text(json.dumps({"models": {"front": entry}}))
    into = bench.run("models", "--test", "front/net", "--set", "seconds=0.1")
    assert "warning: a clone changed during the run: " in into.stdout
    cure = '"workspace": {"kind": "links", "writes": ["model"]} in the registry would have held it'
    assert cure in into.stdout
    wrong = bench.look("models", "--test", "front/nothing")
    assert wrong.returncode == 2
    assert "is not in the registry" in wrong.stderr


def test_what_is_not_there_is_said_before_anything_starts(bench: Bench) -> None:
    name = bench.settings(experiments=[{**TRAINING, "mode": "default"}])
    wanted = {
        "data": "data/none",
        "preflight": {"files": ["weights.pth"], "imports": ["json", "no_such_module"]},
    }
    clone(bench, **wanted)
    done = bench.look("run", name)
    assert done.returncode == 2
    for said in ("its data is missing", "weights.pth is missing", "cannot import no_such_module"):
        assert said in done.stderr
    entry = {**REPOSITORY, "interpreter": "conda:no-such-environment"}
    registry = bench.root / "settings" / "models_config.json"
    registry.write_text(json.dumps({"models": {"front": entry}}))
    done = bench.look("run", name)
    assert done.returncode == 2
    assert "no conda environment 'no-such-environment'" in done.stderr
    assert bench.results() == []
