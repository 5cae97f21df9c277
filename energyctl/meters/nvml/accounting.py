"""How busy processes kept one NVIDIA GPU, by the driver's accounting: sums that lose no sample.

nvmlDeviceGetAccountingStats_v2 gives, since the process began, how many samples there were and the
sum of their percents. It needs accounting mode (`nvidia-smi -am 1`), and a driver and a module
that know it. startTime is in microseconds of Unix time, `time` in milliseconds, 0 while it runs.
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
    percents: int


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
    accounts = {pid: stats for pid in {*pids, *gpu.accounts} if (stats := _stats(gpu, pid))}
    busy = []
    for pid, stats in accounts.items() if seconds <= LONGEST_SECONDS else ():
        percent = _percent(stats, gpu.accounts.get(pid), unix, seconds)
        if percent > 0:
            busy.append(ProcessUtilization(gpu.index, pid, now, percent, seconds))
    gpu.accounts_asked = now
    gpu.accounts = {
        pid: Account(stats.startTime, stats.sampleCount, stats.sumGpuUtil)
        for pid, stats in accounts.items()
        if stats.isRunning
    }
    return busy, accounts


def _percent(stats: Any, before: Account | None, unix: float, seconds: float) -> float:
    """Mean over the last *seconds*, in some of which the process may not have been there."""
    began = stats.startTime / 1e6
    if before is None or before.began != stats.startTime:
        if began < unix - seconds:
            return 0.0  # it was there before, and is asked for only now
        before = Account(stats.startTime, 0, 0)
    samples, percents = stats.sampleCount - before.samples, stats.sumGpuUtil - before.percents
    ended = unix if stats.isRunning else min(unix, began + stats.time / 1e3)
    there = (ended - max(began, unix - seconds)) / seconds
    return min(100.0, percents / samples) * max(0.0, there) if samples > 0 else 0.0


def _stats(gpu: Gpu, pid: int) -> Any:
    """None where the process, or all of it, is not told."""
    ask = getattr(pynvml, "nvmlDeviceGetAccountingStats_v2", None)
    return None if ask is None else gpu.ask("accounting", lambda handle: ask(handle, pid))
