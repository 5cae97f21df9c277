"""Who is on AMD GPUs, and how busy each keeps them, as far as that is told."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from energyctl.meters.amdsmi.device import Gpu
from energyctl.meters.amdsmi.known import KnownGpu
from energyctl.meters.amdsmi.library import AmdError, Library, number
from energyctl.meters.base import GpuProcess, NotReported, ProcessUtilization, Utilization
from energyctl.meters.busy import Busy, BusyProcess, GpuBusy
from energyctl.meters.fdinfo import DrmProcesses

ENGINES = ("gfx", "compute")  # Linux, amdgpu_fdinfo.c


def processes(library: Library, gpu: KnownGpu) -> list[GpuProcess]:
    """Who computes on it by ROCm. NotReported where the driver does not tell.

    Each such process is listed at every GPU that it could use; it is on those where it holds
    memory.
    """
    try:
        listed = library.ask("amdsmi_get_gpu_process_list", gpu.handle)
    except AmdError as error:
        reason = f"GPU {gpu.index} ({gpu.name}) does not report its processes: {error}"
        raise NotReported(reason) from error
    held = [(process["pid"], _memory_bytes(process)) for process in listed]
    return [GpuProcess(gpu.index, pid, memory) for pid, memory in held if pid and memory]


def _memory_bytes(process: Mapping[str, Any]) -> int:
    """What the driver counts for the process, or what its open files say."""
    told = process.get("memory_usage", {}).get("vram_mem"), process.get("mem")
    return int(max(number(memory) or 0 for memory in told))


class BusyTimes:
    """Of the processes on some GPUs, by what the kernel counts of DRM.

    Where ROCm can compute, that is not told: the hardware takes turns at its queues by itself, and
    neither library nor kernel counts the time of a process (github.com/ROCm/amdsmi issue 130).
    """

    def __init__(self, library: Library, gpus: Sequence[Gpu]) -> None:
        self._library, self._gpus = library, gpus
        self._clients = DrmProcesses(ENGINES)
        self._before: dict[tuple[int, int], float] = {}
        self._before_time: float | None = None

    def look(self) -> Busy:
        missing = {gpu.index: why for gpu in self._gpus if (why := self._untold(gpu.known))}
        gpus = [gpu for gpu in self._gpus if gpu.index not in missing]
        if not gpus:
            return Busy((), missing)
        seconds, now = self._clients.seconds(), time.monotonic()
        return Busy([self._of(gpu, seconds, now) for gpu in gpus], missing)

    def _untold(self, gpu: KnownGpu) -> str | None:
        try:
            found = processes(self._library, gpu)
        except NotReported as error:
            return str(error)
        if not found and gpu.hip_id is None and gpu.node is None:
            return None
        return (
            f"GPU {gpu.index} ({gpu.name}) does not report how long each process keeps it busy: "
            "of what ROCm computes nobody counts that"
        )

    def _of(self, gpu: Gpu, seconds: Mapping[tuple[int, str], float], now: float) -> GpuBusy:
        there = [(pid, s) for (pid, address), s in seconds.items() if address == gpu.known.address]
        told = [BusyProcess(pid, busy, running=True) for pid, busy in there]
        return GpuBusy(gpu.index, now, "accounting", told)

    def utilization(self) -> Utilization:
        """Since the call before."""
        busy = self.look()
        now = {(gpu.gpu, p.pid): p.busy for gpu in busy.gpus for p in gpu.processes}
        moment = max((gpu.time for gpu in busy.gpus), default=time.monotonic())
        found = []
        if self._before_time is not None and moment > self._before_time:
            length = moment - self._before_time
            for (gpu, pid), total in now.items():
                grown = total - self._before.get((gpu, pid), total)
                if grown > 0:
                    percent = min(100.0, 100 * grown / length)
                    found.append(ProcessUtilization(gpu, pid, moment, percent, length))
        self._before, self._before_time = now, moment
        return Utilization(found, [gpu.gpu for gpu in busy.gpus], busy.missing)
