"""What the record of an acceptance says of the GPU as it is now."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from energyctl.meters.acceptance import record
from energyctl.system import records
from hardware.nvml import build, environment

NOW = 1_800_000_000.0
GPU: dict[str, Any] = {
    "index": 0,
    "name": "Fake GPU 0",
    "uuid": "GPU-10000000-0000-0000-0000-000000000000",
    "driver": "580.1",
    "vbios": "96.00",
    "power_limit_watts": 350.0,
}


def document(**fields: Any) -> dict[str, Any]:
    passed = [{"step": step, "passed": True} for step in record.STEPS]
    return {
        "schema": 1,
        "date_unix": NOW,
        "gpu": GPU,
        "delay_seconds": 0.1,
        "delay_within_seconds": 0.003,
        "part_time": False,
        "steps": passed,
        "wall": None,
        **fields,
    }


def test_a_gpu_that_passed_is_accepted_with_its_delay() -> None:
    found = record.read(document(), GPU, NOW)
    assert found.verdict == "accepted"
    assert (found.delay_seconds, found.delay_within_seconds) == (0.1, 0.003)
    assert found.part_time is False
    assert found.claim == "accepted on 2027-01-15: 1 % between runs on this card"
    walled = record.read(document(wall={"passed": True}), GPU, NOW)
    assert "linear to 1 % against a wall meter" in walled.claim


def test_what_a_step_found_counts_where_another_failed() -> None:
    steps = [{"step": step, "passed": step != "idle"} for step in record.STEPS]
    found = record.read(document(steps=steps, part_time=None), GPU, NOW)
    assert (found.verdict, found.delay_seconds, found.part_time) == ("failed", 0.1, None)
    assert found.claim.endswith("(failed: idle): the accuracy of its counter is not known")
    begun = record.read(document(steps=steps[:1], delay_seconds=None), GPU, NOW)
    assert begun.why is not None
    assert begun.why.startswith("failed: counter, idle, delay")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"driver": "590.2"}, "the driver was 580.1 and is 590.2"),
        ({"vbios": None}, "the VBIOS was 96.00 and is not known"),
        ({"power_limit_watts": 300.0}, "the power limit was 350 W and is 300 W"),
    ],
)
def test_it_is_void_once_the_gpu_is_another(change: dict[str, Any], why: str) -> None:
    found = record.read(document(), {**GPU, **change}, NOW)
    assert (found.verdict, found.why) == ("void", why)
    assert (found.delay_seconds, found.part_time) == (None, None)


def test_it_is_void_after_90_days() -> None:
    assert record.read(document(), GPU, NOW + 89 * 86400).verdict == "accepted"
    found = record.read(document(), GPU, NOW + 91 * 86400)
    assert (found.verdict, found.why) == ("void", "it is older than 90 days")


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        document(schema=2),
        document(gpu=None),
        document(gpu={**GPU, "uuid": "GPU-2"}),
        document(date_unix=float("nan")),
        document(date_unix=1e300),
        document(date_unix="now"),
        document(steps=[]),
        document(steps=[1]),
        document(delay_seconds=1e9),
        document(delay_seconds=float("inf")),
        document(delay_seconds=0.1, delay_within_seconds=None),
        document(delay_seconds=True),
        document(part_time=1),
    ],
)
def test_what_is_no_record_of_this_gpu_accepts_nothing(content: Any) -> None:
    assert record.read(content, GPU, NOW).verdict == "none"


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _deep(path: Path) -> None:
    path.write_text("[" * 100_000)


def _large(path: Path) -> None:
    path.write_text(" " * (records.LARGEST_BYTES + 1))


def _binary(path: Path) -> None:
    path.write_bytes(b"\xff\x00")


@pytest.mark.parametrize("make", [_fifo, _deep, _large, _binary, Path.mkdir])
def test_whatever_stands_in_its_place_hinders_nothing(
    make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYCTL_ACCEPTANCE", str(tmp_path))
    make(record.path_of(GPU["uuid"]))
    assert record.acceptance_of(GPU).verdict == "none"


def test_it_is_kept_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "new" / "folder"
    monkeypatch.setenv("ENERGYCTL_ACCEPTANCE", str(folder))
    path = record.write(document())
    assert path.parent == folder
    assert json.loads(path.read_text())["gpu"] == GPU
    assert record.acceptance_of(GPU).delay_seconds == 0.1


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


def metered(library: Path, folder: Path, **settings: str) -> dict[str, Any]:
    """The domain gpu-0 of `energyctl meter`."""
    command = ["energyctl", "meter", "--gpus", "0", "--json", "/dev/stdout", "--", "sleep", "0.2"]
    env = {**environment(library, **settings), "ENERGYCTL_ACCEPTANCE": str(folder)}
    command = [sys.executable, "-m", *command]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    domains = json.loads(done.stdout)["energy"]["domains"]
    return next(domain for domain in domains if domain["name"] == "gpu-0")


def test_every_figure_of_an_accepted_gpu_says_so_and_uses_its_delay(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = metered(library, tmp_path)
    assert before["acceptance"]["verdict"] == "none"
    assert "assumed_delay" in before["budget"]
    monkeypatch.setenv("ENERGYCTL_ACCEPTANCE", str(tmp_path))
    record.write(document(date_unix=time.time()))
    accepted = metered(library, tmp_path)
    assert accepted["acceptance"]["verdict"] == "accepted"
    assert "delay" in accepted["budget"]
    assert "assumed_delay" not in accepted["budget"]
    void = metered(library, tmp_path, VBIOS="97.00")
    assert void["acceptance"]["verdict"] == "void"
    assert "assumed_delay" in void["budget"]
