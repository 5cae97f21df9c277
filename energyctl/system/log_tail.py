"""The end of a file that another process writes."""

from __future__ import annotations

import os
from pathlib import Path

TAIL_BYTES = 4000  # of a log: its last lines, also where they are long


def tail(path: Path, most: int = TAIL_BYTES, begin: int = 0) -> str:
    """The last bytes of *path*, *most* at most and none before *begin*; "" where there is none."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(begin, size - most))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def last_line(log: Path) -> str:
    """The last line that the training printed (also one that ends in a carriage return)."""
    return next(iter(last_lines(log, 1)), "")


def last_lines(log: Path, count: int) -> list[str]:
    """The last that are not empty; what a progress display overwrote counts as lines."""
    lines = tail(log).replace("\r", "\n").splitlines()
    return [line.strip() for line in lines if line.strip()][-count:]
