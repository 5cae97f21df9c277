"""Which sources a machine offers, and what is required of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import energyctl
from energyctl import meters as meters_package
from energyctl.energy import Domain
from energyctl.errors import SettingsError
from energyctl.meters import Source, discovery, missing_kinds, open_meters
from energyctl.meters.estimate import BUSY_WATTS, IDLE_WATTS, CpuEstimate
from energyctl.meters.nvml.selection import VisibleGpu, named, visible
from hardware.meter import ScriptedMeter
from hardware.powercap import zone

KNOWN = [VisibleGpu(0, "GPU-aa11"), VisibleGpu(1, "GPU-aa22"), VisibleGpu(2, "GPU-bb33")]

Opener = Callable[[Path], tuple[list[Source], list[str]]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    """Opens the meters of a powercap tree, without GPUs, and closes them again."""
    meters: list[Source] = []

    def open_root(root: Path) -> tuple[list[Source], list[str]]:
        monkeypatch.setenv("ENERGYCTL_POWERCAP", str(root))
        monkeypatch.setenv("ENERGYCTL_PERF", str(root))
        found, warnings = open_meters(gpus=[])
        meters.extend(found)
        return found, warnings

    yield open_root
    for meter in meters:
        meter.close()


def names(meters: list[Source]) -> list[str]:
    return [d.name for meter in meters for d in meter.domains()]


def test_cpu_power_is_estimated_only_where_no_package_can_be_measured(
    tmp_path: Path, opened: Opener
) -> None:
    meters, warnings = opened(tmp_path)
    assert names(meters) == ["cpu"]
    assert any("estimated, not measured" in line for line in warnings)
    zone(tmp_path, "intel-rapl:0", "package-0")
    meters, warnings = opened(tmp_path)
    assert names(meters) == ["package-0"]
    assert warnings == []


def test_an_estimate_stands_in_for_packages_that_cannot_be_read(
    tmp_path: Path, opened: Opener
) -> None:
    (zone(tmp_path, "intel-rapl:0", "package-0") / "energy_uj").write_text("none\n")
    meters, warnings = opened(tmp_path)
    by_name = {d.name: d for meter in meters for d in meter.domains()}
    assert not by_name["package-0"].in_total
    assert by_name["cpu"].in_total
    assert warnings[0].startswith("not measured: package-0: reading ")
    assert warnings[1].startswith("CPU energy is estimated, not measured")


def test_what_is_left_out_is_read_no_more_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYCTL_POWERCAP", str(tmp_path))
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "dram")
    zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    with energyctl.Meter(0.05, gpus=[], leave_out=["dram-0", "package-0", "psys"]) as meter:
        pass
    domains = {d.domain.name: d for d in meter.energy.domains}
    assert [n for n, d in domains.items() if d.joules is not None] == ["package-0-mmio"]
    assert not any(d.domain.in_total for d in domains.values())
    assert 'not measured: package-0, dram-0: left out by "leave_out"; no total has it' in (
        meter.warnings
    )
    assert any('"leave_out": there is no psys on this machine' in w for w in meter.warnings)


def test_a_zone_that_does_not_matter_can_be_left_out_of_the_total(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYCTL_POWERCAP", str(tmp_path))
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:1", "package-0")
    for leave_out, known in (([], False), (["package-0-intel-rapl:1"], True)):
        with energyctl.Meter(0.05, gpus=[], leave_out=leave_out) as meter:
            pass
        assert (meter.energy.total_joules is not None) == known


def test_the_environment_can_name_another_powercap_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone(tmp_path, "intel-rapl:0", "package-7")
    monkeypatch.setenv("ENERGYCTL_POWERCAP", str(tmp_path))
    meters, _ = open_meters(gpus=[])
    assert names(meters) == ["package-7"]
    for meter in meters:
        meter.close()


def test_an_estimate_follows_the_busy_time_of_all_cpus(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    idle = "cpu 0 0 0 1000 0 0 0 50 0 0\ncpu0 0 0 0 500 0 0 0 25 0 0\ncpu1 0 0 0 500 0 0 0 25 0 0\n"
    stat.write_text(idle)
    meter = CpuEstimate(stat)
    (before,) = meter.read()
    # 300 ticks more: user + nice + system + irq + softirq; iowait, stolen and guest are none.
    stat.write_text(idle.replace("cpu 0 0 0 1000 0 0 0 50 0 0", "cpu 100 50 50 0 99 60 40 99 99 9"))
    (after,) = meter.read()
    meter.close()
    assert before.value is not None
    assert after.value is not None
    busy_seconds = 300 / os.sysconf("SC_CLK_TCK")
    waiting = 2 * IDLE_WATTS * (after.time - before.time)
    expected = (BUSY_WATTS - IDLE_WATTS) * busy_seconds + waiting
    assert after.value - before.value == pytest.approx(expected)
    (domain,) = meter.domains()
    assert not domain.measured
    assert domain.relative_uncertainty >= 0.5


def test_without_proc_stat_there_is_no_estimate(tmp_path: Path) -> None:
    meter = CpuEstimate(tmp_path / "none")
    assert not meter.domains()
    assert not meter.read()
    assert "no estimate" in (meter.unavailable or "")


@pytest.mark.parametrize(
    ("value", "indices"),
    [
        ("0,2", [0, 2]),
        ("2,0", [0, 2]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,9,0", [1]),
        ("GPU-bb33", [2]),
        ("GPU-bb", [2]),
        ("GPU-aa", []),
        (" 1 , 1 ", [1]),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(value: str, indices: list[int]) -> None:
    assert visible(KNOWN, value).indices == indices


@pytest.mark.parametrize(
    ("gpus", "message"),
    [
        ([3], "there is no GPU 3; this machine has 0 (GPU-aa11), 1 (GPU-aa22), 2 (GPU-bb33)"),
        (["GPU-aa"], "several GPUs begin with GPU-aa"),
        (["GPU-zz"], "there is no GPU GPU-zz"),
        ([-1], "there is no GPU -1"),
    ],
)
def test_gpus_that_do_not_exist_are_refused(gpus: list[int | str], message: str) -> None:
    with pytest.raises(SettingsError) as refused:
        named(KNOWN, gpus)
    assert message in str(refused.value)


def test_required_kinds_are_missing_with_a_reason(tmp_path: Path, opened: Opener) -> None:
    meters, _ = opened(tmp_path)
    cpu, gpu = missing_kinds(meters, ["cpu", "gpu"])
    assert cpu.startswith("cpu cannot be measured: no RAPL zones")
    assert gpu.startswith("gpu cannot be measured: ")
    zone(tmp_path, "intel-rapl:0", "package-0")
    meters, _ = opened(tmp_path)
    assert missing_kinds(meters, ["cpu"]) == []
    assert missing_kinds(meters, ["dram"]) == [
        "dram cannot be measured: this machine has no counter for dram"
    ]


def test_a_kind_of_which_one_part_is_missing_is_not_there() -> None:
    there = Domain("gpu-0", "gpu", "counter")
    gone = Domain("gpu-1", "gpu", "nvml", missing="it tells nothing")
    meter = ScriptedMeter({there: lambda now: now, gone: lambda now: now})
    assert missing_kinds([meter], ["gpu"]) == ["gpu cannot be measured: it tells nothing"]


class FakeEntryPoint:
    """An entry point that opens `source`."""

    def __init__(self, source: Source) -> None:
        self.name, self.value, self._source = source.name, "a test", source

    def load(self) -> Callable[[object], Source]:
        return lambda wanted: self._source


def test_plug_ins_find_the_earlier_names_of_what_they_import() -> None:
    assert meters_package.Wanted is meters_package.OpenRequest
    assert meters_package.Door is meters_package.Opener


def test_two_sources_with_one_name_for_different_things_are_kept_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rack = ScriptedMeter({Domain("plug", "other", "rack", in_total=False): lambda _: 7.0})
    desk = ScriptedMeter({Domain("plug", "other", "smart desk", in_total=False): lambda _: 9.0})
    monkeypatch.setattr(
        discovery, "source_entry_points", lambda: [FakeEntryPoint(rack), FakeEntryPoint(desk)]
    )
    meters, _ = open_meters()
    values = {r.domain: r.value for meter in meters for r in meter.read()}
    told = names(meters)
    for meter in meters:
        meter.close()
    assert told == ["plug", "plug-smart-desk"]
    assert values == {"plug": 7.0, "plug-smart-desk": 9.0}
