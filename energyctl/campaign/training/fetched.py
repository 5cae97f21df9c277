"""What a training fetched while it was measured: large files that are no outputs, and traffic."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from energyctl.campaign.training.clone_changes import leads_to, scan, walk
from energyctl.campaign.training.foreground import Attempt
from energyctl.campaign.training.workdirs import shared_folders
from energyctl.config.registry import Repository
from energyctl.text import first_of, megabytes

SMALL_BYTES = 10_000_000
"""What appears in a folder, and is less than this, is not named."""

LITTLE_TRAFFIC_BYTES = 50_000_000
"""Of the whole machine, over the metered steps: less is not warned about."""

SHOWN = 3


def warnings(
    repository: Repository, clone: Path, attempt: Attempt, workdir: Path, results: Path
) -> list[str]:
    """Of an attempt that worked in *workdir*; what lies in *results* besides is energyctl's own."""
    return [*_files(repository, clone, attempt, workdir, results), *_traffic(attempt)]


def _traffic(attempt: Attempt) -> list[str]:
    received, seconds = attempt.received_bytes, attempt.duration
    if received is None or not seconds or received < LITTLE_TRAFFIC_BYTES:
        return []
    return [
        f"the whole machine received {megabytes(received)} over the network during the training, "
        f"{megabytes(received / seconds)} a second: where that was a download, it is in this run "
        "and not in the next; data on a network file system count, too"
    ]


def _files(
    repository: Repository, clone: Path, attempt: Attempt, workdir: Path, results: Path
) -> list[str]:
    """A line for what was written during the metered steps, and is neither output nor small."""
    if attempt.start is None or attempt.end is None:
        return []
    sizes, roots = Counter[str](), _roots(repository, clone, workdir)
    for name, size in _written(roots, results, attempt.start, attempt.end):
        if not _declared(repository, name):
            sizes[_top(name)] += size
    if sizes.total() < SMALL_BYTES:
        return []
    large = [f"{top} ({megabytes(size)})" for top, size in sizes.most_common()]
    return [
        f"large files that are no outputs were written during the training: {repository.name}: "
        f"{first_of(large, SHOWN)}; what is downloaded costs time and energy in this run alone: "
        'fetch it before, by "prepare" in the registry, into a folder that is "shared"; what the '
        'training makes itself belongs into "outputs"'
    ]


def _roots(repository: Repository, clone: Path, workdir: Path) -> list[tuple[str, Path]]:
    """Where it may have written, each with its path as the training sees it."""
    roots = [("", workdir), ("", clone)]
    for one in scan(str(workdir.parent)) if repository.workspace != "in_place" else ():
        if not one.name.startswith(_OF_TRAININGS) and not one.is_symlink():
            roots.append((f"../{one.name}", Path(one.path)))
    for source in shared_folders(repository, clone):
        roots.append((os.path.relpath(source, clone), source))
    return list(dict.fromkeys((name, folder.resolve()) for name, folder in roots))


_OF_TRAININGS = ("foreground_", "background_")
"""What the working folders of a run are named."""


def _written(
    roots: list[tuple[str, Path]], results: Path, start: float, end: float
) -> Iterator[tuple[str, int]]:
    """Path and bytes of each file below *roots* whose last change of any kind, in Unix seconds,
    lies between the two: what is unpacked bears older times of writing (inode(7), "ctime")."""
    without, seen = {str(results.resolve())}, set[str]()
    for prefix, root in roots:
        for found in walk(root, without):
            if found.path in seen or not found.is_file(follow_symlinks=False):
                continue
            seen.add(found.path)
            try:
                stat = found.stat(follow_symlinks=False)
            except OSError:  # it has just gone
                continue
            if start <= stat.st_ctime <= end:
                yield os.path.join(prefix, os.path.relpath(found.path, root)), stat.st_size


def _declared(repository: Repository, name: str) -> bool:
    """Whether the registry speaks of it as something that the training makes."""
    globs = [*repository.keep, *repository.delete, *repository.writes]
    globs += [metric.file for metric in repository.all_metrics if metric.file is not None]
    globs += [pattern for step in repository.steps for pattern in step.values.values()]
    return any(leads_to(name, posixpath.normpath(pattern)) for pattern in globs)


def _top(name: str) -> str:
    """The first part of a path: ``../data`` of ``../data/MNIST/raw``."""
    parts = name.split("/")
    return "/".join(parts[: 2 if parts[0] == ".." else 1])
