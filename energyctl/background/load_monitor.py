"""Looks, about once a second, at how busy the processes of each background job are.

The launchers say who they are (``.JOB.PID.running`` beside the ledger), and keep the CPU time of
ended iterations (``.JOB.cpu``); that of the running one is read from its process tree.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from energyctl.background.cpu_spent import CpuSpent
from energyctl.launchers.proc_stat import read_stat
from energyctl.launchers.regular_files import open_regular
from energyctl.meters.base import ProcessUtilization, Source, Utilization
from energyctl.meters.capabilities import gpu_processes
from energyctl.results import background_load
from energyctl.results.background_load import AnswerLine, CpuLine, FigureUnknown, GpuLine, JobLoad
from energyctl.system.process_trees import Tree, TreeReader
from energyctl.system.threads import start_thread

LOOK_SECONDS = 1.0

CONTEXTS_SECONDS = 5.0
"""How often is asked who has a context on a GPU: drivers may take their time for that."""

LATELY_SECONDS = 10.0

REMEMBERED_SECONDS = 10.0
"""The driver may tell of a process that has just ended."""


ALL = -1
"""Stands for the GPUs of a source that does not tell at all."""

STRANGE_PIDS = "the driver reports pids that do not exist here (in a container)"


@dataclass
class _Job(CpuSpent):
    """What is known of one job."""

    gpus: dict[int, GpuLine] = field(default_factory=dict)


class LoadMonitor:
    """The load by *jobs*, whose logs and notes are in *folder*, on the GPUs of *meters*.

    clock: Unix time on the line of the spans that are asked for. gpu_pids: processes of the jobs
    that were seen on a GPU lately, with their start times in clock ticks since boot. saw: is told
    the trees of each look. containers: the trees of containers, by the pid of their launcher.
    """

    def __init__(
        self,
        meters: Sequence[Source],
        jobs: Sequence[str],
        folder: Path,
        clock: Callable[[], float] = time.time,
        saw: Callable[[Sequence[Tree]], None] = lambda trees: None,
        containers: Callable[[], Mapping[int, Sequence[Tree]]] = dict,
    ) -> None:
        self._meters = [m for m in meters if any(d.kind == "gpu" for d in m.domains())]
        self._folder, self._clock, self._saw = folder, clock, saw
        self._containers = containers
        self._jobs = {name: _Job() for name in jobs}
        self._looker = TreeReader()
        self._turn = threading.Lock()  # one look at a time
        self._lock = threading.Lock()  # guards the figures; never held while a driver is asked
        self._thread: threading.Thread | None = None
        self._looked, self._asked_contexts = -LOOK_SECONDS, -CONTEXTS_SECONDS  # monotonic
        self.latest = clock()
        """Time of the last look at processes."""

        self._launchers: dict[int, str] = {}
        self._whose: dict[int, tuple[str, int, float]] = {}  # job, start time, last seen
        self._answers: dict[int, AnswerLine] = {}
        self._untold: dict[int, str] = {}  # by GPU
        self._absent: set[int] = set()
        self.strange_gpus: set[int] = set()
        """GPUs on which the driver reports pids that do not exist here (in a container)."""

        self.gpu_pids: dict[int, int] = {}

    # -- looks ----------------------------------------------------------------------------------

    def tick(self) -> None:
        """A look each second, beside the caller: a driver may take its time."""
        busy = self._thread is not None and self._thread.is_alive()
        if not busy and time.monotonic() - self._looked >= LOOK_SECONDS:
            with contextlib.suppress(RuntimeError):  # no thread to be had: at the next tick
                self._thread = start_thread(self.look, "loads")

    def look(self) -> None:
        """One look now; returns when it is done."""
        with self._turn:
            self._looked = time.monotonic()
            self._look_at_processes()
            absent = [pid for meter in self._meters for pid in self._ask_utilization(meter)]
            self._absent = set(absent)
            if self._meters and self._looked - self._asked_contexts >= CONTEXTS_SECONDS:
                self._asked_contexts = self._looked
                self._ask_contexts()

    def _look_at_processes(self) -> None:
        try:
            launchers = self._find_launchers()
        except OSError:
            return  # nothing is known of this time
        before = self._clock()
        trees, contained = self._looker.look(launchers), self._containers()
        now, moment = (before + self._clock()) / 2, time.monotonic()
        inside = [(pid, tree) for pid in launchers for tree in contained.get(pid, ())]
        self._saw([*trees, *(tree for _, tree in inside)])
        for launcher, tree in [*((tree.root, tree) for tree in trees), *inside]:
            for pid, began in tree.members.items():
                self._whose[pid] = launchers[launcher], began, moment
        for pid, (_, _, seen) in list(self._whose.items()):
            if moment - seen > REMEMBERED_SECONDS:
                del self._whose[pid]
                self.gpu_pids.pop(pid, None)
        self._launchers, self.latest = launchers, now
        # Last: a launcher that ended during the look has written its word by now.
        words = {name: self._word(name) for name in self._jobs}
        with self._lock:
            for name, job in self._jobs.items():
                own = [tree for tree in trees if launchers[tree.root] == name]
                job.add(now, *words[name], own, [t for p, t in inside if launchers[p] == name])

    def _find_launchers(self) -> dict[int, str]:
        """pid → job of each launcher with a running iteration. OSError: the folder is gone."""
        found = {}
        for name in os.listdir(self._folder):
            if name.startswith(".") and name.endswith(".running"):
                job, _, pid = name[1:].removesuffix(".running").rpartition(".")
                if job in self._jobs and pid.isdigit():
                    found[int(pid)] = job
        return found

    def _word(self, job: str) -> tuple[float, int]:
        """CPU seconds of the ended iterations, and the pid of the last launcher in them."""
        try:
            with open(self._folder / f".{job}.cpu", encoding="ascii", opener=open_regular) as file:
                seconds, pid = file.read().split()
            return float(seconds), int(pid)
        except (OSError, ValueError):
            return self._jobs[job].ended_seconds, 0

    # -- GPUs -----------------------------------------------------------------------------------

    def _ask_utilization(self, meter: Source) -> set[int]:
        """Returns pids of busy processes that are not there."""
        try:
            told = meter.utilization()
        except Exception as error:  # of a plug-in, too
            told = Utilization(missing={ALL: str(error) or type(error).__name__})
        now = self._clock()
        offset, absent = now - time.monotonic(), set[int]()
        found: dict[tuple[str, int], list[ProcessUtilization]] = {}
        for process in told.processes:
            job = self._job_of(process.pid)
            if job is not None:
                found.setdefault((job, process.gpu), []).append(process)
            elif read_stat(process.pid) is None:
                absent.add(process.pid)
                if process.pid in self._absent:
                    self.strange_gpus.add(process.gpu)
        with self._lock:
            self._untold.update(told.missing)
            for gpu in told.gpus:
                self._answers.setdefault(gpu, AnswerLine()).add(now)
            for (name, gpu), processes in found.items():
                line = self._jobs[name].gpus.setdefault(gpu, GpuLine())
                for time_, percent, seconds in _samples(processes):
                    line.add(offset + time_, percent, seconds)
        return absent

    def _ask_contexts(self) -> None:
        for meter in self._meters:
            for process in gpu_processes(meter)[0]:
                job = self._job_of(process.pid)
                if job is not None:
                    with self._lock:
                        self._jobs[job].gpus.setdefault(process.gpu, GpuLine())

    def _job_of(self, pid: int) -> str | None:
        """The job to which a process on a GPU belongs; remembers it."""
        known = self._whose.get(pid)
        if known is None:  # it may have begun since the look at the processes
            stat, parent = read_stat(pid), pid
            began = stat.start_ticks if stat else 0
            while stat is not None and parent not in self._launchers:
                parent, stat = stat.parent, read_stat(stat.parent)
            if parent not in self._launchers or not began:
                return None
            known = self._whose[pid] = self._launchers[parent], began, time.monotonic()
        self.gpu_pids[pid] = known[1]
        return known[0]

    def job_of(self, pid: int) -> str | None:
        """The job of a process that was seen below its launcher lately."""
        known = self._whose.get(pid)
        return None if known is None else known[0]

    # -- figures --------------------------------------------------------------------------------

    def between(
        self,
        start: float,
        end: float,
        *,
        shortest_seconds: float = background_load.SHORTEST_SECONDS,
    ) -> dict[str, JobLoad]:
        """How busy each job was from *start* to *end*; every figure that is None has its reason."""
        if end - start < shortest_seconds or end <= start:
            why = f"{end - start:.2f} s are too short to tell"
            return dict.fromkeys(self._jobs, background_load.unknown(why))
        with self._lock:
            return {name: self._load(job, start, end) for name, job in self._jobs.items()}

    def lately(self) -> dict[str, JobLoad]:
        """Over the last seconds."""
        return self.between(self.latest - LATELY_SECONDS, self.latest)

    def _load(self, job: _Job, start: float, end: float) -> JobLoad:
        missing: dict[str, str] = {}
        cpu = gpu = None
        try:
            cpu = job.cpu.between(start, end)
        except FigureUnknown as error:
            missing["cpu_cores"] = str(error)
        try:
            gpu = self._on_gpus(job, start, end)
        except FigureUnknown as error:
            missing["gpu_percent"] = str(error)
        best = gpu or cpu
        if best is None:
            missing["load"] = missing["source"] = missing["cpu_cores"]
        return JobLoad(
            load=best.busy if best else None,
            gpu_percent=gpu.mean if gpu else None,
            cpu_cores=cpu.mean if cpu else None,
            source="nvml" if gpu else "cpu" if cpu else None,
            missing=missing,
        )

    def _on_gpus(self, job: _Job, start: float, end: float) -> background_load.BusyShare:
        """Raises FigureUnknown where it was on none, or where that is not told."""
        if not self._meters:
            raise FigureUnknown("no GPU is metered")
        if not job.gpus:
            raise FigureUnknown("; ".join(["it was not seen on a metered GPU", *self._doubts()]))
        told = {gpu: line for gpu, line in job.gpus.items() if gpu in self._answers}
        if not told:
            reasons = [self._untold.get(gpu) or self._untold.get(ALL) for gpu in job.gpus]
            raise FigureUnknown("; ".join(sorted({reason for reason in reasons if reason})))
        for gpu in told:
            self._answers[gpu].check(start, end)
        return background_load.on_gpus(told, start, end)

    def _doubts(self) -> list[str]:
        """Why a job may be on a GPU without being seen there."""
        doubts = list(self._untold.values())
        if self.strange_gpus:
            doubts.append(STRANGE_PIDS)
        return doubts

    def cpu_lines(self) -> dict[str, CpuLine]:
        """CPU seconds of each job so far; a copy."""
        with self._lock:
            return {name: deepcopy(job.cpu) for name, job in self._jobs.items()}

    def seen_on(self, job: str) -> set[int]:
        """The GPUs on which processes of the job had a context, or were busy."""
        with self._lock:
            return set(self._jobs[job].gpus)

    def tells(self, gpu: int) -> bool:
        """Whether the driver tells how busy each process is on that GPU, by pids of here."""
        return gpu in self._answers and gpu not in self.strange_gpus


def _samples(
    processes: Sequence[ProcessUtilization],
) -> list[tuple[float, float, float | None]]:
    """(time, percent, seconds) of all *processes* together, in time order.

    Samples of one time add up, but not those of one process: they are of one and the same time.
    """
    if any(process.seconds is None for process in processes):
        last = max(process.time for process in processes)
        processes = [process._replace(time=last, seconds=None) for process in processes]
    of_time: dict[float, dict[int, ProcessUtilization]] = {}
    for process in processes:
        of_time.setdefault(process.time, {})[process.pid] = process
    return [
        (time_, sum(one.sm_percent for one in busy.values()), next(iter(busy.values())).seconds)
        for time_, busy in sorted(of_time.items())
    ]
