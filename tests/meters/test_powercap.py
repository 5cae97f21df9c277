"""CPU packages and DRAM through a tree shaped as /sys/class/powercap."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from energyctl.energy import Domain
from energyctl.meters.powercap import PowercapSource
from hardware.powercap import set_counter, zone

DENIED = "ask an administrator"


def domains(root: Path) -> dict[str, Domain]:
    meter = PowercapSource(root, DENIED)
    try:
        return {d.name: d for d in meter.domains()}
    finally:
        meter.close()


def test_a_server_with_every_kind_of_zone_counts_each_joule_once(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "core")
    zone(tmp_path, "intel-rapl:0:1", "dram")
    zone(tmp_path, "intel-rapl:1", "package-1")
    zone(tmp_path, "intel-rapl:1:0", "dram")
    zone(tmp_path, "intel-rapl:2", "psys")
    zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    (tmp_path / "intel-rapl").mkdir()  # the control type itself
    (tmp_path / "dtpm:0").mkdir()
    found = domains(tmp_path)
    assert {name: (d.kind, d.in_total) for name, d in found.items()} == {
        "package-0": ("cpu", True),
        "core-0": ("other", False),
        "dram-0": ("dram", True),
        "package-1": ("cpu", True),
        "dram-1": ("dram", True),
        "psys": ("other", False),
        "package-0-mmio": ("other", False),
    }
    assert found["package-0"].wrap_joules == pytest.approx(262143.32885)


def test_packages_are_named_by_their_number_not_by_their_zone(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-1")
    zone(tmp_path, "intel-rapl:0:0", "dram")
    zone(tmp_path, "intel-rapl:1", "package-0")
    assert set(domains(tmp_path)) == {"package-1", "dram-1", "package-0"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (None, "has no readable name"),
        ("package-0", "has the name package-0, and so has intel-rapl:0"),
        ("socket-1", "has the name socket-1, which the kernel gives to no zone there"),
        ("dram", "has the name dram, which the kernel gives to no zone there"),
    ],
)
def test_a_zone_that_is_not_understood_leaves_the_cpu_unknown(
    tmp_path: Path, name: str | None, why: str
) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    other = zone(tmp_path, "intel-rapl:1", name or "")
    if name is None:
        (other / "name").unlink()
    first, second = domains(tmp_path).values()
    assert (first.name, first.missing) == ("package-0", None)
    assert (second.kind, second.in_total) == ("cpu", True)
    assert why in (second.missing or "")


@pytest.mark.parametrize("name", ["", "dram", "gpu"])
def test_a_part_that_is_not_understood_may_be_memory(tmp_path: Path, name: str) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:0:0", "dram")
    zone(tmp_path, "intel-rapl:0:1", name)
    doubtful = list(domains(tmp_path).values())[-1]
    assert (doubtful.kind, doubtful.in_total) == ("dram", True)
    assert "it is not known what this counts" in (doubtful.missing or "")


def test_memory_of_a_package_without_a_name_is_still_counted(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "")
    zone(tmp_path, "intel-rapl:0:0", "dram")
    dram = list(domains(tmp_path).values())[-1]
    assert (dram.kind, dram.in_total, dram.missing) == ("dram", True, None)


def test_what_is_shown_a_second_time_needs_no_name(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:1", "psys")
    zone(tmp_path, "intel-rapl:2", "psys")
    zone(tmp_path, "intel-rapl:3", "psys-1")
    zone(tmp_path, "intel-rapl-mmio:0", "")
    found = domains(tmp_path)
    assert [name for name, d in found.items() if d.in_total] == ["package-0"]
    assert all(d.missing is None for d in found.values())


def test_zones_that_a_container_runtime_hides_say_what_to_do(tmp_path: Path) -> None:
    for name in ("intel-rapl:0", "intel-rapl:0:0"):
        (tmp_path / name).symlink_to(f"../nowhere/{name}")
    meter = PowercapSource(tmp_path)
    assert not meter.domains()
    assert "systempaths=unconfined" in (meter.unavailable or "")


def test_each_die_of_a_package_is_a_domain_of_its_own(tmp_path: Path, vendor: Path) -> None:
    for i, name in enumerate(("package-0-die-0", "package-0-die-1")):
        zone(tmp_path, f"intel-rapl:{i}", name)
        zone(tmp_path, f"intel-rapl:{i}:0", "dram")
    found = domains(tmp_path)
    assert list(found) == ["package-0-die-0", "dram-0-die-0", "package-0-die-1", "dram-0-die-1"]
    assert all(d.in_total for d in found.values())


def test_dies_that_each_tell_of_the_whole_package_are_counted_once(
    tmp_path: Path, vendor: Path
) -> None:
    vendor.write_text("vendor_id\t: AuthenticAMD\n")
    for i, name in enumerate(("package-0-die-0", "package-0-die-1", "package-1-die-0")):
        zone(tmp_path, f"intel-rapl:{i}", name)
    found = domains(tmp_path)
    assert {name: d.in_total for name, d in found.items()} == {
        "package-0-die-0": True,
        "package-0-die-1": False,
        "package-1-die-0": True,
    }


def test_a_package_seen_through_mmio_alone_is_in_the_total(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl-mmio:0", "package-0")
    (only,) = domains(tmp_path).values()
    assert (only.kind, only.in_total) == ("cpu", True)


def test_counters_are_read_in_joules_and_stay_open(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0", microjoules=1_500_000)
    meter = PowercapSource(tmp_path)
    (first,) = meter.read()
    set_counter(path, 2_750_000)
    (second,) = meter.read()
    meter.close()
    assert (first.value, second.value) == (1.5, 2.75)
    assert second.time >= first.time


def test_a_stated_power_limit_bounds_how_long_a_wrap_takes(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", constraint_0_max_power_uw=205_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core")
    zone(tmp_path, "intel-rapl:1", "package-1")
    found = domains(tmp_path)
    assert found["package-0"].max_watts == 410
    assert found["core-0"].max_watts == 410
    assert found["package-1"].max_watts == 1000


def test_a_counter_without_permission_is_missing_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0") / "energy_uj"
    real_open = os.open

    def denied(file: str | Path, flags: int) -> int:
        if Path(file) == path:
            raise PermissionError(13, "Permission denied", str(file))
        return real_open(file, flags)

    monkeypatch.setattr(os, "open", denied)
    (only,) = domains(tmp_path).values()
    assert only.missing == DENIED
    assert only.in_total  # until an estimate, opened after it, stands in


def test_one_unreadable_package_beside_a_readable_one_stays_in_the_total(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0")
    broken = zone(tmp_path, "intel-rapl:1", "package-1") / "energy_uj"
    broken.unlink()
    broken.mkdir()
    found = domains(tmp_path)
    assert found["package-0"].missing is None
    assert "reading" in (found["package-1"].missing or "")
    assert found["package-1"].in_total


def test_a_zone_that_stops_to_answer_is_a_reading_with_a_reason(tmp_path: Path) -> None:
    path = zone(tmp_path, "intel-rapl:0", "package-0")
    zone(tmp_path, "intel-rapl:1", "package-1", microjoules=5_000_000)
    meter = PowercapSource(tmp_path)
    os.truncate(path / "energy_uj", 0)
    gone, good = meter.read()
    meter.close()
    assert gone.value is None
    assert gone.reason
    assert good.value == 5.0


def test_a_machine_without_zones_says_why_it_has_none(tmp_path: Path) -> None:
    meter = PowercapSource(tmp_path / "nothing")
    assert not meter.domains()
    assert "no RAPL zones" in (meter.unavailable or "")
