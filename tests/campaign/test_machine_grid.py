"""A campaign over power limits, from its settings to what its end and `compare` say."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import energyctl
from bench import Bench
from hardware.compiled import library_folder
from hardware.nvml import environment

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root sets limits of GPUs")


def test_levels_of_a_limit_are_compared_in_their_blocks(bench: Bench, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    for file in library_folder().iterdir():
        (library / file.name).symlink_to(file)
    bench.env |= environment(library, GPUS="1", STEP="0.02", WAVE="constant 70")
    experiment = {
        "repo": "front", "model": "small", "mode": "grid", "runs_per_config": 2,
        "hyperparameters": {"seconds": 0.5}, "grid": {"gpu_power_limit_watts": [200, 300]},
    }  # fmt: skip
    done = bench.run("run", bench.settings(experiments=[experiment]))
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert "gpu_power_limit_watts 200" in shown
    assert "against 300 W" in shown
    assert "nothing to compare" not in shown
    compared = bench.look("compare", "--by", "gpu_power_limit_watts", "--json")
    document = json.loads(compared.stdout)
    (main,) = (one for one in document["comparisons"] if one["measure"] == "total_joules")
    assert (main["a"]["name"], main["b"]["name"]) == ("300 W", "200 W")
    assert (main["design"], main["n"]) == ("blocks", 2)
    assert not [line for line in main["below"] if "enforced" in line or "of different" in line]
    rows = energyctl.load(bench.root / "results").table()
    assert set(rows["enforced_gpu_power_limit_watts"]) == {"200", "300"}
