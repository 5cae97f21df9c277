"""Who is on one NVIDIA GPU, and how busy each keeps it."""

from __future__ import annotations

import contextlib
import time
from itertools import pairwise
from math import inf
from typing import Any

import pynvml

from energyctl.energy import Domain
from energyctl.meters.base import GpuProcess, NotReported, ProcessUtilization
from energyctl.meters.nvml import accounting
from energyctl.meters.nvml.device import Gpu, mig_devices
from energyctl.meters.nvml.sample_cursor import SampleCursor
from energyctl.meters.nvml.selection import VisibleGpu

# The first question about utilization, and one after a pause, goes so far back.
LONGEST_SECONDS = 5.0
# The longest sample period (nvmlUtilization_t): what is not told by then, was not.
PERIOD_SECONDS = 1.0
SHORTEST_PERIOD_SECONDS = 0.1  # nvmlUtilization_t: 1/6 to 1 s
SAMPLE_TRIES = 5  # samples come every sixth of a second at the most; a question takes less


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


def seen_on(card: VisibleGpu) -> list[GpuProcess]:
    """Who is on a GPU that is not metered; nobody where it does not tell."""
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(card.index)
        mig = tuple(device for device, _ in mig_devices(handle)) if card.mig else ()
        domain = Domain(f"gpu-{card.index}", "gpu", "nvml")
        return processes(Gpu(card.index, card.name, card.uuid, handle, domain, None, mig))
    except (pynvml.NVMLError, NotReported):
        return []


def utilization(gpu: Gpu) -> list[ProcessUtilization]:
    """Processes that were busy on it since the last call; NotReported where it does not tell.

    Of processes that the driver keeps accounts of, those tell: no sample is lost to them.
    """
    samples = new_samples(gpu, gpu.samples)
    pids = {sample.pid for sample in samples}
    accounted, known = accounting.utilization(gpu, pids, gpu.samples.asked, time.time())
    return accounted + [sample for sample in samples if sample.pid not in known]


def new_samples(gpu: Gpu, cursor: SampleCursor) -> list[ProcessUtilization]:
    """Of processes that were busy since *cursor*, which moves on; NotReported where it does not
    tell.

    nvmlDeviceGetProcessUtilization (Maxwell and later, not with MIG) is handed a time, in
    microseconds of Unix time, and gives a sample for each process that was busy in a sample
    period (1/6 to 1 s) after it, or one for each period; NVML_ERROR_NOT_FOUND: there is none.
    """
    if gpu.handle is None:
        raise NotReported(f"GPU {gpu.index} cannot be opened")
    now, unix = time.monotonic(), _microseconds(time.time())
    # Not after now: the clock may have been set back.
    since = min(max(cursor.since, unix - _microseconds(LONGEST_SECONDS)), unix)
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
    cursor.asked, cursor.since = now, max(last, unix - _microseconds(PERIOD_SECONDS))
    cursor.period_seconds = min(cursor.period_seconds, _shortest_period(busy))
    lengths = _lengths(cursor, busy)
    return [
        ProcessUtilization(
            gpu.index,
            s.pid,
            now - max(0, unix - s.timeStamp) / 1e6,
            float(s.smUtil),
            lengths.get(s.timeStamp),
        )
        for s in busy
    ]


def _lengths(cursor: SampleCursor, samples: list[Any]) -> dict[int, float]:
    """Seconds that each sample is of, by its stamp; empty where there is one for each process.

    A sample is of the time since the one before; where that is longer than a sample period and a
    half, the GPU was idle in between, or a sample was lost, and it is of one period.
    """
    if cursor.period_seconds == inf:
        return {}
    period, lengths = cursor.period_seconds, {}
    for stamp in sorted({sample.timeStamp for sample in samples}):
        before = (stamp - cursor.latest) / 1e6
        lengths[stamp] = before if 0 < before <= 1.5 * period else period
        cursor.latest = stamp
    return lengths


def _shortest_period(samples: list[Any]) -> float:
    """Seconds between two samples of one process; infinity where each has one."""
    by_process: dict[int, set[int]] = {}
    for sample in samples:
        by_process.setdefault(sample.pid, set()).add(sample.timeStamp)
    apart = (
        (after - before) / 1e6
        for stamps in by_process.values()
        for before, after in pairwise(sorted(stamps))
    )
    return min((seconds for seconds in apart if seconds >= SHORTEST_PERIOD_SECONDS), default=inf)


def learn_period(gpu: Gpu, cursor: SampleCursor) -> None:
    """By the samples of the last seconds: of a shorter time there may be one of each process."""
    since = _microseconds(time.time() - LONGEST_SECONDS)
    with contextlib.suppress(pynvml.NVMLError):
        samples = [s for s in _samples(gpu.handle, since) if s.pid and s.timeStamp > since]
        cursor.period_seconds = _shortest_period(samples)


def _microseconds(seconds: float) -> int:
    return int(seconds * 1e6)


def _samples(handle: Any, since: int) -> list[Any]:
    """The module asks how many there are, then for these: one that comes between is too many."""
    for _ in range(SAMPLE_TRIES):
        try:
            return list(pynvml.nvmlDeviceGetProcessUtilization(handle, since))
        except pynvml.NVMLError as error:
            # The module raises success, too: where the driver says at once that there are none.
            if error.value in (pynvml.NVML_ERROR_NOT_FOUND, pynvml.NVML_SUCCESS):
                return []
            failure = error
            if error.value != pynvml.NVML_ERROR_INSUFFICIENT_SIZE:
                break
    raise failure


def _running(handle: Any, kind: str) -> Any:
    """nvmlDeviceGet…RunningProcesses, third version (driver 510), else the second."""
    try:
        return getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_v3")(handle)
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
    return getattr(pynvml, f"nvmlDeviceGet{kind}RunningProcesses_v2")(handle)
