"""Utilisation by the driver's accounts, whose processes are simulated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from energyctl.energy import Domain
from energyctl.meters.nvml import accounting
from energyctl.meters.nvml.device import Gpu

EPOCH, PERIOD = 1_800_000_000.0, 0.2


class Accounts:
    """What a driver tells at `now`: pid → (from, to, percent while it runs), sampled each 0.2 s.
    unit: of the sums, per percent."""

    def __init__(self, processes: dict[int, tuple[float, float, int]], unit: int = 100) -> None:
        self.processes, self.unit, self.now = processes, unit, 0.0

    def stats(self, gpu: Gpu, pid: int) -> Any:
        if pid not in self.processes or self.now < self.processes[pid][0]:
            return None
        began, ended, percent = self.processes[pid]
        until = min(ended, self.now)
        samples = math.floor(until / PERIOD) - math.floor(began / PERIOD)
        return SimpleNamespace(
            startTime=round((EPOCH + began) * 1e6),
            time=round((until - began) * 1e3) if until < self.now else 0,
            isRunning=int(until == self.now),
            gpuUtilization=percent,
            sampleCount=samples,
            sumGpuUtil=samples * percent * self.unit,
        )

    def told(self, looks: Iterable[float], monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
        """pid → percent times seconds, over all looks: each asks for all that were there."""
        monkeypatch.setattr(accounting, "stats", self.stats)
        gpu = Gpu(0, "GPU", "", object(), Domain("gpu-0", "gpu", "test"), None)
        sums: dict[int, float] = {}
        for self.now in looks:
            there = {p for p, (began, *_) in self.processes.items() if began < self.now}
            rows, _ = accounting.utilization(gpu, there, self.now, EPOCH + self.now)
            for row in rows:
                assert row.time == self.now
                sums[row.pid] = sums.get(row.pid, 0.0) + row.sm_percent * (row.seconds or 0.0)
        return sums


LOOKS = [0.3 + 1.03 * n for n in range(11)]


def test_what_each_process_did_is_told_in_full_over_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A training that goes on, and iterations of 0.7 s with pauses of 0.1 s in between.
    iterations = {20 + n: (0.35 + 0.8 * n, 1.05 + 0.8 * n, 60) for n in range(12)}
    accounts = Accounts({11: (-30.0, 99.0, 41), **iterations})
    sums = accounts.told(LOOKS, monkeypatch)
    span = LOOKS[-1] - LOOKS[0]
    assert sums.pop(11) / span == pytest.approx(41, abs=0.1)
    truth = sum(60 * (ended - began) for began, ended, _ in iterations.values())
    assert sum(sums.values()) / span == pytest.approx(truth / span, abs=3)


@pytest.mark.parametrize("unit", [1, 100])
@pytest.mark.parametrize("percent", [1, 40, 100])
def test_sums_of_percents_and_of_their_hundredths_are_told_apart(
    unit: int, percent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = Accounts({11: (-9.0, 99.0, percent)}, unit).told([0.0, 2.0, 4.0], monkeypatch)
    assert sums[11] / 4 == pytest.approx(percent)


def test_a_full_gpu_is_no_more_than_full_at_looks_that_come_early_and_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = list(itertools.accumulate([0.5, *([1.02, 1.37, 1.11] * 4)]))
    sums = Accounts({11: (0.0, 99.0, 100)}).told(looks, monkeypatch)
    assert sums[11] / (looks[-1] - looks[0]) == pytest.approx(100)


def test_looks_that_follow_closely_are_told_together(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = Accounts({11: (-5.0, 99.0, 50)}).told([0.0, 0.05, 0.4, 0.8, 1.3, 1.35, 2.2], monkeypatch)
    assert sums == {11: pytest.approx(1.3 * 50)}


def test_of_a_process_that_was_there_before_nothing_is_told_at_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accounts = Accounts({11: (-60.0, 99.0, 50), 12: (8.5, 99.0, 50)})
    assert accounts.told([0.0], monkeypatch) == {}
    assert accounts.told([0.0, 9.0], monkeypatch) == {}  # after a pause as at first
    assert accounts.told([8.0, 9.0], monkeypatch) == {
        11: pytest.approx(50),
        12: pytest.approx(25),
    }


def test_a_pid_that_is_used_again_is_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts({11: (0.0, 99.0, 100)})
    monkeypatch.setattr(accounting, "stats", accounts.stats)
    gpu = Gpu(0, "GPU", "", object(), Domain("gpu-0", "gpu", "test"), None)
    rows = []
    for accounts.now in (8.0, 9.0):
        rows = accounting.utilization(gpu, {11}, accounts.now, EPOCH + accounts.now)[0]
        accounts.processes[11] = (8.5, 99.0, 20)
    (row,) = rows
    assert row.sm_percent == pytest.approx(10)
