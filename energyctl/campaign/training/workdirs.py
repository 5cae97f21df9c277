"""The folder that a training works in, fresh for each run and role.

A clone that two trainings share stays as it was cloned, and neither writes over the other: each
gets a folder of links to the clone with real folders where the program writes (``links``), a copy
(``copy``), or an empty one (``empty``). They lie in ``results/work_E`` and go at the end of the
run, but for the outputs that the registry keeps, which go to ``results/outputs_E``.
"""

from __future__ import annotations

import glob
import os
import platform
import shutil
from collections.abc import Sequence
from pathlib import Path

from energyctl.config.registry import Repository
from energyctl.errors import RunError
from energyctl.results.paths import WORK_FOLDERS
from energyctl.system import processes

LEFT_OUT = ".git"
"""Not a part of what is run, and often larger than it."""

OWNER = ".owner"
"""Pid, start (clock ticks since boot) and machine of the energyctl that made the folder."""


def make(repository: Repository, clone: Path, folder: Path) -> Path:
    """Makes *folder* as the repository asks; returns where the training works: the clone itself
    where it is ``in_place``. Raises RunError where it cannot be made."""
    if repository.workspace == "in_place":
        return clone
    try:
        remove(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _mark(folder.parent)
        folder.mkdir()
        if repository.workspace == "copy":
            _copy(clone, folder)
        elif repository.workspace == "links":
            _link(clone, folder, [Path(name) for name in repository.writes])
        for name in repository.writes:
            (folder / name).mkdir(parents=True, exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise RunError(
            f"{repository.name}: cannot make its working folder {folder}: {error}"
        ) from error
    return folder


def _mark(work: Path) -> None:
    """Notes whose folder it is: a results folder may be shared by several machines."""
    own = processes.identify(os.getpid())
    if own is not None:
        (work / OWNER).write_text(f"{own.pid} {own.ticks} {_here()}\n")


def _here() -> str:
    """This machine; containers have pids of their own (pid_namespaces(7))."""
    return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"


def sweep(results: Path) -> list[str]:
    """Removes the folders of runs whose energyctl was killed on this machine; a line for each."""
    swept = []
    for owner in sorted(results.glob(f"{WORK_FOLDERS}/{OWNER}")):
        try:
            pid, ticks, host = owner.read_text().split(maxsplit=2)
            if host.strip() == _here() and not processes.identify(int(pid), int(ticks)):
                remove(owner.parent)
                swept.append(f"removed {owner.parent}")
        except (OSError, ValueError):
            continue
    return swept


def _copy(clone: Path, folder: Path) -> None:
    """A hard copy; links stay links."""
    for entry in os.scandir(clone):
        if entry.name == LEFT_OUT:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.copytree(entry.path, folder / entry.name, symlinks=True)
        else:
            shutil.copy2(entry.path, folder / entry.name, follow_symlinks=False)


def _link(clone: Path, folder: Path, writes: Sequence[Path]) -> None:
    """Links to the entries of *clone*; the folders of *writes* are left out, and their parents
    are real folders with links in them."""
    inside: dict[str, list[Path]] = {}
    for path in writes:
        first, *rest = path.parts
        inside.setdefault(first, []).extend([Path(*rest)] if rest else [])
    whole = {path.parts[0] for path in writes if len(path.parts) == 1}
    for entry in sorted(os.listdir(clone)):
        if entry == LEFT_OUT or entry in whole:
            continue
        source, target = clone / entry, folder / entry
        if inside.get(entry) and source.is_dir():
            target.mkdir()
            _link(source, target, inside[entry])
        else:
            target.symlink_to(source)


def newest(folder: Path, pattern: str) -> Path | None:
    """The newest file or folder that matches *pattern*, relative to *folder*; None where none."""
    found = []
    for name in glob.glob(os.path.join(glob.escape(str(folder)), pattern)):
        try:
            found.append((os.stat(name).st_mtime_ns, name))
        except OSError:
            continue  # it went, or is a broken link
    return Path(max(found)[1]) if found else None


def matches(folder: Path, patterns: Sequence[str]) -> set[Path]:
    """What matches any of *patterns*, relative to *folder*."""
    escaped = glob.escape(str(folder))
    names = (name for pattern in patterns for name in glob.glob(os.path.join(escaped, pattern)))
    return {Path(name) for name in names}


def keep(
    folder: Path, patterns: Sequence[str], target: Path, *, since: float | None = None
) -> list[str]:
    """Takes what matches *patterns* in *folder* to *target*, under the same names; a line for
    each that cannot be.

    *since* (Unix seconds): copies what is that new; None: moves all of it. Of a link to a file the
    file is kept, which may change with the clone; a link to a folder stays one.
    """
    problems = []
    for source in sorted(matches(folder, patterns)):
        into = target / source.relative_to(folder)
        try:
            if since is not None and source.stat().st_mtime < since:
                continue
            into.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink() and source.is_dir():
                into.symlink_to(source.resolve())  # it may be all of a data set
            elif since is None and not source.is_symlink():
                shutil.move(source, into)
            elif source.is_dir():
                shutil.copytree(source, into, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(source, into)
        except (OSError, shutil.Error) as error:
            problems.append(f"the output {source} cannot be kept: {error}")
    return problems


def delete(paths: set[Path]) -> list[str]:
    """Removes files and folders; a line for each that cannot be."""
    problems = []
    for path in sorted(paths):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            problems.append(f"the output {path} cannot be removed: {error.strerror}")
    return problems


def remove(folder: Path) -> None:
    """Removes the working folders of a run; what a link points to stays."""
    shutil.rmtree(folder, ignore_errors=True)
