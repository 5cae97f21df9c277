"""Compiles the C stand-ins, each once for all processes of a test run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent


def compile(source: str, target: Path, *flags: str) -> None:
    """Compiles `source` of this folder; skips the test where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip(f"no C compiler (cc) to build {source}, a stand-in that this test needs")
    fresh = target.with_suffix(".new")
    command = [compiler, "-O2", *flags, "-o", str(fresh), str(SOURCES / source), "-lm"]
    subprocess.run(command, check=True)
    fresh.replace(target)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="stand-ins-")


def _compiled(source: str, name: str, *flags: str) -> Path:
    """The file of that name in the folder of the test run (conftest.py), else of this process."""
    folder = Path(os.environ.get("STAND_INS") or _folder().name)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / name).exists():
            compile(source, folder / name, *flags)
    return folder / name


@cache
def program(name: str) -> Path:
    """The compiled `name`.c."""
    return _compiled(f"{name}.c", name)


@cache
def library(name: str, *flags: str) -> Path:
    """The compiled `name`.c, to be preloaded."""
    return _compiled(f"{name}.c", f"{name}.so", "-shared", "-fPIC", *flags)


@cache
def library_folder() -> Path:
    """A folder with the stand-ins for libnvidia-ml.so.1 and libcuda.so.1."""
    _compiled("fake_cuda.c", "libcuda.so.1", "-shared", "-fPIC")
    return _compiled("fake_nvml.c", "libnvidia-ml.so.1", "-shared", "-fPIC").parent
