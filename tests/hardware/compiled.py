"""Compiles the C stand-ins, each once per process."""

from __future__ import annotations

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
    command = [compiler, "-O2", *flags, "-o", str(target), str(SOURCES / source), "-lm"]
    subprocess.run(command, check=True)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="stand-ins-")


@cache
@cache
def program(name: str) -> Path:
    """The compiled `name`.c."""
    target = Path(_folder().name) / name
    compile(f"{name}.c", target)
    return target


@cache
def library_folder() -> Path:
    """A folder with the stand-ins for libnvidia-ml.so.1 and libcuda.so.1."""
    folder = Path(_folder().name)
    compile("fake_nvml.c", folder / "libnvidia-ml.so.1", "-shared", "-fPIC")
    compile("fake_cuda.c", folder / "libcuda.so.1", "-shared", "-fPIC")
    return folder


@cache
def jumping_clock() -> Path:
    """To be preloaded: a clock that a file sets, see its source."""
    target = Path(_folder().name) / "jumping_clock.so"
    compile("jumping_clock.c", target, "-shared", "-fPIC")
    return target
