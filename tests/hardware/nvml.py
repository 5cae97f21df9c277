"""Builds the stand-in for the NVIDIA driver's library, and the environment that finds it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from hardware.waveform import Square

SOURCE = Path(__file__).with_name("fake_nvml.c")
WAVE = Square(low=80, high=300)


def build(directory: Path) -> Path:
    """Compiles libnvidia-ml.so.1 into `directory`; skips the test where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) to build the stand-in for libnvidia-ml.so.1")
    library = directory / "libnvidia-ml.so.1"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-lm"]
    subprocess.run(command, check=True)
    return directory


def environment(library: Path, **settings: str) -> dict[str, str]:
    """For a child process that shall see the GPUs. settings: of fake_nvml.c, without FAKE_."""
    env = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    env["LD_LIBRARY_PATH"] = str(library)
    env["FAKE_EPOCH"] = f"{time.time() - 5:.6f}"
    env["FAKE_LOW"], env["FAKE_HIGH"] = str(WAVE.low), str(WAVE.high)
    return env | {f"FAKE_{name}": value for name, value in settings.items()}
