"""Who else has a context on the metered GPUs, seen over several looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from energyctl.meters.base import Source
from energyctl.meters.capabilities import gpu_processes, unmetered_processes
from energyctl.results.foreign_load import GpuProcess, user_and_command
from energyctl.system.threads import start_thread

LOOK_SECONDS = 5.0
# Longer than any call of a source takes that may hang.
_LAST_LOOK_SECONDS = 5.0

Whose = Literal["ours", "foreign", "nobody"]
GpuContext = tuple[int, int]  # GPU and pid


@dataclass
class _Sighting:
    process: GpuProcess
    looks: int = 1


class GpuLooks:
    """The looks of one interval.

    whose: to whom a pid belongs; "nobody": there is no such process. A pid that says nothing is
    reported once it was there at two looks: a process that has just ended has none either. It is
    foreign if it was there when nothing of ours ran (*alone*); those are kept in *strange*, and
    ours in *ours*. astray: of ours, by GPU, the first that was seen on one that is not metered.
    """

    def __init__(
        self,
        meters: Sequence[Source],
        whose: Callable[[int], Whose],
        strange: set[GpuContext],
        ours: set[GpuContext],
        alone: bool,
    ) -> None:
        self._meters = [m for m in meters if any(d.kind == "gpu" for d in m.domains())]
        self._whose, self._strange, self._alone = whose, strange, alone
        self._sightings: dict[GpuContext, _Sighting] = {}
        self._ours = ours
        self.astray: dict[int, GpuProcess] = {}
        self._reason: str | None = None if self._meters else "no GPU is metered"
        self._thread: threading.Thread | None = None
        self._next = 0.0

    def look(self) -> None:
        """One look now, unless one is still under way."""
        if self._meters and not self._busy():
            self._next = time.monotonic() + LOOK_SECONDS
            self._thread = start_thread(self._take, "foreign-gpu")

    def tick(self) -> None:
        """A look each few seconds, beside the caller: a driver may take its time."""
        if time.monotonic() >= self._next:
            self.look()

    def finish(self) -> tuple[list[GpuProcess] | None, str | None]:
        """A last look; the processes, and why they, or some, are not known."""
        self.wait()
        self.look()
        self.wait()
        if self._busy():
            self._reason = "the driver has not answered the last look"
        processes = []
        for context, sighting in sorted(self._sightings.items()):
            if sighting.process.attributed or sighting.looks > 1:
                if self._alone:
                    self._strange.add(context)
                attributed = sighting.process.attributed or context in self._strange
                processes.append(replace(sighting.process, attributed=attributed))
        return (None if self._reason and not processes else processes), self._reason

    def wait(self) -> None:
        """Until the look under way is done, for some seconds."""
        if self._thread is not None:
            self._thread.join(_LAST_LOOK_SECONDS)

    def _busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _take(self) -> None:
        for meter in self._meters:
            processes, reason = gpu_processes(meter)
            self._reason = reason or self._reason
            for process in processes:
                self._add(process.gpu, process.pid, process.memory_bytes)
            for process in unmetered_processes(meter):
                if process.gpu not in self.astray and self._whose(process.pid) == "ours":
                    named = user_and_command(process.pid)
                    self.astray[process.gpu] = GpuProcess(
                        process.gpu, process.pid, *named, process.memory_bytes
                    )

    def _add(self, gpu: int, pid: int, memory: int | None) -> None:
        sighting = self._sightings.get((gpu, pid))
        if (gpu, pid) in self._ours and self._whose(pid) != "foreign":
            return
        if sighting is None:
            whose = self._whose(pid)
            if whose == "ours":
                self._ours.add((gpu, pid))
            else:
                there = whose == "foreign"
                user, command = user_and_command(pid) if there else (None, None)
                named = GpuProcess(gpu, pid, user, command, memory, attributed=there)
                self._sightings[gpu, pid] = _Sighting(named)
            return
        most = max(
            (m for m in (memory, sighting.process.memory_bytes) if m is not None), default=None
        )
        sighting.process = replace(sighting.process, memory_bytes=most)
        sighting.looks += 1
