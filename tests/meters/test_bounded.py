"""A driver that hangs: the reading fails with that reason, and everything else goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from energyctl.energy import Domain
from energyctl.meters import bounded
from energyctl.meters.base import (
    GpuState,
    NotReported,
    ProcessUtilization,
    Reading,
    Source,
    Utilization,
)
from energyctl.meters.bounded import TimeLimitedSource
from energyctl.meters.sampler import Sampler

GPU = Domain("gpu-0", "gpu", "nvml energy counter")
PACKAGE = Domain("package-0", "cpu", "powercap")


class Driver(Source):
    """A source of 100 W whose calls do not return while `stuck` is set."""

    def __init__(self, name: str, domain: Domain) -> None:
        self.name, self._domain = name, domain
        self.free = threading.Event()
        self.free.set()
        self.closed = False

    def domains(self) -> Sequence[Domain]:
        return (self._domain,)

    def read(self) -> Sequence[Reading]:
        self.free.wait()
        now = time.monotonic()
        return (Reading(self._domain.name, now, 100 * now),)

    def environment(self) -> Sequence[GpuState]:
        self.free.wait()
        return (GpuState(0, "A GPU", time.monotonic(), 50.0),)

    def utilization(self) -> Utilization:
        self.free.wait()
        return Utilization([ProcessUtilization(0, 11, time.monotonic(), 70.0)], [0])

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    monkeypatch.setattr(bounded, "LIMIT_SECONDS", 0.1)
    made = Driver("nvml", GPU)
    yield made
    made.free.set()


def test_what_answers_passes_unchanged(driver: Driver) -> None:
    meter = TimeLimitedSource(driver)
    (reading,) = meter.read()
    assert (reading.domain, reading.value) == ("gpu-0", pytest.approx(100 * reading.time))
    assert meter.environment()[0].temperature_celsius == 50.0
    assert meter.utilization().processes[0].sm_percent == 70.0
    assert meter.domains() == (GPU,)
    meter.close()
    assert driver.closed


def test_a_call_that_hangs_fails_with_its_reason_and_is_not_asked_again(driver: Driver) -> None:
    meter = TimeLimitedSource(driver)
    driver.free.clear()
    (first,) = meter.read()
    assert first.value is None
    assert first.reason is not None
    assert "the driver hangs" in first.reason
    began = time.monotonic()
    for _ in range(100):
        assert meter.read()[0].value is None
    assert time.monotonic() - began < 100 * bounded.LIMIT_SECONDS / 2
    assert meter.environment() == ()
    with pytest.raises(NotReported, match="the driver hangs"):
        meter.utilization()
    meter.close()
    assert not driver.closed


def test_a_driver_that_comes_back_is_read_again(driver: Driver) -> None:
    meter = TimeLimitedSource(driver)
    driver.free.clear()
    assert meter.read()[0].value is None
    driver.free.set()
    deadline = time.monotonic() + 10
    while meter.read()[0].value is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    meter.close()


def test_an_error_of_the_meter_stays_an_error(driver: Driver) -> None:
    def broken() -> Sequence[Reading]:
        raise RuntimeError("lost")

    driver.read = broken  # type: ignore[method-assign]
    meter = TimeLimitedSource(driver)
    with pytest.raises(RuntimeError, match="lost"):
        meter.read()
    meter.close()


def test_a_gpu_that_hangs_costs_neither_the_phases_nor_the_cpu(driver: Driver) -> None:
    package = Driver("powercap", PACKAGE)
    gpu = TimeLimitedSource(driver)
    sampler = Sampler([package, gpu], interval_seconds=0.05)
    sampler.start()
    start = sampler.phase("foreground")
    driver.free.clear()
    deadline = time.monotonic() + 10
    while sampler.now() < start + 1:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    end = sampler.phase("cooldown")
    energy = sampler.stop().energy(start, end)
    by_name = {entry.domain.name: entry for entry in energy.domains}
    assert by_name["package-0"].joules == pytest.approx(100 * (end - start), rel=0.05)
    assert by_name["gpu-0"].joules is None
    assert "the driver hangs" in (by_name["gpu-0"].missing or "")
    assert energy.total_joules is None
    gpu.close()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_calls_that_hang_leave_no_thread_behind_and_their_late_value_is_dropped(
    driver: Driver,
) -> None:
    before = set(threading.enumerate())
    meter = TimeLimitedSource(driver)
    threads = set(threading.enumerate()) - before
    driver.free.clear()
    hung_since = time.monotonic()
    for _ in range(20):
        assert meter.read()[0].value is None
    assert set(threading.enumerate()) - before == threads
    driver.read = lambda: (Reading("gpu-0", hung_since - 1, 1.0),)  # type: ignore[method-assign]
    driver.free.set()
    wait_for(lambda: meter.read()[0].value is not None)
    assert meter.read()[0].time == hung_since - 1  # of the second call, not of the first
    meter.close()
    wait_for(lambda: not threads & set(threading.enumerate()))


def test_a_source_that_exits_is_an_error_and_is_read_again(driver: Driver) -> None:
    meter = TimeLimitedSource(driver)
    read = driver.read

    def leave() -> Sequence[Reading]:
        raise SystemExit("leaves")

    driver.read = leave  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="leaves"):
        meter.read()
    driver.read = read  # type: ignore[method-assign]
    assert meter.read()[0].value is not None
    meter.close()
