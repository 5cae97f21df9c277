"""Busy seconds by what a driver tells, on a simulated clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor
from types import SimpleNamespace

import pytest

from energyctl.energy import Domain
from energyctl.errors import MachineError
from energyctl.meters.base import NotReported, ProcessUtilization, Reading, Source, Utilization
from energyctl.meters.twins import busy
from energyctl.meters.twins.busy import busy_seconds

SAMPLE = 1 / 6
BUSY = {11: 48.0, 12: 50.0}


class Driver(Source):
    """Tells a sample of each process for each sixth of a second, or one mean since the last
    call."""

    name = "nvml"

    def __init__(self, *, means: bool, now: float = 100.05) -> None:
        self.now, self.asked, self.means = now, now - 5, means

    def domains(self) -> Sequence[Domain]:
        return ()

    def read(self) -> Sequence[Reading]:
        return ()

    def sleep(self, seconds: float) -> None:
        self.now += seconds + 0.003  # it wakes late

    def utilization(self) -> Utilization:
        samples = range(floor(self.asked / SAMPLE) + 1, floor(self.now / SAMPLE) + 1)
        self.asked = self.now
        if self.means:
            told = [ProcessUtilization(0, pid, self.now, p) for pid, p in BUSY.items()]
        else:
            told = [
                ProcessUtilization(0, pid, n * SAMPLE, p, SAMPLE)
                for n in samples
                for pid, p in BUSY.items()
            ]
        other = ProcessUtilization(1, 13, self.now, 99.0, 1.0)
        return Utilization([*told, other], [0])


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Source, Driver], list[float]]:
    def look(source: Source, driver: Driver) -> list[float]:
        clock = SimpleNamespace(sleep=driver.sleep, monotonic=lambda: driver.now)
        monkeypatch.setattr(busy, "time", clock)
        return busy_seconds(source, 0, [11, 12, 14], 20.0)

    return look


@pytest.mark.parametrize("means", [False, True])
def test_samples_are_summed_over_the_whole_stretch(
    looked: Callable[[Source, Driver], list[float]], means: bool
) -> None:
    driver = Driver(means=means)
    assert looked(driver, driver) == pytest.approx([9.6, 10.0, 0.0])
    assert driver.now == pytest.approx(120.05, abs=0.01)


class Silent(Driver):
    def utilization(self) -> Utilization:
        raise NotReported("no GPU tells")


class Denied(Driver):
    def utilization(self) -> Utilization:
        return Utilization([], [], {0: "GPU 0 is split by MIG"})


@pytest.mark.parametrize(
    ("source", "why"), [(Silent, "no GPU tells"), (Denied, "GPU 0 is split by MIG")]
)
def test_what_is_not_told_is_said(
    looked: Callable[[Source, Driver], list[float]], source: type[Driver], why: str
) -> None:
    driver = source(means=False)
    with pytest.raises(MachineError, match=f"keeps the GPU is not known: {why}"):
        looked(driver, driver)
