"""How the tests run a benchmark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hardware.compiled import program

BENCHMARKS = Path(__file__).parent


def printed(
    name: str, *arguments: str, codes: tuple[int, ...] = (0, 1), seconds: float = 120.0
) -> str:
    """What a benchmark prints; it may miss its bars, but not break."""
    program("foreground")  # skips the test where nothing can be compiled
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode in codes, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout
