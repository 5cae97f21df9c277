"""Runs of blocks begin as warm as each other, on GPUs whose temperature a file holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import Bench, wait_for
from hardware.compiled import library_folder
from hardware.nvml import environment

FRONT: dict[str, Any] = {"repo": "front", "model": "small", "hyperparameters": {"seconds": 0.3}}
BACK = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.2}}


@pytest.fixture
def celsius(bench: Bench, tmp_path: Path) -> Path:
    file = tmp_path / "celsius"
    file.write_text("45")
    bench.env |= environment(library_folder(), STEP="0.02", WAVE="constant 70")
    bench.env["FAKE_CELSIUS"] = str(file)
    return file


def warm(celsius: Path, degrees: int) -> None:
    """Never half-written."""
    fresh = celsius.with_suffix(".new")
    fresh.write_text(str(degrees))
    fresh.replace(celsius)


def moving(bench: Bench) -> str:
    try:
        return str(json.loads((bench.runtime / "state.json").read_text())["moving"])
    except (OSError, ValueError):
        return ""


def test_a_run_in_blocks_waits_until_the_gpus_are_as_cool(bench: Bench, celsius: Path) -> None:
    conditions = {"alone": None, "beside": BACK}
    name = bench.settings(experiments=[{**FRONT, "conditions": conditions}], idle_seconds=1)
    started = bench.start("run", name)
    wait_for(lambda: any(one["role"] == "foreground" for one in bench.trials), "the training")
    warm(celsius, 60)
    wait_for(lambda: "GPU 0 at 60 °C, 45 °C then" in moving(bench), "the gate")
    assert len(bench.results()) <= 1
    warm(celsius, 47)  # within the tolerance
    out, err = started.communicate(timeout=60)
    assert started.returncode == 0, out + err
    assert len(bench.results()) == 2
    assert not [w for one in bench.results() for w in one["warnings"] if "warmer" in w]


def test_without_blocks_no_run_waits(bench: Bench, celsius: Path) -> None:
    experiment = {**FRONT, "mode": "default", "runs_per_config": 2}
    started = bench.start("run", bench.settings(experiments=[experiment], idle_seconds=1))
    wait_for(lambda: bench.trials, "the first training")
    warm(celsius, 60)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 0, out + err
    assert len(bench.results()) == 2
