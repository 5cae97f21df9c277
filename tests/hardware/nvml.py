"""Builds the stand-in for the NVIDIA driver's library, and the environment that finds it."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from hardware.compiled import library_folder
from hardware.waveform import Square

WAVE = Square(low=80, high=300)


def build(directory: Path) -> Path:
    """A libnvidia-ml.so.1 in `directory`; skips the test where there is no C compiler."""
    shutil.copy(library_folder() / "libnvidia-ml.so.1", directory)
    return directory


def environment(library: Path, **settings: str) -> dict[str, str]:
    """For a child process that shall see the GPUs. settings: of fake_nvml.c, without FAKE_."""
    env = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    env["LD_LIBRARY_PATH"] = str(library)
    env["FAKE_EPOCH"] = f"{time.time() - 5:.6f}"
    env["FAKE_WAVE"] = WAVE.spec
    return env | {f"FAKE_{name}": value for name, value in settings.items()}
