"""At which commit a clone is, read from its files: git itself would run what its settings name."""

from __future__ import annotations

import re
from pathlib import Path

from energyctl.system.files import read_regular

LARGEST_BYTES = 16 * 2**20
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def commit_of(folder: Path) -> str | None:
    """The commit that is checked out in *folder*; None: it is no clone of git, or has none yet.
    Whether files of it differ is not looked at (gitrepository-layout(5))."""
    return _head(folder / ".git") if (folder / ".git").exists() else None


def _head(git: Path) -> str | None:
    if git.is_file():  # of a worktree or a submodule
        git = git.parent / _line(git).removeprefix("gitdir:").strip()
    head = _line(git / "HEAD")
    if not head.startswith("ref:"):
        return _commit(head)
    name = head.removeprefix("ref:").strip()
    common = git / (_line(git / "commondir") or ".")
    for place in (git, common):
        if found := _commit(_line(place / name)):
            return found
    for line in _text(common / "packed-refs").splitlines():
        commit, _, of = line.partition(" ")
        if of == name:
            return _commit(commit)
    return None


def _commit(text: str) -> str | None:
    return text if COMMIT.fullmatch(text) else None


def _line(path: Path) -> str:
    return _text(path).partition("\n")[0].strip()


def _text(path: Path) -> str:
    try:
        return read_regular(path, LARGEST_BYTES).decode(errors="replace")
    except OSError:
        return ""
