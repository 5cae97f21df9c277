"""How long processes kept one GPU busy: sums of what the driver tells, no mean of looks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

from energyctl.errors import MachineError
from energyctl.meters.base import NotReported, Source, Utilization

LOOK_SECONDS = 1.25
"""Accounts tell after a second; samples are lost where nobody asks for some."""


def busy_seconds(source: Source, gpu: int, pids: Sequence[int], seconds: float) -> list[float]:
    """Waits so long, under a load that was the same a while before, and sums what each of the
    processes kept the GPU of that index busy.

    Samples begin and end a little beside the stretch, so their sum is scaled by the time that they
    are of: of a process whose kernels never pause for longer than one. MachineError where the
    driver does not tell.
    """
    looks = max(1, int(seconds / LOOK_SECONDS))
    busy: dict[int, float] = defaultdict(float)
    of_seconds: dict[int, float] = defaultdict(float)
    told_utilization(source, gpu)
    began = looked = time.monotonic()
    for look in range(1, looks + 1):
        time.sleep(max(0.0, began + look * seconds / looks - time.monotonic()))
        told, now = told_utilization(source, gpu), time.monotonic()
        for one in told.processes:
            length = now - looked if one.seconds is None else one.seconds
            busy[one.pid] += one.sm_percent / 100 * length
            of_seconds[one.pid] += length
        looked = now
    covered = max((of_seconds[pid] for pid in pids), default=0.0)
    scale = seconds / covered if covered else 0.0
    return [busy[pid] * scale for pid in pids]


def told_utilization(source: Source, gpu: int) -> Utilization:
    """Since the last question. MachineError where it is not told of that GPU."""
    try:
        told = source.utilization()
    except NotReported as error:
        raise MachineError(f"how busy each process keeps the GPU is not known: {error}") from error
    if gpu in told.missing:
        raise MachineError(f"how busy each process keeps the GPU is not known: {told.missing[gpu]}")
    return told
