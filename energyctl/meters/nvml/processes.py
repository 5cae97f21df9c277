"""Who is on one NVIDIA GPU, and how busy each keeps it."""

from __future__ import annotations

import time
from typing import Any

import pynvml

from energyctl.meters.base import GpuProcess, NotReported, ProcessUtilization
from energyctl.meters.nvml.device import Gpu

# The first question about utilization, and one after a pause, goes so far back.
LONGEST_SECONDS = 5.0
# The longest sample period (nvmlUtilization_t): what is not told by then, was not.
PERIOD_SECONDS = 1.0


def processes(gpu: Gpu) -> list[GpuProcess]:
    """Who has a compute or graphics context on it or on a MIG device of it.

    NotReported where it tells of neither.
    """
    memory_bytes: dict[int, int | None] = {}  # by pid
    answered, failure = False, "it cannot be opened"
    for handle in [] if gpu.handle is None else [gpu.handle, *gpu.mig]:
        for kind in ("Compute", "Graphics"):
            try:
                running = _running(handle, kind)
            except pynvml.NVMLError as error:
                failure = str(error)
                continue
            answered = True
            for process in running:
                most = max(process.usedGpuMemory or 0, memory_bytes.get(process.pid) or 0)
                memory_bytes[process.pid] = most or None
    if not answered:
        raise NotReported(f"GPU {gpu.index} ({gpu.name}) does not report its processes: {failure}")
    return [GpuProcess(gpu.index, pid, memory) for pid, memory in memory_bytes.items()]


def utilization(gpu: Gpu) -> list[ProcessUtilization]:
    """Processes that were busy on it since the last call; NotReported where it does not tell.

    nvmlDeviceGetProcessUtilization (Maxwell and later, not with MIG) is handed a time, in
    microseconds of Unix time, and gives a sample for each process that was busy in a sample
    period (1/6 to 1 s) after it; NVML_ERROR_NOT_FOUND: there is none.
    """
    if gpu.handle is None:
        raise NotReported(f"GPU {gpu.index} cannot be opened")
    now, unix = time.monotonic(), _microseconds(time.time())
    # Not after now: the clock may have been set back.
    since = min(max(gpu.last_sample, unix - _microseconds(LONGEST_SECONDS)), unix)
    try:
        samples = _samples(gpu.handle, since)
    except pynvml.NVMLError as error:
        text = (
            f"GPU {gpu.index} ({gpu.name}) does not report the utilisation of each process: {error}"
        )
        raise NotReported(text) from error
    # Some drivers pad their answer with rows of nonsense.
    busy = [s for s in samples if s.pid and 0 < s.smUtil <= 100 and s.timeStamp > since]
    last = max((s.timeStamp for s in busy), default=since)
    gpu.last_sample = max(last, unix - _microseconds(PERIOD_SECONDS))
    return [
        ProcessUtilization(
            gpu.index, s.pid, now - max(0, unix - s.timeStamp) / 1e6, float(s.smUtil)
        )
        for s in busy
    ]


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)


def _samples(handle: Any, since: int) -> list[Any]:
    try:
        return list(pynvml.nvmlDeviceGetProcessUtilization(handle, since))
    except pynvml.NVMLError as error:
        # The module raises success, too: where the driver says at once that there are none.
        if error.value in (pynvml.NVML_ERROR_NOT_FOUND, pynvml.NVML_SUCCESS):
            return []
        raise


def _running(handle: Any, kind: str) -> Any:
    """nvmlDeviceGet…RunningProcesses, third version (driver 510), else the second."""
    try:
        return getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_v3")(handle)
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
    return getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_v2")(handle)
