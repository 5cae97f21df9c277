"""Programs that are asked something: without our terminal, and for so long only."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any


def answer(words: Sequence[str], seconds: float, **how: Any) -> subprocess.CompletedProcess[str]:
    """What a program says, and its exit code. how: as `subprocess.run` takes it.

    Raises OSError where it cannot be started, subprocess.TimeoutExpired.
    """
    return subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=seconds,
        check=False,
        **how,
    )


def last_line(said: str) -> str:
    """Of what a program said on its standard error: most give their reason there."""
    return (said.strip().splitlines() or ["it says nothing"])[-1]
