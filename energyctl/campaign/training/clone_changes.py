"""What changed in the clones of a run, or was put beside them: by names, sizes and times."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from energyctl.campaign.training.invocations import Trainings
from energyctl.campaign.training.workdirs import LEFT_OUT
from energyctl.config.plan import Run
from energyctl.config.registry import Repository
from energyctl.config.registry.placeholders import with_wildcards
from energyctl.system.workspace import Workspace
from energyctl.text import first_of

MOST_ENTRIES = 100_000
"""Of a clone that are looked at, those near its top first: about half a second's work."""

SHOWN = 5

Entry = tuple[int, int] | None
"""Size in bytes and time of change in nanoseconds of a file or link; None: a folder."""


@dataclass(frozen=True)
class Changes:
    """Paths relative to the clone; of a folder that is new or gone only itself.

    beside: names that are new in the folder that holds the clone.
    """

    new: tuple[str, ...]
    others: tuple[str, ...]
    beside: tuple[str, ...]

    def __str__(self) -> str:
        names = [*self.new, *self.others, *(os.path.join("..", name) for name in self.beside)]
        return first_of(names, SHOWN)


@dataclass(frozen=True)
class CloneLook:
    """A clone's entries by their paths in it, and the names beside it, at one instant."""

    entries: Mapping[str, Entry]
    beside: frozenset[str]

    @classmethod
    def of(cls, clone: Path, without: Collection[str]) -> CloneLook:
        """But for ``.git``, the paths *without*, and what cannot be read."""
        cut = len(str(clone)) + 1
        entries = {found.path[cut:]: _entry(found) for found in walk(clone, without)}
        beside = (found.name for found in scan(str(clone.parent)) if found.path not in without)
        return cls(entries, frozenset(beside))

    def changes(self, later: CloneLook) -> Changes:
        """What differs in *later*."""
        before, after = self.entries, later.entries
        paths = {p for p in before.keys() | after.keys() if before.get(p, 0) != after.get(p, 0)}
        tops = sorted(p for p in paths if not any(str(above) in paths for above in Path(p).parents))
        return Changes(
            new=tuple(path for path in tops if path not in before),
            others=tuple(path for path in tops if path in before),
            beside=tuple(sorted(later.beside - self.beside)),
        )


def walk(folder: Path, without: Collection[str]) -> Iterator[os.DirEntry[str]]:
    """Entries below *folder*, those near its top first, about MOST_ENTRIES at most; but for
    ``.git``, the paths *without*, and what cannot be read. No link is followed."""
    folders, number = deque([str(folder)]), 0
    while folders and number < MOST_ENTRIES:
        for found in scan(folders.popleft()):
            if found.name == LEFT_OUT or found.path in without:
                continue
            number += 1
            if found.is_dir(follow_symlinks=False):
                folders.append(found.path)
            yield found


def scan(folder: str) -> Iterator[os.DirEntry[str]]:
    """In one order, whatever the file system's."""
    try:
        with os.scandir(folder) as found:
            yield from sorted(found, key=lambda entry: entry.name)
    except OSError:
        return


def _entry(found: os.DirEntry[str]) -> Entry:
    if found.is_dir(follow_symlinks=False):
        return None
    try:
        stat = found.stat(follow_symlinks=False)
    except OSError:  # it has just gone
        return 0, 0
    return stat.st_size, stat.st_mtime_ns


class CloneWatch:
    """The clones of a run as they were when this was made.

    What energyctl itself writes, *results* included, is not looked at; nor is the whole workspace
    where it is the clone.
    """

    def __init__(self, trainings: Trainings, run: Run, results: Path) -> None:
        root = trainings.root.resolve()
        self._without = {str(results.resolve()), str(Workspace(root).daemon_configuration)}
        used = [run.foreground, *(job.training for job in run.background)]
        self._repositories = {
            trainings.clone(one).resolve(): trainings.repository(one) for one in reversed(used)
        }
        self._repositories.pop(root, None)
        self._before = self._look()

    def _look(self) -> dict[Path, CloneLook]:
        return {clone: CloneLook.of(clone, self._without) for clone in self._repositories}

    def warnings(self) -> list[str]:
        """A line for each clone in which something is, or beside it, that was not to be expected:
        in place, what the registry keeps or deletes is."""
        lines = []
        for clone, now in self._look().items():
            repository = self._repositories[clone]
            changes = _unexpected(repository, self._before[clone].changes(now))
            if changes.new or changes.others or changes.beside:
                cure = _cure(repository, changes)
                lines.append(f"a clone changed during the run: {clone}: {changes}; {cure}")
        return lines


def _unexpected(repository: Repository, changes: Changes) -> Changes:
    if repository.workspace != "in_place":
        return changes
    outputs = [with_wildcards(output) for output in (*repository.keep, *repository.delete)]
    new, others = (
        tuple(path for path in paths if not any(leads_to(path, output) for output in outputs))
        for paths in (changes.new, changes.others)
    )
    return Changes(new, others, changes.beside)


def leads_to(path: str, output: str) -> bool:
    """Whether *path* is what the glob means, lies in such a folder, or is a folder above it."""
    return fnmatch(path, output) or fnmatch(path, f"{output}/*") or output.startswith(f"{path}/")


def _cure(repository: Repository, changes: Changes) -> str:
    """What in the registry would have held it."""
    if repository.workspace in ("copy", "empty"):
        return "it writes there by a path of its own, which the registry cannot turn elsewhere"
    inside = sorted({path.split("/")[0] for path in changes.new if "/" in path})
    whole = len(inside) < len({path.split("/")[0] for path in changes.new})
    if changes.others or (whole and repository.workspace == "links"):
        return '"workspace": "copy" in the registry would have held it'
    names = ", ".join(f'"{name}"' for name in (*repository.writes, *inside))
    writes = f', "writes": [{names}]' if names else ""
    shared = ", ".join(f'"../{name}"' for name in changes.beside)
    shares = f', "shared": [{shared}]' if shared else ""
    return f'"workspace": {{"kind": "links"{writes}{shares}}} in the registry would have held it'
