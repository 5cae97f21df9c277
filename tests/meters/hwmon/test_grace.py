"""NVIDIA Grace and GH200 through trees shaped as the driver acpi_power_meter makes them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from energyctl.meters import describe, missing_kinds, open_meters
from energyctl.meters.base import OpenRequest
from energyctl.meters.hwmon import HwmonSource, grace, open_source
from hardware.hwmon import averaged, gh200, grace_meter, moving, write
from hardware.meter import energy_of
from hardware.waveform import Ramp

NONE = frozenset[str]()


@pytest.fixture(autouse=True)
def no_gpus_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def request(
    root: Path, measured: frozenset[str] = NONE, gpus: list[int | str] | None = None
) -> OpenRequest:
    return OpenRequest(gpus, root / "none", root / "none", measured, hwmon_root=root)


def counted(source: HwmonSource) -> dict[str, str]:
    """Name → kind of what is in the total."""
    source.close()
    return {d.name: d.kind for d in source.domains() if d.in_total}


@pytest.mark.parametrize(
    ("measured", "gpus", "in_total"),
    [
        (NONE, None, {"module-power-0": "other"}),
        ({"module/GPU-1"}, None, {}),
        ({"gpu/GPU-1"}, None, {"grace-power-0": "cpu"}),
        (NONE, [], {"grace-power-0": "cpu"}),
    ],
    ids=["no NVML", "NVML counts the module", "NVML counts the GPU", "no GPU asked for"],
)
def test_each_joule_of_a_superchip_counts_once(
    tmp_path: Path, measured: set[str], gpus: list[int | str] | None, in_total: dict[str, str]
) -> None:
    gh200(tmp_path / "hwmon")
    source = HwmonSource(request(tmp_path / "hwmon", frozenset(measured), gpus))
    assert {d.name for d in source.domains()} == {
        "module-power-0", "grace-power-0", "cpu-power-0", "sysio-power-0",
    }  # fmt: skip
    assert counted(source) == in_total


def test_a_grace_without_a_gpu_is_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "hwmon"
    for i, label in enumerate(("CPU", "Grace", "SysIO")):
        grace_meter(root, i, f"{label} Power Socket 1", inside_device=False)
    for variable in ("ENERGYCTL_POWERCAP", "ENERGYCTL_PERF"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    monkeypatch.setenv("ENERGYCTL_HWMON", str(root))
    meters, warnings = open_meters(gpus=[])
    domains = {d.name: d for meter in meters for d in meter.domains()}
    covers = [row.covers for row in describe(meters, seconds=0.05) if row.domain]
    for meter in meters:
        meter.close()
    assert [name for name, d in domains.items() if d.in_total] == ["grace-power-1"]
    assert not any("estimated" in line for line in warnings)
    assert missing_kinds(meters, ["cpu"]) == []
    assert missing_kinds(meters, ["dram"]) == [
        "dram cannot be measured: it is a part of grace-power-1, and not measured apart from it"
    ]
    assert "part of grace-power-1" not in missing_kinds(meters, ["gpu"])[0]
    assert covers == ["package", "package part", "package part"]


def test_rails_stand_in_for_a_socket_that_is_not_told(tmp_path: Path) -> None:
    for i, label in enumerate(("CPU", "SysIO")):
        grace_meter(tmp_path / "hwmon", i, f"{label} Power Socket 0")
    source = HwmonSource(request(tmp_path / "hwmon"))
    assert counted(source) == {"cpu-power-0": "cpu", "sysio-power-0": "cpu"}


def test_modules_whose_gpus_are_not_metered_are_told(tmp_path: Path) -> None:
    for socket in (0, 1):
        gh200(tmp_path / "hwmon", socket)
    source = HwmonSource(request(tmp_path / "hwmon", frozenset({"module/GPU-1"})))
    assert counted(source) == {}
    assert "1 of this machine's 2 modules are metered" in source.warnings[0]


def test_averaging_cap_and_accuracy_are_as_the_files_say(tmp_path: Path) -> None:
    place = grace_meter(tmp_path / "hwmon", 0, "Grace Power Socket 0", interval_ms=1000)
    write(place / "power1_cap_max", "450000000")
    write(place / "power1_accuracy", "99.5%")
    source = HwmonSource(request(tmp_path / "hwmon"))
    (only,) = source.domains()
    source.close()
    assert (only.averaging_seconds, only.max_watts) == (1.0, 900.0)
    assert only.relative_uncertainty == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("microwatts", "words"),
    [
        ("0", "it tells 0 W, and a socket always draws some power: the kernel needs"),
        (str(0xFFFFFFFF * 1000), "the firmware has no reading"),
        ("100123000000", "tells 100123 W, more than the device can draw"),
        ("unknown", "invalid literal"),
    ],
)
def test_what_no_socket_draws_is_missing(tmp_path: Path, microwatts: str, words: str) -> None:
    place = grace_meter(tmp_path / "hwmon", 0, "Grace Power Socket 0")
    write(place / "power1_average", microwatts)
    source = HwmonSource(request(tmp_path / "hwmon"))
    (only,) = source.domains()
    source.close()
    assert only.in_total
    assert words in (only.missing or "")


def test_a_meter_without_its_power_says_what_the_kernel_needs(tmp_path: Path) -> None:
    place = grace_meter(tmp_path / "hwmon", 0, "Grace Power Socket 0")
    (place / "power1_average").unlink()
    (only,) = HwmonSource(request(tmp_path / "hwmon")).domains()
    assert "acpi_power_meter.force_cap_on=y" in (only.missing or "")


def test_a_grace_without_any_meter_says_what_the_kernel_needs(tmp_path: Path) -> None:
    root = tmp_path / "class" / "hwmon"
    root.mkdir(parents=True)
    assert open_source(request(root)) is None
    soc = tmp_path / grace.SOC_ID
    soc.parent.mkdir(parents=True)
    soc.write_text(f"{grace.GRACE}\n")
    source = open_source(request(root))
    assert source is not None
    assert source.domains() == ()
    assert "CONFIG_SENSORS_ACPI_POWER" in (source.unavailable or "")


def test_a_sensor_that_stands_still_is_no_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = grace_meter(tmp_path / "hwmon", 0, "Grace Power Socket 0")
    source = HwmonSource(request(tmp_path / "hwmon"))
    now = time.monotonic()
    monkeypatch.setattr(grace.time, "monotonic", lambda: now + 11)
    (still,) = source.read()
    assert still.value is None
    assert "it stands still" in (still.reason or "")
    write(place / "power1_average", "100124000")
    (moved,) = source.read()
    source.close()
    assert moved.value == pytest.approx(100.124)


def test_energy_is_that_of_the_wave(tmp_path: Path) -> None:
    meters = gh200(tmp_path / "hwmon")
    waves = {"Module": Ramp(300, 600, 4), "Grace": Ramp(100, 200, 4)}
    files = {meters[name] / "power1_average": averaged(wave) for name, wave in waves.items()}
    with moving(files):
        energy = energy_of(HwmonSource(request(tmp_path / "hwmon", frozenset({"gpu/GPU-1"}))), 3)
    figures = {d.domain.name: d for d in energy.domains}
    for name, wave in (("module-power-0", waves["Module"]), ("grace-power-0", waves["Grace"])):
        found, truth = figures[name], wave.joules(energy.start, energy.end)
        assert found.joules is not None
        assert found.uncertainty_joules is not None
        assert abs(found.joules - truth) <= found.uncertainty_joules
        assert found.joules == pytest.approx(truth, rel=0.05)
    assert energy.total_joules == figures["grace-power-0"].joules == energy.cpu_package_joules
