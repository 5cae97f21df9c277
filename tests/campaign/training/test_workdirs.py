"""The folder that a training works in: nothing outside of it is moved, removed or written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from energyctl.campaign.training import workdirs
from energyctl.config.registry import Repository
from energyctl.errors import RunError


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with code, weights, old results, and links out of it and inside it."""
    folder = tmp_path / "repos" / "net"
    (folder / "src" / "deep").mkdir(parents=True)
    (folder / "weights").mkdir()
    (folder / "src" / "train.py").write_text("code")
    (folder / "src" / "deep" / "model.py").write_text("code")
    (folder / "weights" / "pretrained.pth").write_text("old")
    (folder / "alias.py").symlink_to("src/train.py")
    (tmp_path / "repos" / "set").mkdir()
    (tmp_path / "repos" / "set" / "images").write_text("data")
    (folder / "images").symlink_to("../set")
    return folder


def made(clone: Path, **fields: Any) -> Path:
    """The folder of a run, as a repository with these *fields* asks for it."""
    repository = Repository("net", "repos/net", ("m",), (), **fields)
    return workdirs.make(repository, clone, clone.parent.parent / "results" / "work_E" / "fg")


def tree(folder: Path) -> dict[str, str]:
    """Every file below *folder*, not followed through links, with its text."""
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_kept_files_behind_a_link_are_copied_and_those_of_the_run_are_moved(clone: Path) -> None:
    before = tree(clone)
    folder = made(clone, workspace="links", keep=("weights/*.pth",))
    (folder / "weights" / "new.pth").write_text("new")
    (folder / "elsewhere").symlink_to(clone / "src")
    kept = folder.parent / "kept"
    assert workdirs.keep(folder, ["weights/*.pth", "elsewhere/*.py"], kept) == []
    assert tree(kept) == {
        "weights/pretrained.pth": "old", "weights/new.pth": "new", "elsewhere/train.py": "code",
    }  # fmt: skip
    assert not (folder / "weights" / "new.pth").exists()
    assert tree(clone) == before


def test_where_it_works_writes_or_keeps_are_folders_of_the_run(clone: Path) -> None:
    before = tree(clone)
    folder = made(
        clone,
        workspace="links",
        cwd="src/deep",
        writes=("src/logs/",),
        keep=("weights/*/best.pth",),
    )
    for place in ("src", "src/deep", "src/logs", "weights"):
        assert not (folder / place).is_symlink()
        (folder / place / "written").write_text("by the run")
    assert (folder / "src" / "deep" / "model.py").read_text() == "code"
    assert (folder / "weights" / "pretrained.pth").read_text() == "old"
    assert tree(clone) == before


@pytest.mark.parametrize("kind", ["links", "copy"])
def test_what_is_written_to_is_no_link_out_of_the_clone(clone: Path, kind: str) -> None:
    folder = made(clone, workspace=kind, writes=("images/cache",))
    (folder / "images" / "cache" / "file").write_text("by the run")
    assert (folder / "images" / "images").read_text() == "data"
    assert tree(clone.parent / "set") == {"images": "data"}


def test_links_of_a_copy_lead_where_those_of_the_clone_do(clone: Path) -> None:
    folder = made(clone, workspace="copy")
    assert (folder / "alias.py").resolve() == folder / "src" / "train.py"
    assert (folder / "images").resolve() == clone.parent / "set"


@pytest.mark.parametrize("kind", ["links", "copy", "empty"])
def test_shared_folders_are_those_of_the_clone_for_all_runs(clone: Path, kind: str) -> None:
    (clone / "cache").mkdir()
    for _ in range(2):  # the second role finds the link of the first
        folder = made(clone, workspace=kind, shared=("../set", "cache"))
        assert (folder / ".." / "set" / "images").read_text() == "data"
        assert (folder / "cache").resolve() == clone / "cache"
    with pytest.raises(RunError, match=r"its shared folder is missing; make it: mkdir -p .*none"):
        made(clone, workspace=kind, shared=("../none",))
    assert not (clone.parent / "none").exists()


def test_only_what_lies_in_the_folder_is_removed(clone: Path) -> None:
    found = workdirs.matches(clone, ["weights/*", "images/*", "alias.py"])
    (line,) = workdirs.delete(clone, found)
    assert f"an output is left where it is: a link leads to {clone}/images/images" in line
    assert tree(clone.parent / "set") == {"images": "data"}
    assert not (clone / "weights" / "pretrained.pth").exists()
    assert not (clone / "alias.py").is_symlink()
    assert (clone / "src" / "train.py").exists()
