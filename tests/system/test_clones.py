"""At which commit a clone is, as git itself says it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from energyctl.system.clones import commit_of

SAFE = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *SAFE, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init")
    git(folder, "commit", "--allow-empty", "-m", "first")
    git(folder, "commit", "--allow-empty", "-m", "second")
    return folder


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def test_the_commit_of_a_branch_packed_or_not_and_of_none(clone: Path) -> None:
    assert commit_of(clone) == head(clone)
    git(clone, "pack-refs", "--all")
    assert not (clone / ".git/refs/heads/main").exists()
    assert commit_of(clone) == head(clone)
    git(clone, "checkout", "--detach", "HEAD~1")
    assert commit_of(clone) == head(clone) == git(clone, "rev-parse", "main~1")


def test_the_commit_of_a_worktree_is_its_own(clone: Path, tmp_path: Path) -> None:
    git(clone, "worktree", "add", "-b", "other", str(tmp_path / "tree"), "HEAD~1")
    assert commit_of(tmp_path / "tree") == head(tmp_path / "tree") != head(clone)
    git(clone, "pack-refs", "--all")
    assert commit_of(tmp_path / "tree") == head(tmp_path / "tree")


def test_what_is_no_clone_has_none(clone: Path, tmp_path: Path) -> None:
    inside = clone / "folder"
    inside.mkdir()
    assert commit_of(inside) is None  # a folder of the clone may be a clone that git does not know
    assert commit_of(tmp_path / "missing") is None
    (clone / ".git/HEAD").write_text("ref: refs/heads/../../../../etc/passwd\n")
    assert commit_of(clone) is None
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init")
    assert commit_of(tmp_path / "empty") is None
