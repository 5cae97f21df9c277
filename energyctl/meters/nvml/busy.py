"""How long kernels of each process ran on one NVIDIA GPU: sums that no look loses anything of.

By the driver's accounts where it keeps them (see accounting.py), also of processes that have ended
meanwhile; else all samples of nvmlDeviceGetProcessUtilization.
"""

from __future__ import annotations

import time
from math import inf

import pynvml

from energyctl.meters.base import NotReported
from energyctl.meters.busy import BusyProcess, GpuBusy
from energyctl.meters.nvml import accounting
from energyctl.meters.nvml.device import Gpu
from energyctl.meters.nvml.processes import PERIOD_SECONDS, learn_period, new_samples, processes
from energyctl.meters.nvml.sample_cursor import SampleCursor

# The last sample of a process comes when its period is over, up to a second after its end.
LAST_SAMPLE_SECONDS = 2 * PERIOD_SECONDS


class BusySums:
    """What is known of one GPU between two looks."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu, self._cursor = gpu, SampleCursor()
        self._seconds: dict[int, float] = {}  # by samples, of processes without an account
        self._ended: dict[int, float] | None = (
            None  # accounts that are over, since when (monotonic)
        )
        self._seen: dict[int, float] = {}  # of `_seconds`, when the process was last there

    def look(self) -> GpuBusy:
        """NotReported where the GPU tells it in neither way."""
        contexts, now = self._contexts(), time.monotonic()
        kept = self._keeps_accounts
        accounts = self._accounts(contexts, now) if kept else []
        moment = (now + time.monotonic()) / 2
        try:
            sampled = self._sampled(contexts, {account.pid for account in accounts}, now)
        except NotReported:
            if not kept:
                raise
            sampled = []
        period = self._cursor.period_seconds
        return GpuBusy(
            self._gpu.index,
            moment,
            "accounting" if kept else "utilization",
            [*accounts, *sampled],
            None if period == inf else period,
        )

    @property
    def _keeps_accounts(self) -> bool:
        mode = self._gpu.ask("accounting mode", pynvml.nvmlDeviceGetAccountingMode)
        return mode == 1 and accounting.is_known() and "accounting" not in self._gpu.absent

    def _contexts(self) -> set[int] | None:
        """None: not told."""
        try:
            return {process.pid for process in processes(self._gpu)}
        except NotReported:
            return None

    def _accounts(self, contexts: set[int] | None, now: float) -> list[BusyProcess]:
        """Of those that have a context, and of those that ended since the look before."""
        kept = set(self._gpu.ask("accounting pids", pynvml.nvmlDeviceGetAccountingPids) or ())
        if self._ended is None:
            before = set() if contexts is None else kept - contexts
            self._ended = dict.fromkeys(before, -inf)
        ended = self._ended = {pid: since for pid, since in self._ended.items() if pid in kept}
        over = {pid for pid, since in ended.items() if now - since > LAST_SAMPLE_SECONDS}
        found = []
        for pid in (contexts or set()) | (kept - over):
            told = accounting.stats(self._gpu, pid)
            if told is None:
                continue
            began, running = told.startTime / 1e6, bool(told.isRunning)
            if running:
                ended.pop(pid, None)
            else:
                ended.setdefault(pid, now)
            end = None if running else began + told.time / 1e3
            busy = accounting.percents(told) / 100
            found.append(BusyProcess(pid, busy, told.sampleCount, running, began, end))
        return found

    def _sampled(
        self, contexts: set[int] | None, accounted: set[int], now: float
    ) -> list[BusyProcess]:
        """Of the others. NotReported where there are no samples."""
        before = self._cursor.asked
        if self._cursor.period_seconds == inf:
            learn_period(self._gpu, self._cursor)
        for sample in new_samples(self._gpu, self._cursor):
            if sample.pid not in accounted:
                # Of a driver that has one row for each process: its mean since it was asked before.
                length = sample.seconds or min(now - before, PERIOD_SECONDS)
                so_far = self._seconds.get(sample.pid, 0.0)
                self._seconds[sample.pid] = so_far + sample.sm_percent / 100 * length
                self._seen[sample.pid] = now
        for pid in (contexts or set()) - accounted:
            self._seconds.setdefault(pid, 0.0)
            self._seen[pid] = now
        for pid, seen in list(self._seen.items()):
            if now - seen > LAST_SAMPLE_SECONDS or pid in accounted:
                del self._seen[pid], self._seconds[pid]
        return [
            BusyProcess(pid, seconds, running=None if contexts is None else pid in contexts)
            for pid, seconds in self._seconds.items()
        ]
