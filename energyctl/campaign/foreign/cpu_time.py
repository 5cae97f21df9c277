"""CPU time of all processes, so looked at that none is lost or counted twice.

A process that ends hands its CPU time to the one that reaps it (``cutime``, ``cstime`` in
proc(5)). So the time of a tree is conserved, however many of its processes begin and end, as
long as everything in it is reaped within it. Only a look that falls into such a hand-over is
wrong, by as much as the whole life of the process: it is taken again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from energyctl.launchers.proc_stat import pids, read_stat

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
STEADY_SECONDS = 1.0
_PF_KTHREAD = 0x00200000  # include/linux/sched.h

Key = tuple[int, int]  # pid and start time: a pid alone may be another's by now


class InconsistentSnapshot(Exception):
    """There is no consistent look; the text says why."""


class Entry(NamedTuple):
    """A process or zombie. Ticks since its start: its own (`spent`), its reaped children's."""

    pid: int
    parent: int
    began: int
    kernel: bool
    spent: int
    reaped: int

    @property
    def key(self) -> Key:
        return self.pid, self.began


Table = Mapping[int, Entry]


@dataclass(frozen=True)
class CpuSnapshot:
    """All processes at one instant. time: time.monotonic().

    busy: ticks of all CPUs in user, nice and system since boot. roots, ours: the processes that
    are ours, and all of their trees. ended: ticks of our containers that have ended, for which
    nobody of ours waits.
    """

    time: float
    busy: int
    table: Table
    roots: frozenset[Key]
    ours: frozenset[Key]
    ended: int = 0


class ProcessShare(NamedTuple):
    """CPU seconds of one foreign process, its reaped children included."""

    pid: int
    seconds: float


def read_entry(pid: int) -> Entry | None:
    """None where there is no such process."""
    stat = read_stat(pid)
    if stat is None:
        return None
    kernel = bool(stat.flags & _PF_KTHREAD)
    ticks = stat.cpu_ticks, stat.reaped_cpu_ticks
    return Entry(pid, stat.parent, stat.start_ticks, kernel, *ticks)


def busy_ticks() -> int:
    """Ticks of all CPUs at work for processes: user, nice, system (proc(5)).

    ``guest`` is contained in ``user``. Waiting for a disk is no work, stolen time is another
    machine's, and time in interrupts is nobody's.
    """
    with open("/proc/stat", "rb") as file:
        user, nice, system = file.readline().split()[1:4]
    return int(user) + int(nice) + int(system)


def look(
    roots: Iterable[int],
    strangers: Collection[Key] = (),
    containers: Callable[[], tuple[Iterable[int], int]] = lambda: ((), 0),
) -> CpuSnapshot:
    """A consistent look. roots: pids whose trees are ours, but for the trees of *strangers*;
    containers: the first processes of ours, and the ticks of those that have ended.

    InconsistentSnapshot where processes of ours come and go too fast; OSError without /proc.
    """
    roots, deadline = list(roots), time.monotonic() + STEADY_SECONDS
    while True:
        first, ended = containers()
        table = read_table()
        ours = trees(table, [*roots, *first], strangers)
        again = {pid: entry for pid in ours if (entry := read_entry(pid)) is not None}
        busy, now = busy_ticks(), time.monotonic()
        if _nothing_was_reaped(table, ours, again) and not _reparented(table):
            break
        if now > deadline:
            raise InconsistentSnapshot(
                f"for {STEADY_SECONDS:g} s, processes came and went at every look"
            )
    table.update(again)
    return CpuSnapshot(
        now,
        busy,
        table,
        frozenset(table[pid].key for pid in roots if pid in table),
        frozenset(entry.key for entry in again.values()),
        ended,
    )


def read_table() -> dict[int, Entry]:
    """Every process that can be seen, by pid."""
    return {pid: entry for pid in pids() if (entry := read_entry(pid)) is not None}


def trees(table: Table, roots: Iterable[int], strangers: Collection[Key]) -> set[int]:
    """*roots* that are in *table*, and all below them, without *strangers* and all below those."""
    children: dict[int, list[int]] = {}
    for entry in table.values():
        if entry.key not in strangers:
            children.setdefault(entry.parent, []).append(entry.pid)
    found: set[int] = set()
    layer = {pid for pid in roots if pid in table}
    while layer:
        found |= layer
        layer = {child for pid in layer for child in children.get(pid, ())} - found
    return found


def _nothing_was_reaped(table: Table, ours: Collection[int], again: Table) -> bool:
    return all(
        pid in again
        and again[pid].began == table[pid].began
        and again[pid].reaped == table[pid].reaped
        for pid in ours
    )


def _reparented(table: Table) -> bool:
    """Whether a parent ended during the scan: its children would hang in the air.

    A parent may also be hidden from us (the mount option hidepid): then it stays the parent.
    """
    for entry in table.values():
        if entry.parent and entry.parent not in table:
            now = read_entry(entry.pid)
            if now is not None and now.parent != entry.parent:
                return True
    return False


def foreign_between(
    before: CpuSnapshot, after: CpuSnapshot, is_ours: Callable[[int], bool]
) -> tuple[float, list[ProcessShare]]:
    """Foreign CPU seconds between two looks, and the shares of processes, greatest first.

    The machine's busy time, less that of our trees and of kernel threads; at least what foreign
    processes that are still there have spent. *is_ours* is asked for active processes outside
    our trees. InconsistentSnapshot where a root of ours ended: its time is nowhere to be found.
    """
    if not before.roots <= {entry.key for entry in after.table.values()}:
        raise InconsistentSnapshot(
            "supervisord ended in between, and the CPU time of its children with it"
        )
    ours = before.ours | after.ours
    shares = _shares(before, after, ours)
    marked = {key for key in shares if is_ours(key[0])}
    ours |= marked
    shares = {key: ticks for key, ticks in shares.items() if key not in marked}
    own = _ticks(after, ours) + after.ended - _ticks(before, ours) - before.ended
    kernel = _kernel_ticks(after) - _kernel_ticks(before)
    seen = sum(
        entry.spent - before.table[entry.pid].spent
        for entry in after.table.values()
        if entry.key in shares and _same(before, entry) is not None
    )
    ticks = max(after.busy - before.busy - own - kernel, seen, 0)
    ranked = sorted(shares.items(), key=lambda item: -item[1])
    return ticks / TICKS_PER_SECOND, [
        ProcessShare(pid, min(spent, ticks) / TICKS_PER_SECOND) for (pid, _), spent in ranked
    ]


def _same(look: CpuSnapshot, entry: Entry) -> Entry | None:
    found = look.table.get(entry.pid)
    return found if found is not None and found.key == entry.key else None


def _ticks(look: CpuSnapshot, keys: Collection[Key]) -> int:
    return sum(e.spent + e.reaped for e in look.table.values() if e.key in keys)


def _kernel_ticks(look: CpuSnapshot) -> int:
    return sum(e.spent for e in look.table.values() if e.kernel)


def _shares(before: CpuSnapshot, after: CpuSnapshot, ours: Collection[Key]) -> dict[Key, int]:
    """Ticks since *before* of each foreign process that spent any and is still there."""
    handed = _handed_over(before, after)
    shares = {}
    for entry in after.table.values():
        if entry.kernel or entry.key in ours:
            continue
        old = _same(before, entry)
        spent = entry.spent - (old.spent if old else 0)
        reaped = entry.reaped - (old.reaped if old else 0) - handed.get(entry.pid, 0)
        if spent + max(0, reaped) > 0:
            shares[entry.key] = spent + max(0, reaped)
    return shares


def _handed_over(before: CpuSnapshot, after: CpuSnapshot) -> dict[int, int]:
    """What ended processes had spent *before*, by each that may have reaped them.

    Only an ancestor can: the parent, or the subreaper or init that adopts an orphan.
    """
    handed: dict[int, int] = {}
    for entry in before.table.values():
        if _same(after, entry) is None:
            pid = entry.parent
            while pid in before.table:
                handed[pid] = handed.get(pid, 0) + entry.spent + entry.reaped
                pid = before.table[pid].parent
    return handed
