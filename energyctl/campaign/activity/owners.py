"""Whose a process on a GPU is: the foreground's, a background job's, or of neither."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from energyctl.background.protocol import JOB
from energyctl.campaign.activity.gpu_lines import Owner
from energyctl.launchers.proc_stat import read_stat
from energyctl.system import processes
from energyctl.system.process_trees import Tree


class Owners:
    """Of the run whose processes carry a marker that begins with *prefix*.

    job_of: the background job to which a pid was seen to belong, also after its end.
    """

    def __init__(self, prefix: str, job_of: Callable[[int], str | None]) -> None:
        self._prefix, self._job_of = prefix, job_of
        self._seen: dict[int, tuple[int, Owner]] = {}  # pid → start, whose

    def saw(self, trees: Sequence[Tree]) -> None:
        """All of the foreground: its members are known also once they have ended."""
        owner = Owner("foreground")
        self._seen |= {pid: (began, owner) for tree in trees for pid, began in tree.members.items()}

    def saw_contained(self, trees: Mapping[int, Sequence[Tree]]) -> None:
        """The same of containers, by the pid of their launcher."""
        for launcher, inside in trees.items():
            if (owner := self._marked(launcher)) is not None:
                members = (item for tree in inside for item in tree.members.items())
                self._seen |= {pid: (began, owner) for pid, began in members}

    def of(self, pid: int) -> Owner | None:
        """By its marker or that of its ancestors, else by what was seen; None: not known."""
        stat, ancestor = read_stat(pid), pid
        began, seen = stat.start_ticks if stat else None, self._seen.get(pid)
        if seen is not None and began in (None, seen[0]):
            return seen[1]
        while stat is not None and ancestor > 1:
            if (owner := self._marked(ancestor)) is not None:
                return owner
            ancestor, stat = stat.parent, read_stat(stat.parent)
        job = self._job_of(pid)
        return None if job is None else Owner("background", job)

    def _marked(self, pid: int) -> Owner | None:
        mark = processes.environment_value(pid, processes.MARKER) or ""
        if not mark.startswith(self._prefix):
            return None
        if mark.endswith("/foreground"):
            return Owner("foreground")
        return Owner("background", processes.environment_value(pid, JOB) or self._job_of(pid))
