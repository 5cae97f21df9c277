"""A GPU's counter accepted from end to end: the real load and the real pynvml, on stand-ins for the
driver's two libraries, where kernels of the one draw power in the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, wait_for
from energyctl import cli
from energyctl.campaign import acceptance
from energyctl.campaign.acceptance import document_of
from energyctl.meters.acceptance.judgements import Finding
from energyctl.meters.acceptance.record import STEPS
from energyctl.system.lock import lock
from hardware.compiled import library_folder
from hardware.nvml import build, environment

DELAY = 0.04
QUICK = """
import json, sys
from energyctl.campaign.acceptance import accept
from energyctl.meters.acceptance.steps import Schedule
quick = Schedule(
    quiet_seconds=0.5, counter_seconds=0.4, idle_parts=2, idle_part_seconds=0.15,
    pulses=PULSES, pulse_seconds=0.16, rhythm_seconds=0.2, level_seconds=0.3, settle_seconds=0.1,
    work_seconds=0.08, repeats=3, repeat_seconds=0.15, around_seconds=0.15, null_seconds=0.15,
    rest_seconds=0.05,
)
print(json.dumps(accept(GPU, lambda finding: None, quick)))
"""


def in_world(folder: Path) -> dict[str, str]:
    """Of a process in a machine with two GPUs that are 70 W idle and show energy 40 ms late."""
    settings = {"STEP": "0.02", "AVERAGE": "0.1", "WAVE": "constant 70", "DELAY": str(DELAY)}
    own = {
        "ENERGYCTL_LOCK": str(folder / "lock"),
        "ENERGYCTL_ACCEPTANCE": str(folder / "kept"),
        "ENERGYCTL_POWERCAP": str(folder / "none"),
        "ENERGYCTL_PERF": str(folder / "none"),
        "FAKE_ACTIVITY": str(folder),
    }
    return {**environment(library_folder(), **settings), **own}


def quick(gpu: int | None, pulses: int) -> list[str]:
    """A command that accepts it, in seconds."""
    code = QUICK.replace("GPU", str(gpu)).replace("PULSES", str(pulses))
    return [sys.executable, "-c", code]


def test_the_first_gpu_is_accepted_by_its_counter_under_known_loads(tmp_path: Path) -> None:
    done = subprocess.run(
        quick(gpu=None, pulses=6),
        env=in_world(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    findings = {step["step"]: step for step in found["steps"]}
    assert tuple(findings) == STEPS
    # What a machine that is busy with other tests may blur is judged on simulated clocks.
    delay = findings["delay"]["figures"]
    assert delay["delay_seconds"] == pytest.approx(DELAY, abs=0.015)
    assert findings["counter"]["figures"]["update_seconds"] == pytest.approx(0.02, rel=0.2)
    assert findings["idle"]["figures"]["watts"] == pytest.approx([70, 70], rel=0.1)
    steady = findings["steady"]["figures"]
    assert steady["counter_watts"] == pytest.approx([160, 250, 370], rel=0.1)
    assert steady["reading_watts"] == pytest.approx(steady["counter_watts"], rel=0.1)
    per_unit = findings["work"]["figures"]["joules_per_unit"].values()
    assert list(per_unit) == pytest.approx([0.3, 0.3, 0.3], rel=0.2)
    (kept,) = (tmp_path / "kept").iterdir()
    assert json.loads(kept.read_text())["steps"] == found["steps"]
    assert found["gpu"]["uuid"] in kept.name
    assert (found["gpu"]["index"], found["gpu"]["vbios"]) == (0, "96.00")


def test_a_control_c_ends_the_load_and_keeps_nothing(tmp_path: Path) -> None:
    popen = subprocess.Popen(
        quick(gpu=1, pulses=100_000),
        env=in_world(tmp_path), cwd=tmp_path, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: kernels(tmp_path) > 15, "pulses")  # it warms up with some 14
        popen.send_signal(signal.SIGINT)
        assert popen.wait(60) != 0
    finally:
        popen.kill()
        popen.wait()
    assert not list((tmp_path / "kept").iterdir())
    assert not loads_of(tmp_path)


def kernels(folder: Path) -> int:
    """How many the second GPU has run."""
    return (folder / "gpu-1").stat().st_size // 32 if (folder / "gpu-1").exists() else 0


def loads_of(folder: Path) -> list[str]:
    """Processes with that folder in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if str(folder).encode() in (entry / "environ").read_bytes():
                    found.append(entry.name)
            except OSError:
                continue
    return found


def test_what_the_machine_cannot_is_a_line_and_exit_code_3(bench: Bench, tmp_path: Path) -> None:
    def refused(env: dict[str, str], text: str) -> None:
        done = bench.run("doctor", "--accept", env=env)
        assert (done.returncode, done.stdout) == (3, "")
        assert text in done.stderr
        assert "Traceback" not in done.stderr

    refused({"LD_LIBRARY_PATH": str(tmp_path)}, "there is no GPU to accept: ")
    world = in_world(tmp_path)
    (tmp_path / "processes").write_text("0 4711 10 c\n")
    used = {**world, "FAKE_PROCESSES": str(tmp_path / "processes")}
    refused(used, "the GPU is in use (pid 4711): end that first")
    refused({**world, "FAKE_DENY": "nvmlDeviceGetTotalEnergyConsumption"}, "cannot be accepted")
    (tmp_path / "file").touch()
    refused({**world, "ENERGYCTL_ACCEPTANCE": str(tmp_path / "file")}, "cannot be kept in")
    (tmp_path / "nvml").mkdir()
    without = {**world, "LD_LIBRARY_PATH": str(build(tmp_path / "nvml"))}
    refused(without, "the GPU cannot be put to work: the driver's CUDA library cannot be opened")


def test_a_campaign_that_runs_is_not_disturbed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = in_world(tmp_path)
    monkeypatch.setenv("ENERGYCTL_LOCK", world["ENERGYCTL_LOCK"])
    with lock("trial", tmp_path):
        done = bench.run("doctor", "--accept", env=world)
    assert done.returncode == 3
    assert "another campaign holds this machine: 'trial'" in done.stderr


@pytest.mark.parametrize("option", ["--gpu", "--wall"])
def test_what_an_option_is_of_is_said(bench: Bench, option: str) -> None:
    done = bench.run("doctor", option, "1")
    assert (done.returncode, f"{option} is of --accept" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        ("time,watts\n1,2\n2,3\n3,4\n", "is the wall meter recording into it"),
        ("when,power\n", "its first line must be time,watts"),
    ],
)
def test_a_wall_meter_must_be_recording(bench: Bench, content: str | None, says: str) -> None:
    if content is not None:
        (bench.root / "wall.csv").write_text(content)
    done = bench.run("doctor", "--accept", "--wall", "wall.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


@pytest.mark.parametrize(
    ("steps", "wall", "code"),
    [({}, None, 0), ({}, True, 0), ({}, False, 1), ({"alias": False}, None, 1)],
)
def test_the_exit_code_says_whether_all_passed(
    steps: dict[str, bool],
    wall: bool | None,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    walled = None if wall is None else Finding("wall", wall, "")
    document = document_of({"uuid": "GPU-1", "index": 0}, findings(**steps), 1.0, walled)
    monkeypatch.setattr(acceptance, "accept", lambda *_, **__: document)
    assert cli.run(["doctor", "--accept", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == document


def findings(**passed: bool) -> list[Finding]:
    figures = {"delay_seconds": 0.1, "within_seconds": 0.002}
    return [Finding(step, passed.get(step, True), "", figures) for step in STEPS]


def test_a_record_holds_what_its_own_step_found() -> None:
    accepted = document_of({}, findings(), 1.0)
    assert (accepted["verdict"], accepted["delay_seconds"]) == ("accepted", 0.1)
    assert accepted["part_time"] is False
    noisy = document_of({}, findings(idle=False), 1.0)
    assert (noisy["verdict"], noisy["delay_seconds"]) == ("failed", 0.1)
    blurred = document_of({}, findings(delay=False, alias=False), 1.0)
    assert (blurred["delay_seconds"], blurred["delay_within_seconds"]) == (None, None)
    assert blurred["part_time"] is True
    stopped = document_of({}, findings()[:2], 1.0)
    assert (stopped["delay_seconds"], stopped["part_time"]) == (None, None)
    assert stopped["verdict"] == "failed"
