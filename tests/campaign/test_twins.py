"""Twins from end to end: two real loads and the real pynvml, on stand-ins for the driver's two
libraries, where kernels of the one take turns, and draw power in the other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import Bench
from energyctl import cli
from energyctl.campaign import twins as calibration
from energyctl.results import schema
from energyctl.system.lock import lock
from hardware.compiled import library_folder
from hardware.nvml import build, environment

QUICK = """
import json
from energyctl.campaign.twins import calibrate_twins
from energyctl.meters.twins.course import Schedule
quick = Schedule(seconds=1.5, idle=0.5, settle=0.5, repeats=1)
print(json.dumps(calibrate_twins(GPU, lambda stretch: None, quick)))
"""


def in_world(folder: Path, **settings: str) -> dict[str, str]:
    """Of a process in a machine with two GPUs that are 70 W idle, and draw 300 W more at work."""
    world = {"STEP": "0.02", "AVERAGE": "0.1", "WAVE": "constant 70", **settings}
    own = {
        "ENERGYCTL_LOCK": str(folder / "lock"),
        "ENERGYCTL_ACCEPTANCE": str(folder / "kept"),
        "ENERGYCTL_POWERCAP": str(folder / "none"),
        "ENERGYCTL_PERF": str(folder / "none"),
        "FAKE_ACTIVITY": str(folder),
    }
    return {**environment(library_folder(), **world), **own}


def calibrated(env: dict[str, str], folder: Path, gpu: str = "None") -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", QUICK.replace("GPU", gpu)],
        env=env, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_twins_get_half_each_and_later_results_know_it(tmp_path: Path, bench: Bench) -> None:
    env = in_world(tmp_path)
    found = calibrated(env, tmp_path, gpu="'GPU-2'")
    (both,) = found["both"]
    assert both["share"] == pytest.approx(0.5, abs=0.02)
    assert both["work_share"] == pytest.approx(0.5, abs=0.02)
    assert both["closure"] == pytest.approx(0, abs=0.1)
    assert both["busy_seconds"] == pytest.approx([0.75, 0.75], abs=0.1)
    assert both["watts"] == pytest.approx(370, rel=0.1)
    assert found["alone"]["first"]["watts"] == pytest.approx(370, rel=0.1)
    assert (found["idle_watts"], found["gpu"]["index"]) == (pytest.approx(70, rel=0.1), 1)
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name.startswith("twins-")
    assert kept.name.endswith("-Fake_GPU_1-580.1.json")

    machine = json.loads(bench.run("doctor", "--json", env=env).stdout)["machine"]
    first, second = machine["gpus"]
    assert "twins" not in first  # it is another model
    assert second["twins"].keys() == schema.TwinsJson.__annotations__.keys()
    assert second["twins"]["differential"] == found["differential"]
    assert "twins on 20" in bench.run("doctor", "--all", env=env).stdout
    other = json.loads(bench.run("doctor", "--json", env={**env, "FAKE_DRIVER": "590"}).stdout)
    assert "twins" not in other["machine"]["gpus"][1]


AT_REST = """
import json
from energyctl.campaign.one_gpu import gpu_of, one_gpu
from energyctl.meters.twins.course import Trial
with one_gpu(1, "try") as sources:
    trial = Trial(*gpu_of(sources, "try"), gpu=1, settle=0)
    with trial.metered():
        trial.at_rest("idle", 5.0)
print(json.dumps(trial.stretches["idle"].clocks))
"""


def test_a_stretch_says_at_which_clocks_the_gpu_was(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_REST],
        env=in_world(tmp_path, REASONS="4"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    clocks = json.loads(done.stdout)
    assert clocks["sm_mhz"] == 1200
    assert clocks["limited_seconds"]["power_cap"] == pytest.approx(5, abs=0.5)


def test_a_twin_that_draws_more_beside_the_other_is_noticed(tmp_path: Path) -> None:
    """By the driver's accounts, which tell of each process as well."""
    env = in_world(tmp_path, CUDA_BESIDE="1.6", ACCOUNTING="1")
    found = calibrated(env, tmp_path)
    assert found["both"][0]["closure"] == pytest.approx(0.6 / 2.6, abs=0.06)
    assert found["differential"] > 0.15
    assert any("than the twins alone explain" in line for line in found["warnings"])
    assert any("more than the 15 % that are assumed" in line for line in found["warnings"])


def test_what_the_machine_cannot_is_a_line_and_exit_code_3(bench: Bench, tmp_path: Path) -> None:
    def refused(env: dict[str, str], text: str) -> None:
        done = bench.run("calibrate", "--twins", "--seconds", "5", env=env)
        assert (done.returncode, done.stdout) == (3, "")
        assert text in done.stderr
        assert "Traceback" not in done.stderr

    refused({"LD_LIBRARY_PATH": str(tmp_path)}, "there is no GPU to calibrate: ")
    world = in_world(tmp_path)
    untold = {**world, "FAKE_DENY": "nvmlDeviceGetProcessUtilization"}
    refused(untold, "how busy each process keeps the GPU is not known: GPU 0")
    (tmp_path / "processes").write_text("0 4711 10 c\n")
    used = {**world, "FAKE_PROCESSES": str(tmp_path / "processes")}
    refused(used, "the GPU is in use (pid 4711): end that first")
    (tmp_path / "nvml").mkdir()
    without = {**world, "LD_LIBRARY_PATH": str(build(tmp_path / "nvml"))}
    refused(without, "the GPU cannot be put to work: the driver's CUDA library cannot be opened")
    (tmp_path / "file").touch()
    refused({**world, "ENERGYCTL_ACCEPTANCE": str(tmp_path / "file")}, "cannot be kept in")


@pytest.mark.parametrize("seconds", ["nan", "inf", "4"])
def test_seconds_that_are_none_are_a_line_and_exit_code_2(bench: Bench, seconds: str) -> None:
    done = bench.run("calibrate", "--twins", "--seconds", seconds)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--seconds': " in done.stderr
    assert "internal" not in done.stderr


def test_a_campaign_that_runs_is_not_disturbed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = in_world(tmp_path)
    monkeypatch.setenv("ENERGYCTL_LOCK", world["ENERGYCTL_LOCK"])
    with lock("trial", tmp_path):
        done = bench.run("calibrate", "--twins", env=world)
    assert done.returncode == 3
    assert "another campaign holds this machine: 'trial'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say what to calibrate: --twins"),
        (["--twins", "--seconds", "1"], "is not in the range 5"),
        (["--twins", "--gpu", "7"], "7"),
    ],
)
def test_what_is_asked_wrongly_is_a_line_and_exit_code_2(
    bench: Bench, tmp_path: Path, arguments: list[str], says: str
) -> None:
    done = bench.run("calibrate", *arguments, env=in_world(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_what_was_found_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repeat = {"share": 0.506, "work_share": 0.5, "closure": -0.013}
    document = {
        "gpu": {"index": 0, "name": "H200", "driver": "580.1"}, "both": [repeat],
        "context_watts": 38.2, "throughput": 0.991, "differential": 0.04, "bias": 0.006,
        "warnings": ["it was warm"], "file": "/kept/twins.json",
    }  # fmt: skip
    asked: list[Any] = []

    def calibrate_twins(gpu: Any, *_: Any, **__: Any) -> dict[str, Any]:
        asked.append(gpu)
        return document

    monkeypatch.setattr(calibration, "calibrate_twins", calibrate_twins)
    assert cli.run(["calibrate", "--twins", "--gpu", "1", "--seconds", "30"]) == 0
    shown = capsys.readouterr()
    assert "about 6 minutes;" in shown.err
    assert "the first twin gets 50.6 % and did 50.0 % of the work" in shown.out
    assert "in busy seconds) change differently by up to 4.0 %" in shown.out
    assert "warning: it was warm" in shown.out
    assert cli.run(["calibrate", "--twins", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == document
    assert asked == [1, None]
