"""The folder that a training works in, fresh for each run and role.

A clone that two trainings share stays as it was cloned, and neither writes over the other: each
gets a folder of links to the clone with real folders where the program writes (``links``), a copy
(``copy``), or an empty one (``empty``). They lie in ``results/work_E`` and go at the end of the
run, but for the outputs that the registry keeps, which go to ``results/outputs_E``.

What lies outside of that folder, wherever a link in it leads, is never moved or removed.
"""

from __future__ import annotations

import glob
import os
import platform
import re
import shlex
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from energyctl.campaign.training import config_files
from energyctl.config.registry import Repository
from energyctl.errors import RunError
from energyctl.results.paths import WORK_FOLDERS
from energyctl.system import processes

LEFT_OUT = ".git"
"""Not a part of what is run, and often larger than it."""

OWNER = ".owner"
"""Pid, start (clock ticks since boot) and machine of the energyctl that made the folder."""


def make(
    repository: Repository,
    clone: Path,
    folder: Path,
    configured: Mapping[str, config_files.Values] = MappingProxyType({}),
) -> Path:
    """Makes *folder* as the repository asks; returns where the training works: the clone itself
    where it is ``in_place``. *configured*: by file of the clone, values that are written into that
    file of the folder. Raises RunError where it cannot be made."""
    if repository.workspace == "in_place":
        return clone
    try:
        remove(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _mark(folder.parent)
        folder.mkdir()
        real = _real_folders(repository)
        if configured:
            beside = _paths([*configured, *_scripts(repository)])
            real |= _with_parents({path.parent for path in beside})
        left_out = _paths([*repository.shared, *configured])
        if repository.workspace == "copy":
            _fill(folder, clone, real, left_out, partial(_copy, clone))
        elif repository.workspace == "links":
            put = _link_but_python if configured else _link
            _fill(folder, clone, real, left_out | _paths(repository.writes), put)
        for name in repository.writes:
            (folder / name).mkdir(parents=True, exist_ok=True)
        _configure(clone, folder, configured)
        _share(repository, clone, folder)
    except (OSError, shutil.Error, config_files.ConfigFileError) as error:
        raise RunError(
            f"{repository.name}: cannot make its working folder {folder}: {error}"
        ) from error
    return folder


def _mark(work: Path) -> None:
    """Notes whose folder it is: a results folder may be shared by several machines."""
    own = processes.identify(os.getpid())
    if own is not None:
        (work / OWNER).write_text(f"{own.pid} {own.ticks} {_here()}\n", encoding="utf-8")


def _here() -> str:
    """This machine; containers have pids of their own (pid_namespaces(7))."""
    return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"


def sweep(results: Path) -> list[str]:
    """Removes the folders of runs whose energyctl was killed on this machine; a line for each."""
    swept = []
    for owner in sorted(results.glob(f"{WORK_FOLDERS}/{OWNER}")):
        try:
            pid, ticks, host = owner.read_text(encoding="utf-8").split(maxsplit=2)
            if host.strip() == _here() and not processes.identify(int(pid), int(ticks)):
                remove(owner.parent)
                swept.append(f"removed {owner.parent}")
        except (OSError, ValueError):
            continue
    return swept


def _paths(names: Sequence[str]) -> set[Path]:
    """*names* without detours: ``./a/b/`` is ``a/b``."""
    return {Path(os.path.normpath(name)) for name in names}


def _real_folders(repository: Repository) -> set[Path]:
    """Folders of the clone in which the programs work, write, or leave what is kept, and their
    parents: a link in their place would lead into the clone."""
    kept = [re.split(r"[*?[]", pattern)[0] + "_" for pattern in repository.keep]
    inside = _paths([*kept, *repository.shared])
    folders = _paths(repository.writes) | {path.parent for path in inside}
    if repository.cwd is not None and not os.path.isabs(repository.cwd):
        folders |= _paths([repository.cwd])
    return _with_parents(folders)


def _with_parents(folders: Iterable[Path]) -> set[Path]:
    return {parent for path in folders for parent in (path, *path.parents)} - {Path()}


def _scripts(repository: Repository) -> list[str]:
    """The Python files that its programs name, relative to the clone."""
    named = [argument for step in repository.steps for argument in step.command or ()]
    named += [step.train_script for step in repository.steps if step.train_script]
    inside = [name.removeprefix("{workdir}/") for name in named if name.endswith(".py")]
    return [name for name in inside if not name.startswith(("/", "{")) and ".." not in name]


def _configure(clone: Path, folder: Path, configured: Mapping[str, config_files.Values]) -> None:
    """Writes the files of the clone with other values into *folder*, and nowhere else."""
    for name, values in configured.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not _lies_in(folder, target) or target.is_symlink():
            raise OSError(f"{target} would be written outside of it")
        target.write_text(config_files.edited(clone / name, values), encoding="utf-8")
        shutil.copymode(clone / name, target)


def shared_folders(repository: Repository, clone: Path) -> list[Path]:
    """Those that all runs share, in the clone or beside it."""
    return [_at(clone, path) for path in sorted(_paths(repository.shared))]


def missing_share(source: Path) -> str:
    """Why a training that shares that folder cannot be started."""
    return f"its shared folder is missing; make it: mkdir -p {shlex.quote(str(source))}"


def _share(repository: Repository, clone: Path, folder: Path) -> None:
    """Links to them, at the same places seen from *folder*."""
    for source in shared_folders(repository, clone):
        target = _at(folder, Path(os.path.relpath(source, clone)))
        if not source.exists():
            raise FileNotFoundError(missing_share(source))
        if not target.is_symlink():  # of two roles beside each other
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source)


def _at(folder: Path, path: Path) -> Path:
    return Path(os.path.normpath(folder / path))


def _fill(
    folder: Path,
    clone: Path,
    real: Collection[Path],
    left_out: Collection[Path],
    put: Callable[[Path, Path], None],
    here: Path = Path(),
) -> None:
    """Puts the entries of *clone* into *folder*; those of *real*, paths in it, become folders with
    entries of their own, wherever the clone's lie."""
    for name in sorted(os.listdir(clone / here)):
        path = here / name
        if name == LEFT_OUT or path in left_out:
            continue
        if path in real and (clone / path).is_dir():
            (folder / path).mkdir()
            _fill(folder, clone, real, left_out, put, path)
        else:
            put(clone / path, folder / path)


def _link(source: Path, target: Path) -> None:
    target.symlink_to(source)


def _link_but_python(source: Path, target: Path) -> None:
    """Python looks for modules beside the file that a script's link leads to, where configured
    ones are the clone's (``sys.path[0]``, Python documentation, "sys.path")."""
    if source.suffix == ".py" and source.is_file():
        shutil.copy2(source, target)
    else:
        _link(source, target)


def _copy(clone: Path, source: Path, target: Path) -> None:
    """A hard copy. Links stay links, and lead out of the clone where they did."""
    if source.is_symlink():
        leads_to = os.path.normpath(source.parent / source.readlink())
        inside = Path(leads_to).is_relative_to(clone)
        target.symlink_to(source.readlink() if inside else leads_to)
    elif source.is_dir():
        target.mkdir()
        for entry in os.scandir(source):
            _copy(clone, Path(entry.path), target / entry.name)
        shutil.copystat(source, target)
    else:
        shutil.copy2(source, target)


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


def _lies_in(folder: Path, path: Path) -> bool:
    """Whether *path* itself, were it a link, is in *folder*, and not behind a link in it."""
    return path.parent.resolve().is_relative_to(folder.resolve())


def keep(
    folder: Path, patterns: Sequence[str], target: Path, *, since: float | None = None
) -> list[str]:
    """Takes what matches *patterns* in *folder* to *target*, under the same names; a line for
    each that cannot be.

    *since* (Unix seconds): copies what is that new; None: moves all that lies in *folder*, and
    copies what is behind a link. Of a link to a file the file is kept, which may change with the
    clone; a link to a folder stays one.
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
            elif since is None and not source.is_symlink() and _lies_in(folder, source):
                shutil.move(source, into)
            elif source.is_dir():
                shutil.copytree(source, into, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(source, into)
        except (OSError, shutil.Error) as error:
            problems.append(f"an output cannot be kept: {source}: {error}")
    return problems


def delete(folder: Path, paths: set[Path]) -> list[str]:
    """Removes files and folders of *folder*; a line for each that cannot be, or lies outside."""
    problems = []
    for path in sorted(paths):
        try:
            if not _lies_in(folder, path):
                problems.append(
                    f"an output is left where it is: a link leads to {path}, out of {folder}"
                )
            elif path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            problems.append(f"an output cannot be removed: {path}: {error.strerror}")
    return problems


def remove(folder: Path) -> None:
    """Removes the working folders of a run; what a link points to stays."""
    shutil.rmtree(folder, ignore_errors=True)
