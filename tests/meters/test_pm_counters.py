"""HPE Cray nodes through a tree shaped as /sys/cray/pm_counters."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from energyctl.meters import open_meters, pm_counters
from energyctl.meters.base import OpenRequest
from energyctl.meters.pm_counters import STILL_SECONDS, PmCounters, open_source
from hardware import hwmon
from hardware.hwmon import freshness, moving, scanned, write
from hardware.meter import energy_of
from hardware.powercap import zone
from hardware.waveform import Constant, Ramp

PARTS = ("cpu_energy", "memory_energy", "accel0_energy", "accel1_energy")


@pytest.fixture(autouse=True)
def no_gpus_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def opened(root: Path, *measured: str, gpus: list[int | str] | None = None) -> PmCounters:
    source = open_source(OpenRequest(gpus, root, root, frozenset(measured), pm_counters_root=root))
    assert source is not None
    return source


@pytest.mark.parametrize(
    ("measured", "in_total"),
    [
        ((), ["cpus", "memory", "accel-0", "accel-1"]),
        (("package-0", "package-1"), ["memory", "accel-0", "accel-1"]),
        (("package-0", "package-0/dram", "gpu/GPU-1"), []),
        (("module/GPU-1",), []),
    ],
)
def test_a_part_counts_where_nothing_else_measures_it(
    tmp_path: Path, measured: tuple[str, ...], in_total: list[str]
) -> None:
    source = opened(hwmon.pm_counters(tmp_path, *PARTS), *measured)
    source.close()
    domains = source.domains()
    assert [d.name for d in domains] == ["node", "cpus", "memory", "accel-0", "accel-1"]
    assert [d.name for d in domains if d.in_total] == in_total
    assert {d.resolution_joules for d in domains} == {1.0}
    assert {d.update_seconds for d in domains} == {0.1}


def test_accelerators_do_not_count_where_no_gpu_is_asked_for(tmp_path: Path) -> None:
    source = opened(hwmon.pm_counters(tmp_path, *PARTS), gpus=[])
    source.close()
    assert [d.name for d in source.domains() if d.in_total] == ["cpus", "memory"]


def test_apus_have_their_cpus(tmp_path: Path) -> None:
    source = opened(hwmon.pm_counters(tmp_path, "accel0_energy"))
    source.close()
    assert [d.part for d in source.domains() if d.in_total] == ["module/accel-0"]


def test_apus_count_though_no_gpu_is_asked_for(tmp_path: Path) -> None:
    files = ("accel0_energy", "accel1_energy", "memory_energy")
    source = opened(hwmon.pm_counters(tmp_path, *files), gpus=[])
    source.close()
    assert [d.name for d in source.domains() if d.in_total] == ["accel-0", "accel-1"]
    assert {d.kind for d in source.domains()} == {"other"}  # it is not told apart


def test_no_node_no_source(tmp_path: Path) -> None:
    assert open_source(OpenRequest(None, tmp_path, tmp_path, pm_counters_root=tmp_path)) is None


def test_all_cpus_together_stand_in_for_packages_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rapl, cray = tmp_path / "rapl", hwmon.pm_counters(tmp_path / "cray", *PARTS)
    (zone(rapl, "intel-rapl:0", "package-0") / "energy_uj").write_text("none\n")
    monkeypatch.setenv("ENERGYCTL_POWERCAP", str(rapl))
    monkeypatch.setenv("ENERGYCTL_PERF", str(tmp_path / "none"))
    monkeypatch.setenv("ENERGYCTL_HWMON", str(tmp_path / "none"))
    monkeypatch.setenv("ENERGYCTL_PM_COUNTERS", str(cray))
    meters, warnings = open_meters(gpus=[])
    domains = {d.name: d for meter in meters for d in meter.domains()}
    for meter in meters:
        meter.close()
    assert [name for name, d in domains.items() if d.in_total] == ["cpus", "memory"]
    assert domains["package-0"].missing
    assert not any("estimated" in line for line in warnings)


def test_files_of_two_updates_are_never_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = hwmon.pm_counters(tmp_path, "cpu_energy")
    source = opened(root)
    real, updates = pm_counters._joules, iter(range(1, 2))

    def update_behind_the_first(descriptor: int) -> float:
        value = real(descriptor)
        for n in updates:
            write(root / "energy", f"{2000 * n} J 1 us")
            write(root / "cpu_energy", f"{500 * n} J 1 us")
            write(root / "freshness", str(60043284 + n))
        return value

    monkeypatch.setattr(pm_counters, "_joules", update_behind_the_first)
    values = {reading.domain: reading.value for reading in source.read()}
    source.close()
    assert values == {"node": 2000, "cpus": 500}


def test_only_what_was_asked_for_is_told_and_no_file_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(hwmon.pm_counters(tmp_path, *PARTS))
    source.read()
    monkeypatch.setattr(pm_counters, "_joules", None)  # not called while nothing was updated
    assert [(r.domain, r.value) for r in source.read_of({"cpus"})] == [("cpus", 1000)]
    source.close()


def test_a_controller_that_has_stopped_is_no_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = hwmon.pm_counters(tmp_path, "cpu_energy")
    source = opened(root)
    source.read()
    later = time.monotonic() + 2 * STILL_SECONDS
    monkeypatch.setattr(pm_counters.time, "monotonic", lambda: later)
    readings = source.read()
    assert [r.value for r in readings] == [None, None]
    assert "the node's controller has updated no counter for 2.0 s" in (readings[0].reason or "")
    write(root / "freshness", "60043299")
    assert [r.value for r in source.read()] == [1000, 1000]
    source.close()


def _vanished(root: Path) -> None:
    write(root / "cpu_energy", " ")
    write(root / "freshness", "60043299")


def _garbage(root: Path) -> None:
    write(root / "cpu_energy", "1234 kJ 1 us")
    write(root / "freshness", "60043299")


@pytest.mark.parametrize("break_it", [_vanished, _garbage])
def test_a_file_that_breaks_is_a_failed_reading(
    tmp_path: Path, break_it: Callable[[Path], None]
) -> None:
    root = hwmon.pm_counters(tmp_path, "cpu_energy")
    source = opened(root)
    break_it(root)
    node, cpus = source.read()
    source.close()
    assert node.value == 1000
    assert cpus.value is None
    assert "reading cpus failed: it tells no joules" in (cpus.reason or "")


def test_a_file_that_tells_no_joules_is_missing(tmp_path: Path) -> None:
    root = hwmon.pm_counters(tmp_path, "cpu_energy")
    write(root / "cpu_energy", "N/A")
    source = opened(root)
    source.close()
    cpus = source.domains()[1]
    assert cpus.in_total
    assert "it tells no joules: 'N/A'" in (cpus.missing or "")


def test_energy_is_that_of_the_wave(tmp_path: Path) -> None:
    root = hwmon.pm_counters(tmp_path, *PARTS)
    epoch = time.time() - 100
    waves = {
        "energy": Ramp(900, 1500, 4),
        "cpu_energy": Ramp(100, 260, 4),
        "memory_energy": Constant(35),
        "accel0_energy": Ramp(90, 500, 3),
        "accel1_energy": Constant(92),
    }
    files = {root / file: scanned(wave, epoch) for file, wave in waves.items()}
    with moving({**files, root / "freshness": freshness(epoch)}, tick=0.002):
        energy = energy_of(opened(root), 3, located=True)
    for found, wave in zip(energy.domains, waves.values(), strict=True):
        assert found.joules is not None, found.missing
        assert found.uncertainty_joules is not None
        assert abs(found.joules - wave.joules(energy.start, energy.end)) <= found.uncertainty_joules
    truth = sum(
        wave.joules(energy.start, energy.end) for file, wave in waves.items() if file != "energy"
    )
    assert energy.total_joules == pytest.approx(truth, rel=0.02)
    assert energy.measured


@pytest.mark.parametrize(
    ("times", "back", "words"),
    [
        (0.0, 0.0, "stood still"),
        (100.0, 0.0, "but it draws at most 4000 W"),
        (1.0, 500.0, "went back"),
    ],
    ids=["constant", "x100", "backward"],
)
def test_a_counter_that_cannot_be_right_makes_the_energy_unknown(
    tmp_path: Path, times: float, back: float, words: str
) -> None:
    root = hwmon.pm_counters(tmp_path, "cpu_energy")
    since = time.time()
    right, node = scanned(Constant(200), since - 100), scanned(Constant(900), since - 100)

    def wrong(now: float) -> str:
        joules = int(right(now).split()[0])
        broken = now > since + 0.5
        fallen = int(times * (joules - 20100) + 20100 - back) if broken else joules
        return f"{fallen} J {int(now * 1e6)} us"

    files = {root / "energy": node, root / "cpu_energy": wrong}
    with moving({**files, root / "freshness": freshness(since - 100)}, tick=0.002):
        energy = energy_of(opened(root), 2.4, interval=0.2)
    found = {d.domain.name: d for d in energy.domains}
    assert found["cpus"].joules is None
    assert words in (found["cpus"].missing or "")
    assert energy.total_joules is None
    assert found["node"].joules == pytest.approx(900 * (energy.end - energy.start), rel=0.05)
