"""What a run wrote into the users' clones, and beside them, is named with what would hold it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from energyctl.campaign.training.clone_changes import CloneWatch
from energyctl.campaign.training.invocations import Trainings
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Registry, Repository


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "repos" / "net"
    for place in (".git", "runs", "src"):
        (folder / place).mkdir(parents=True)
    (folder / "src" / "state").write_text("before")
    return folder


def watch(root: Path, results: str = "results", **fields: Any) -> CloneWatch:
    repository = Repository("net", "repos/net", ("m",), (), **fields)
    trainings = Trainings(Registry({"net": repository}, {}), root, "python", {})
    run = Run(1, 0, 1, "default", Training("net", "m", {}))
    return CloneWatch(trainings, run, root / results)


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("by the run")


LINKS = '"workspace": {"kind": "links", '
COPY = '"workspace": "copy" in the registry would have held it'
CHANGES = [
    ("in_place", ["runs/1/log", "runs/1/more"], "runs/1", LINKS + '"writes": ["runs"]}'),
    ("in_place", ["best.pth"], "best.pth", '"workspace": {"kind": "links"} in the registry'),
    ("in_place", ["src/state"], "src/state", COPY),
    ("in_place", ["../data/images"], "../data", LINKS + '"shared": ["../data"]}'),
    ("links", ["runs/log"], "runs/log", LINKS + '"writes": ["model", "runs"]}'),
    ("links", ["best.pth"], "best.pth", COPY),
    ("copy", ["runs/log"], "runs/log", "it writes there by a path of its own"),
    ("empty", [f"{n}.pth" for n in range(9)], "0.pth, 1.pth, 2.pth, 3.pth, 4.pth and 4 more", ""),
]


@pytest.mark.parametrize(("kind", "written", "named", "cure"), CHANGES)
def test_what_was_written_is_named_with_the_workspace_that_would_have_held_it(
    clone: Path, tmp_path: Path, kind: str, written: list[str], named: str, cure: str
) -> None:
    seen = watch(tmp_path, workspace=kind, writes=("model",) if kind == "links" else ())
    for path in written:
        write(clone / path)
    (line,) = seen.warnings()
    assert line.startswith(f"a clone changed during the run: {clone}: {named}; ")
    assert cure in line


def test_what_is_gone_or_of_another_time_is_named(clone: Path, tmp_path: Path) -> None:
    seen = watch(tmp_path)
    (clone / "runs").rmdir()
    os.utime(clone / "src" / "state", ns=(1, 1))
    (line,) = seen.warnings()
    assert f"a clone changed during the run: {clone}: runs, src/state; " in line


def test_what_is_expected_is_none_of_it(clone: Path, tmp_path: Path) -> None:
    seen = watch(tmp_path, keep=("runs/*/best.pth",), delete=("runs/*", "out"))
    for path in (".git/index", "runs/1/best.pth", "runs/log", "out/a/b", "../../results/E.json"):
        write(clone / path)
    assert seen.warnings() == []


def test_results_inside_the_clone_are_none_of_it(clone: Path, tmp_path: Path) -> None:
    seen = watch(tmp_path, results="repos/net/results")
    write(clone / "results" / "E.json")
    assert seen.warnings() == []


def test_the_whole_workspace_is_no_clone(tmp_path: Path) -> None:
    repository = Repository("net", None, ("m",), ())
    trainings = Trainings(Registry({"net": repository}, {}), tmp_path, "python", {})
    run = Run(1, 0, 1, "default", Training("net", "m", {}))
    seen = CloneWatch(trainings, run, tmp_path / "results")
    write(tmp_path / "supervisord.conf")
    assert seen.warnings() == []
