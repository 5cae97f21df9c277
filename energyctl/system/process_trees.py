"""The process trees below some roots, with their CPU time, looked at cheaply.

A process that ends hands its CPU time to the one that reaps it, and a launcher reaps all that its
training leaves behind. So the time of its tree is conserved; a parent is read before its
children, so that no hand-over is counted twice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from energyctl.launchers.proc_stat import ProcStat, pids, read_file, read_stat

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

FEW_READS = 100
"""Lists of children that are read without asking whether one look at all processes is cheaper."""

TRIES = 3
"""Looks at a tree in which a process ended meanwhile: its time may have been missed."""


@dataclass
class Tree:
    """A root and all below it; ticks: of CPU time, that of reaped children included.

    members: pid → start time in clock ticks since boot.
    """

    root: int
    began: int
    ticks: int = 0
    members: dict[int, int] = field(default_factory=dict)
    threads: int = 0

    @property
    def cpu_seconds(self) -> float:
        return self.ticks / TICKS_PER_SECOND


class TreeReader:
    """Looks at trees through ``/proc/PID/task/TID/children`` (CONFIG_PROC_CHILDREN); through one
    scan of ``/proc`` where the kernel does not have it, or their threads outnumber all processes.
    """

    def __init__(self) -> None:
        path = f"/proc/self/task/{threading.get_native_id()}/children"
        self._listed = os.path.exists(path)
        self._scans = not self._listed

    def look(self, roots: Iterable[int]) -> list[Tree]:
        """The trees of those *roots* that are there."""
        children, tries = (_scanned(), 1) if self._scans else (_children, TRIES)
        trees = [tree for root in roots if (tree := _look(root, children, tries)) is not None]
        reads = sum(tree.threads for tree in trees)
        many = reads > FEW_READS and reads > _processes()
        self._scans = many or not self._listed
        return trees


def _look(root: int, children: Callable[[int, int], Sequence[int]], tries: int) -> Tree | None:
    stat_of_root = read_stat(root)
    if stat_of_root is None:
        return None
    tree, complete = Tree(root, stat_of_root.start_ticks), True
    layer: list[ProcStat] = [stat_of_root]
    while layer:
        stat = layer.pop()
        tree.members[stat.pid] = stat.start_ticks
        tree.ticks += stat.cpu_ticks + stat.reaped_cpu_ticks
        tree.threads += stat.threads
        for child in children(stat.pid, stat.threads):
            if child not in tree.members:
                below = read_stat(child)
                complete = complete and below is not None
                layer += [below] if below is not None else []
    return tree if complete or tries == 1 else _look(root, children, tries - 1)


def _children(pid: int, threads: int) -> list[int]:
    """Children of all its threads."""
    try:
        tasks = [str(pid)] if threads == 1 else os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    lists = [read_file(f"/proc/{pid}/task/{task}/children") or b"" for task in tasks]
    return [int(child) for text in lists for child in text.split()]


def _processes() -> int:
    """How many there are on the machine, about."""
    return len(os.listdir("/proc"))


def _scanned() -> Callable[[int, int], Sequence[int]]:
    """The children of every process, from one scan."""
    below: dict[int, list[int]] = {}
    for pid in pids():
        if (stat := read_stat(pid)) is not None:
            below.setdefault(stat.parent, []).append(pid)
    return lambda pid, threads: below.get(pid, ())
