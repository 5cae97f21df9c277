"""The containers of a campaign's trainings, which are no descendants of its launchers.

Launchers end their own (see ``launchers.container``). Here all of a campaign are found by its
label, ended and proved gone, and their CPU time is told while they run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from energyctl.launchers import container
from energyctl.launchers.proc_stat import read_stat
from energyctl.system import processes
from energyctl.system.private_folder import unusable
from energyctl.system.process_trees import Tree, TreeReader

STRANGE_SECONDS = 1.0
"""A process that is not known for so long is one that cannot be seen."""


def notes_folder(runtime: Path) -> Path:
    """Of the private folder *runtime*."""
    return runtime / container.FOLDER


def with_notes(environ: Mapping[str, str], runtime: Path) -> dict[str, str]:
    """The environment of trainings whose containers are noted in *runtime*; makes the folder.

    Raises MachineError.
    """
    folder = notes_folder(runtime)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise unusable(folder, error) from error
    return {**environ, container.NOTES: str(folder)}


def runtimes_noted(runtime: Path) -> set[str]:
    """Those of the containers that were not seen to end."""
    notes = container.noted(f"{notes_folder(runtime)}/")
    return {note[0] for path in notes if (note := container.read_note(path)) is not None}


def end(runtimes: Iterable[str], nonce: str) -> tuple[list[str], list[str]]:
    """Ends the containers of a campaign: a line for each that was there; what could not be."""
    done, left, label = list[str](), list[str](), f"label={container.label_of(nonce)}"
    for runtime in sorted(runtimes):
        there = container.find(runtime, label)
        if there == []:
            continue
        if container.end(runtime, label):
            done += [f"ended container {name} ({runtime})" for name in there or ()]
        elif there is None:
            left.append(f"containers of {runtime}, which does not answer")
        else:
            left += [f"container {n} (end it with: {runtime} rm --force {n})" for n in there]
    return done, left


def forget(runtime: Path) -> None:
    """Of a private folder, once all of its campaign were proved gone."""
    container.forget(f"{notes_folder(runtime)}/")


@dataclass
class _Container:
    """One that was seen: its first process, and the CPU time of its tree at the last look."""

    launcher: int
    root: int
    began: int
    ticks: int = 0


@dataclass
class ContainerTrees:
    """Looks at the process trees of the containers that are noted in *folder*, of the campaign
    with the secret *nonce*."""

    folder: Path
    nonce: str
    ended_ticks: int = 0
    """CPU time of all that have ended, as last seen."""

    unseen: set[str] = field(default_factory=set)
    """Runtimes that do not tell the first process of a container, by which it would be found."""

    def __post_init__(self) -> None:
        self._seen: dict[str, _Container] = {}
        self._strange = dict[str, float]()  # by note, since when its process is not known
        self._reader, self._turn = TreeReader(), threading.Lock()

    @property
    def is_looking(self) -> bool:
        return self._turn.locked()

    def refresh(self) -> None:
        """A look whose figures the next one tells."""
        self.look()

    def look(self) -> dict[int, list[Tree]]:
        """The trees of those that run, by the pid of their launcher."""
        with self._turn:
            notes = container.noted(f"{self.folder}/")
            self._strange = {p: since for p, since in self._strange.items() if p in notes}
            for path in notes:
                if path not in self._seen:
                    self._find(path)
            trees = {tree.root: tree for tree in self._reader.look(self._roots())}
            found: dict[int, list[Tree]] = {}
            for path, one in list(self._seen.items()):
                tree = trees.get(one.root)
                if tree is not None and tree.began == one.began:
                    one.ticks = max(one.ticks, tree.ticks)
                    found.setdefault(one.launcher, []).append(tree)
                elif path not in notes or read_stat(one.root) is None:
                    self.ended_ticks += self._seen.pop(path).ticks
            return found

    def _roots(self) -> list[int]:
        return [one.root for one in self._seen.values()]

    def _find(self, path: str) -> None:
        """The first process of a container, once the runtime knows it."""
        note = container.read_note(path)
        if note is None:
            return
        runtime, name = note
        words = [runtime, "inspect", "--format", "{{.State.Pid}}", name]
        said = (container.ask(words) or "").strip()
        if not said.isdigit() or int(said) == 0:
            return  # it is being made, or has ended
        stat = read_stat(int(said))
        # The daemon may be in another pid namespace, or on another machine. Or the process has just
        # ended, or not yet begun: then it is not strange for long.
        marker = processes.environment_value(int(said), processes.MARKER) or ""
        if stat is None or not marker.startswith(f"{self.nonce}/"):
            now = time.monotonic()
            if now - self._strange.setdefault(path, now) >= STRANGE_SECONDS:
                self.unseen.add(runtime)
        else:
            launcher = int(Path(path).name.partition(".")[0])
            self._seen[path] = _Container(launcher, stat.pid, stat.start_ticks)
