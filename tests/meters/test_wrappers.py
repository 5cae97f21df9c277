"""Sources that stand in front of another one pass on all that it can do."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import get_type_hints

import pytest

import energyctl.meters
from energyctl.background.load_monitor import LoadMonitor
from energyctl.energy import Domain
from energyctl.meters import discovery, open_meters
from energyctl.meters.base import (
    GpuProcess,
    GpuState,
    NotReported,
    ProcessUtilization,
    Reading,
    Source,
    SourceWrapper,
    Utilization,
)
from energyctl.meters.bounded import TimeLimitedSource
from energyctl.meters.busy import Busy, BusyProcess, DeviceLook, GpuBusy
from energyctl.meters.discovery import RelabelledSource
from hardware.meter import ScriptedMeter

GPU = Domain("gpu-0", "gpu", "nvml energy counter", part="gpu/GPU-a")
LOST = Domain("gpu-1", "gpu", "nvml", part="gpu/GPU-b", missing="GPU is lost")

WRAPPERS: dict[type[SourceWrapper], Callable[[Source], SourceWrapper]] = {
    SourceWrapper: SourceWrapper,
    TimeLimitedSource: TimeLimitedSource,
    RelabelledSource: lambda source: RelabelledSource(source, source.domains()),
}


class Everything(Source):
    """A plug-in's source that has its own answer to everything that a source may be asked."""

    name = "everything"
    unavailable = "a part of it is off"
    warnings = ("its clock is slow",)
    quick = True

    def __init__(self, pid: int = 11) -> None:
        self.pid = pid
        self.closed = False

    @property
    def cpu_seconds(self) -> float:
        return 1000.0

    def domains(self) -> Sequence[Domain]:
        return (GPU, LOST)

    def read(self) -> Sequence[Reading]:
        return [Reading(GPU.name, 5.0, 7.0)]

    def read_of(self, names: Set[str]) -> Sequence[Reading]:
        return [r for r in self.read() if r.domain in names]

    def read_after(self, time: float) -> Sequence[Reading]:
        return [Reading(GPU.name, time + 1.0, 8.0)]

    def environment(self) -> Sequence[GpuState]:
        return (GpuState(0, "A GPU", 5.0, 50.0),)

    def processes(self) -> Sequence[GpuProcess]:
        return (GpuProcess(0, self.pid, 1 << 20),)

    def unmetered_processes(self) -> Sequence[GpuProcess]:
        return (GpuProcess(1, self.pid, None),)

    def utilization(self) -> Utilization:
        return Utilization([ProcessUtilization(0, self.pid, 5.0, 70.0)], [0])

    def busy(self) -> Busy:
        process = BusyProcess(self.pid, 7.0, 40, True, 1.0)
        return Busy([GpuBusy(0, 5.0, "accounting", [process])])

    def devices(self) -> Mapping[int, DeviceLook]:
        return {0: DeviceLook(71.0, 1200.0)}

    def close(self) -> None:
        self.closed = True


def public_names() -> set[str]:
    """Of all methods, properties and attributes of a source."""
    names = {*vars(Source), *get_type_hints(Source)}
    return {name for name in names if not name.startswith("_")}


@pytest.fixture(params=WRAPPERS, ids=lambda wrapper: wrapper.__name__)
def wrapped(request: pytest.FixtureRequest) -> Iterator[tuple[Everything, SourceWrapper]]:
    source = Everything()
    wrapper = WRAPPERS[request.param](source)
    yield source, wrapper
    wrapper.close()


def test_a_wrapper_passes_on_all_that_a_source_has(
    wrapped: tuple[Everything, SourceWrapper],
) -> None:
    source, wrapper = wrapped
    assert public_names() <= vars(Everything).keys()  # else this test does not look at all
    wrapper.read()
    for name in public_names() - {"close", "cpu_seconds"}:
        expected, found = getattr(source, name), getattr(wrapper, name)
        if name == "read_of":
            assert list(wrapper.read_of({LOST.name})) == []
            expected, found = source.read(), wrapper.read_of({GPU.name})
        elif name == "read_after":
            expected, found = source.read_after(5.0), wrapper.read_after(5.0)
        elif callable(expected):
            expected, found = expected(), found()
        assert found == expected, name
    assert wrapper.cpu_seconds >= source.cpu_seconds
    wrapper.close()
    assert source.closed


def test_each_wrapper_is_held_by_these_tests() -> None:
    for module in pkgutil.walk_packages(energyctl.meters.__path__, "energyctl.meters."):
        importlib.import_module(module.name)
    found = [cls for cls in _subclasses(Source) if cls.__module__.startswith("energyctl.")]
    wrappers = {cls for cls in found if "source" in inspect.signature(cls).parameters}
    assert wrappers == WRAPPERS.keys()


def _subclasses(base: type) -> Iterator[type]:
    for cls in base.__subclasses__():
        yield cls
        yield from _subclasses(cls)


class FakeEntryPoint:
    """An entry point that opens `source`."""

    def __init__(self, name: str, source: Source) -> None:
        self.name, self.value, self._source = name, "a test", source

    def load(self) -> Callable[[object], Source]:
        return lambda wanted: self._source


def test_where_a_plug_in_shows_a_lost_gpu_the_load_of_the_others_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pid = os.getpid()
    driver = Everything(pid)
    driver.quick = False
    board = ScriptedMeter({Domain("board", "gpu", "BMC", part=LOST.part): lambda now: 50 * now})
    points = [FakeEntryPoint("nvml", driver), FakeEntryPoint("board", board)]
    monkeypatch.setattr(discovery, "source_entry_points", lambda: points)
    meters, _ = open_meters()
    try:
        nvml, board_wrapper = meters
        in_total = {d.name: d.in_total for meter in meters for d in meter.domains()}
        assert in_total == {"gpu-0": True, "gpu-1": False, "board": True}
        assert isinstance(nvml, RelabelledSource)
        assert nvml.utilization().processes[0].sm_percent == 70.0
        with pytest.raises(NotReported, match="scripted does not report the utilisation"):
            board_wrapper.utilization()
        loads = LoadMonitor(meters, ["job"], tmp_path)
        loads.look()
        assert loads.tells(0)
    finally:
        for meter in meters:
            meter.close()
