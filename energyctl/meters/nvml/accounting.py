"""How busy processes kept one NVIDIA GPU, by the driver's accounting: sums that lose no sample.

nvmlDeviceGetAccountingStats_v2 gives, since the process began, how many samples there were and the
sum of their percents. It needs accounting mode (`nvidia-smi -am 1`), and a driver and a module
that know it. startTime is in microseconds of Unix time, `time` in milliseconds, 0 while it runs.
sumGpuUtil is "in unit of pct * 100" (nvml.h of CUDA 13).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import pynvml

from energyctl.meters.base import ProcessUtilization
from energyctl.meters.nvml.device import Gpu

# There is a sample in it: their periods are 1/6 to 1 s (nvmlUtilization_t).
LEAST_SECONDS = 1.0
# Before that nothing is known of a process that was there already.
LONGEST_SECONDS = 5.0


class Account(NamedTuple):
    """Of a process: when it began (microseconds of Unix time), samples, and sum of percents."""

    began: int
    samples: int
    percents: float


def utilization(
    gpu: Gpu, pids: Collection[int], now: float, unix: float
) -> tuple[list[ProcessUtilization], Collection[int]]:
    """Mean of each process since the last question, and the pids that are in the accounts.

    pids: that are asked for beside those of the last question. now, unix: monotonic and Unix
    seconds.
    """
    seconds = now - gpu.accounts_asked
    if seconds < LEAST_SECONDS:
        return [], gpu.accounts
    accounts = {pid: told for pid in {*pids, *gpu.accounts} if (told := stats(gpu, pid))}
    busy = []
    for pid, told in accounts.items() if seconds <= LONGEST_SECONDS else ():
        percent = _percent(told, gpu.accounts.get(pid), unix, seconds)
        if percent > 0:
            busy.append(ProcessUtilization(gpu.index, pid, now, percent, seconds))
    gpu.accounts_asked = now
    gpu.accounts = {
        pid: Account(told.startTime, told.sampleCount, percents(told))
        for pid, told in accounts.items()
        if told.isRunning
    }
    return busy, accounts


def _percent(told: Any, before: Account | None, unix: float, seconds: float) -> float:
    """Mean over the last *seconds*, in some of which the process may not have been there."""
    began = told.startTime / 1e6
    if before is None or before.began != told.startTime:
        if began < unix - seconds:
            return 0.0  # it was there before, and is asked for only now
        before = Account(told.startTime, 0, 0.0)
    samples, grown = told.sampleCount - before.samples, percents(told) - before.percents
    ended = unix if told.isRunning else min(unix, began + told.time / 1e3)
    there = (ended - max(began, unix - seconds)) / seconds
    return min(100.0, grown / samples) * max(0.0, there) if samples > 0 else 0.0


def percents(told: Any) -> float:
    """The sum of its samples in percents, whichever unit agrees with the driver's own mean of the
    process: a sum of plain percents would be taken for a hundredth of it."""
    total, own = float(told.sumGpuUtil), told.gpuUtilization
    mean = total / max(1, told.sampleCount)
    hundredths = mean > 100 or (own <= 100 and abs(mean / 100 - own) < abs(mean - own))
    return total / 100 if hundredths else total


def is_known() -> bool:
    """Whether the module has the call; older ones do not."""
    return hasattr(pynvml, "nvmlDeviceGetAccountingStats_v2")


def stats(gpu: Gpu, pid: int) -> Any:
    """None where the process, or all of it, is not told."""
    ask = getattr(pynvml, "nvmlDeviceGetAccountingStats_v2", None)
    return None if ask is None else gpu.ask("accounting", lambda handle: ask(handle, pid))
