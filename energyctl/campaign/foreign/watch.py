"""Tells our processes from foreign ones, over an interval."""

from __future__ import annotations

import contextlib
import os
import time
import xmlrpc.client
from collections.abc import Callable, Sequence

from energyctl.background.daemon import Daemon
from energyctl.background.xmlrpc import Unreachable
from energyctl.campaign.foreign import cpu_time
from energyctl.campaign.foreign.gpu_processes import GpuContext, GpuLooks, Whose
from energyctl.meters.base import Source
from energyctl.meters.capabilities import gpu_processes
from energyctl.results.foreign_load import MOST_PROCESSES, CpuProcess, ForeignLoad, user_and_command
from energyctl.system import processes
from energyctl.system.containers import ContainerTrees
from energyctl.system.threads import start_thread

SHORTEST_SECONDS = 0.5
"""CPU time is counted in ticks of 10 ms: a shorter look says too little."""


class Watch:
    """Of one campaign; made before it starts anything, its first look is the one at the start.

    Ours are this process and all below it, the daemon and all below it but the programs of other
    groups, and what carries *nonce* in its marker. Children that this process had before
    (of a shell that was replaced by it) are none of ours.
    """

    def __init__(
        self,
        meters: Sequence[Source],
        nonce: str,
        daemon: Callable[[], Daemon | None],
        containers: ContainerTrees | None = None,
    ) -> None:
        self._meters, self._prefix, self._daemon = meters, f"{nonce}/", daemon
        self.containers = containers
        self._strange: set[GpuContext] = set()
        self._ours: set[GpuContext] = set()
        self._roots: set[int] = set()
        self._others: set[int] = set()
        own = os.getpid()
        self._strangers = {e.key for e in cpu_time.read_table().values() if e.parent == own}
        self._start: Interval | None = self.begin(alone=True)

    def before_the_start(self, wait: Callable[[float], None]) -> list[str]:
        """Warnings about what has run since the watch was made; *wait*s until that can be told."""
        if self._start is None:
            return []
        wait(max(0.0, SHORTEST_SECONDS - self._start.seconds))
        started, self._start = self._start, None
        return started.end().warnings("before the start")

    def begin(self, *, alone: bool = False) -> Interval:
        """An interval from now on; *alone*: no training of ours runs in it."""
        self._find_roots()
        return Interval(self, GpuLooks(self._meters, self.whose, self._strange, self._ours, alone))

    def look(self) -> cpu_time.CpuSnapshot:
        """Raises InconsistentSnapshot or OSError."""
        others = {e.key for pid in self._others if (e := cpu_time.read_entry(pid)) is not None}
        strangers = self._strangers | others | processes.unendable()
        return cpu_time.look(self._roots, strangers, self._contained)

    def _contained(self) -> tuple[list[int], int]:
        """First processes of our containers that run, and ticks of those that have ended."""
        if self.containers is None:
            return [], 0
        found = self.containers.look()
        return [t.root for trees in found.values() for t in trees], self.containers.ended_ticks

    def is_marked(self, pid: int) -> bool:
        """Whether it carries the marker of our campaign."""
        marker = processes.environment_value(pid, processes.MARKER)
        return (marker or "").startswith(self._prefix)

    def whose(self, pid: int) -> Whose:
        """By its marker, else by its ancestors."""
        entry = cpu_time.read_entry(pid)
        if entry is None:
            return "nobody"
        if self.is_marked(pid):
            return "ours"
        while entry is not None:
            strangers = self._strangers | processes.unendable()
            if entry.key in strangers or entry.pid in self._others:
                return "foreign"
            if entry.pid in self._roots:
                return "ours"
            entry = cpu_time.read_entry(entry.parent)
        return "foreign"

    def wait_until_freed(self, limit_seconds: float) -> list[str]:
        """Waits until no GPU names a process of ours; a line for each that it still does.

        A driver gives back the memory of a killed process only some time after its end, and a
        look at the processes alone does not find it then. For use when nothing of ours may run.
        """
        deadline = time.monotonic() + limit_seconds
        while (held := self._held()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return held

    def _held(self) -> list[str]:
        lines = []
        for meter in self._meters if self._ours else ():
            for process in gpu_processes(meter)[0]:
                alive = cpu_time.read_entry(process.pid) is not None
                seen = (process.gpu, process.pid) in self._ours
                if self.is_marked(process.pid) if alive else seen:
                    size = process.memory_bytes
                    held = "" if size is None else f", {size / 2**20:,.0f} MiB"
                    lines.append(f"GPU {process.gpu}, pid {process.pid}{held}")
        return lines

    def _find_roots(self) -> None:
        """This process and the daemon; the daemon's programs that are of other groups."""
        self._roots, self._others, daemon = {os.getpid()}, set(), self._daemon()
        if daemon is not None:
            try:
                programs = daemon.programs()
                self._roots.add(daemon.pid())
            except (Unreachable, xmlrpc.client.Fault):
                return
            others = {p.pid for p in programs if not p.ours}
            self._others = {pid for pid in others if pid}


class Interval:
    """From now to :meth:`end`. Looks at all processes only at its two ends."""

    def __init__(self, watch: Watch, gpus: GpuLooks) -> None:
        self._watch, self._gpus = watch, gpus
        self._began = time.monotonic()
        self._problem: str | None = None
        self._before: cpu_time.CpuSnapshot | None = None
        gpus.look()
        gpus.wait()
        try:
            self._before = watch.look()
        except (cpu_time.InconsistentSnapshot, OSError) as error:
            self._problem = f"the look at the beginning failed: {error}"

    @property
    def seconds(self) -> float:
        """Since its beginning."""
        return time.monotonic() - (self._before.time if self._before else self._began)

    def tick(self) -> None:
        """Beside the caller: a driver, or the runtime of a container, may take its time."""
        self._gpus.tick()
        if self._watch.containers is not None and not self._watch.containers.is_looking:
            with contextlib.suppress(RuntimeError):  # no thread to be had: at the next tick
                start_thread(self._watch.containers.refresh, "containers")

    def end(self) -> ForeignLoad:
        """What was foreign in it."""
        seconds, cpu, named, missing = self._cpu()
        gpus, reason = self._gpus.finish()
        if reason is not None:
            missing["gpu_processes"] = reason
        astray = [self._gpus.astray[gpu] for gpu in sorted(self._gpus.astray)]
        return ForeignLoad(seconds, cpu, named, gpus, missing, astray)

    def _cpu(self) -> tuple[float, float | None, list[CpuProcess] | None, dict[str, str]]:
        seconds, problem = self.seconds, self._problem
        if problem is None and seconds < SHORTEST_SECONDS:
            problem = f"{seconds:.2f} s are too short: CPU time is counted in ticks"
        if problem is None and self._before is not None:
            try:
                after = self._watch.look()
                cpu, shares = cpu_time.foreign_between(self._before, after, self._watch.is_marked)
            except (cpu_time.InconsistentSnapshot, OSError) as error:
                problem = f"the look at the end failed: {error}"
            else:
                named = [
                    CpuProcess(pid, *user_and_command(pid), spent)
                    for pid, spent in shares[:MOST_PROCESSES]
                ]
                return after.time - self._before.time, cpu, named, {}
        keys = ("cpu_seconds", "cpu_cores", "processes")
        return seconds, None, None, dict.fromkeys(keys, problem or "")
