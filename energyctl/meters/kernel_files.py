"""Small files of the kernel: what one holds, and the cure where only root may read it."""

from __future__ import annotations

import contextlib
from pathlib import Path


def text(path: Path) -> str | None:
    """None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def number(path: Path) -> int | None:
    """None where it cannot be read, or is none."""
    with contextlib.suppress(ValueError):
        return int(text(path) or "")
    return None


def only_root(path: object) -> str:
    """Why a file may not be read, and what to do."""
    return f"only root may read {path}: sudo chmod a+r {path} lets all users, until the next boot"
