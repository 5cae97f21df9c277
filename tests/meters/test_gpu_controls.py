"""What power limits and clocks GPUs take, as the driver tells it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from energyctl.meters.gpu_controls import GpuControls
from hardware.nvml import build, environment

CLOCKS = tuple(range(210, 1981, 15))
GPU = GpuControls(0, "GPU-1", 350.0, 350.0, 100.0, 400.0, CLOCKS)
ASK = """
import json
from dataclasses import asdict
from energyctl.meters.gpu_controls import all_gpu_controls
print(json.dumps([asdict(gpu) for gpu in all_gpu_controls()]))
"""


def told(library: Path, **settings: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env=environment(library, **settings),
        check=True,
        capture_output=True,
    )
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


def test_limits_and_clocks_are_the_drivers(library: Path) -> None:
    first, second = told(library)
    assert (first["index"], second["index"]) == (0, 1)
    assert first["uuid"] != second["uuid"]
    for gpu in (first, second):
        assert (gpu["limit_watts"], gpu["enforced_watts"]) == (350.0, 350.0)
        assert (gpu["least_watts"], gpu["most_watts"]) == (100.0, 400.0)
        assert gpu["clocks_mhz"] == list(CLOCKS)


def test_what_a_gpu_does_not_tell_is_null(library: Path) -> None:
    denied = "nvmlDeviceGetPowerManagementLimitConstraints,nvmlDeviceGetEnforcedPowerLimit"
    gpu, _ = told(library, DENY=f"{denied},nvmlDeviceGetSupportedMemoryClocks")
    assert (gpu["least_watts"], gpu["most_watts"], gpu["enforced_watts"]) == (None, None, None)
    assert gpu["clocks_mhz"] == []
    assert gpu["limit_watts"] == 350.0


def test_a_gpu_that_does_not_tell_is_named(library: Path) -> None:
    ask = "from energyctl.meters.gpu_controls import gpu_controls\ngpu_controls(['GPU-7'])"
    done = subprocess.run(
        [sys.executable, "-c", ask], env=environment(library), capture_output=True, text=True
    )
    assert done.stderr.strip().endswith(
        "the NVIDIA driver does not tell what is set on GPU-7: nvidia-smi may tell why"
    )


def test_no_driver_is_no_gpu(library: Path) -> None:
    assert told(library, INIT="9") == []


@pytest.mark.parametrize("watts", [100, 250.5, 400])
def test_a_limit_within_the_bounds_is_taken(watts: float) -> None:
    assert GPU.limit_problem(watts) is None


@pytest.mark.parametrize("watts", [99.9, 401, 700])
def test_a_limit_beyond_them_is_told_with_them(watts: float) -> None:
    assert GPU.limit_problem(watts) == f"the driver takes 100 to 400 W, not {watts:g} W"


def test_a_gpu_without_bounds_takes_no_limit() -> None:
    silent = GpuControls(1, "GPU-2", 350.0, None, None, None, ())
    assert silent.limit_problem(300) == "there is no power limit that can be set"
    assert silent.clock_problem(1200) == "the driver does not tell to which clocks it can be locked"


@pytest.mark.parametrize(
    ("mhz", "near"), [(1201, "1200, 1215"), (2500, "1980"), (1, "210"), (211, "210, 225")]
)
def test_a_clock_that_there_is_not_is_told_with_its_neighbours(mhz: int, near: str) -> None:
    assert GPU.clock_problem(mhz) == f"there is no clock of {mhz} MHz; near it are {near} MHz"
    assert GPU.clock_problem(1200) is None
