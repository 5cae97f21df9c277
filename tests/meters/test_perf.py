"""CPU packages through the kernel's power events, for those who may not read powercap."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from energyctl.energy import Domain
from energyctl.meters import OpenRequest, missing_kinds, open_meters, perf
from energyctl.meters.perf import PerfEventAttr, PerfSource, open_event, open_source, read_count
from hardware import perf as pmu
from hardware.powercap import zone
from hardware.waveform import Constant, Square

SERVER = ("energy-pkg", "energy-ram", "energy-cores", "energy-psys")
DENIED = "ask an administrator"


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Every event can be opened, and counts nothing; each opening's type, config and CPU."""
    opened = []

    def opening(kind: int, config: int, cpu: int) -> int:
        opened.append((kind, config, cpu))
        return os.memfd_create("event", os.MFD_CLOEXEC)

    monkeypatch.setattr(perf, "open_event", opening)
    return opened


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def opening(kind: int, config: int, cpu: int) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(perf, "open_event", opening)


def domains(root: Path) -> dict[str, Domain]:
    source = PerfSource(root, DENIED)
    source.close()
    return {d.name: d for d in source.domains()}


def test_the_request_to_the_kernel_is_laid_out_as_its_header_says() -> None:
    offsets = {name: getattr(PerfEventAttr, name).offset for name, _ in PerfEventAttr._fields_}
    assert ctypes.sizeof(PerfEventAttr) == 64  # PERF_ATTR_SIZE_VER0
    assert offsets == {
        "type": 0, "size": 4, "config": 8, "sample_period": 16, "sample_type": 24,
        "read_format": 32, "flags": 40, "wakeup_events": 48, "bp_type": 52, "config1": 56,
    }  # fmt: skip


def test_the_real_kernel_takes_the_request_and_counts() -> None:
    software, cpu_clock = 1, 0  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK: nanoseconds
    try:
        descriptor = open_event(software, cpu_clock, min(os.sched_getaffinity(0)))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.ENOSYS, errno.ENOENT):
            raise
        pytest.skip(f"perf_event_open is not to be had here: {error.strerror}")
    try:
        times, counts = [time.monotonic()], []
        while len(counts) < 2 or times[-1] - times[0] < 0.05:
            counts.append(read_count(descriptor))
            times.append(time.monotonic())
    finally:
        os.close(descriptor)
    seconds = (counts[-1] - counts[0]) / 1e9
    assert times[-2] - times[1] - 0.005 <= seconds <= times[-1] - times[0] + 0.005


def test_domains_are_named_as_those_of_powercap(
    tmp_path: Path, events: list[tuple[int, int, int]], vendor: Path
) -> None:
    found = domains(pmu.tree(tmp_path, {0: 0, 18: 1}, SERVER))
    assert {name: (d.kind, d.in_total, d.part) for name, d in found.items()} == {
        "package-0": ("cpu", True, "package-0"),
        "package-1": ("cpu", True, "package-1"),
        "dram-0": ("dram", True, "package-0/dram"),
        "dram-1": ("dram", True, "package-1/dram"),
        "core-0": ("other", False, "package-0/core"),
        "core-1": ("other", False, "package-1/core"),
        "psys": ("other", False, "psys"),
    }
    assert (pmu.TYPE, 2, 18) in events


def test_each_die_of_a_package_is_a_domain_of_its_own(
    tmp_path: Path, events: list[tuple[int, int, int]], vendor: Path
) -> None:
    root = pmu.tree(tmp_path, {0: 0, 8: 0}, ("energy-pkg",), dies=(0, 1))
    assert [(d.name, d.in_total) for d in domains(root).values()] == [
        ("package-0-die-0", True),
        ("package-0-die-1", True),
    ]


def test_dies_that_each_tell_of_the_whole_package_are_counted_once(
    tmp_path: Path, events: list[tuple[int, int, int]], vendor: Path
) -> None:
    vendor.write_text("vendor_id\t: AuthenticAMD\n")
    root = pmu.tree(tmp_path, {0: 0, 8: 0, 16: 1, 24: 1}, ("energy-pkg",), dies=(0, 1, 0, 1))
    assert [d.in_total for d in domains(root).values()] == [True, False, True, False]


def test_without_a_topology_packages_are_numbered_by_their_cpus(
    tmp_path: Path, events: list[tuple[int, int, int]], vendor: Path
) -> None:
    root = pmu.tree(tmp_path, {0: -1, 4: -1}, ("energy-pkg",))
    assert list(domains(root)) == ["package-0", "package-1"]


def test_who_may_not_open_events_is_told_the_cure(tmp_path: Path, refused: None) -> None:
    found = domains(pmu.tree(tmp_path, {0: 0}, SERVER))
    assert {d.missing for d in found.values()} == {DENIED}


def test_a_machine_without_power_events_says_so(tmp_path: Path) -> None:
    source = PerfSource(tmp_path, DENIED)
    assert not source.domains()
    assert "no power events" in (source.unavailable or "")


def test_events_in_another_unit_than_joules_are_not_used(
    tmp_path: Path, events: list[tuple[int, int, int]]
) -> None:
    root = pmu.tree(tmp_path, {0: 0}, ("energy-pkg",))
    (root / "power" / "events" / "energy-pkg.unit").write_text("Calories\n")
    source = PerfSource(root, DENIED)
    assert not source.domains()
    assert "counts Calories, not Joules" in (source.unavailable or "")
    assert events == []


def test_an_event_whose_cpu_went_offline_is_a_reading_with_a_reason(
    tmp_path: Path, events: list[tuple[int, int, int]]
) -> None:
    source = PerfSource(pmu.tree(tmp_path, {0: 0}, ("energy-pkg",)), DENIED)
    (reading,) = source.read()  # an empty file, as the kernel answers then
    source.close()
    assert reading.value is None
    assert "stopped counting this event" in (reading.reason or "")


def test_events_are_left_closed_where_powercap_tells_the_packages(tmp_path: Path) -> None:
    measured = frozenset({"package-0", "package-0/dram"})
    root = pmu.tree(tmp_path, {0: 0}, SERVER)
    assert open_source(OpenRequest(None, tmp_path, root, measured)) is None


def unreadable_zones(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A powercap tree that only root may read, for whoever runs the test."""
    zones = [zone(root, "intel-rapl:0", "package-0"), zone(root, "intel-rapl:0:0", "dram")]
    real_open = os.open

    def opening(path: Any, *rest: Any, **more: Any) -> int:
        if Path(path).parent in zones:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real_open(path, *rest, **more)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setenv("ENERGYCTL_POWERCAP", str(root))


def test_power_events_stand_in_for_zones_that_may_not_be_read(
    tmp_path: Path,
    events: list[tuple[int, int, int]],
    vendor: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unreadable_zones(tmp_path / "powercap", monkeypatch)
    root = pmu.tree(tmp_path, {0: 0}, ("energy-pkg", "energy-ram"))
    monkeypatch.setenv("ENERGYCTL_PERF", str(root))
    meters, warnings = open_meters(gpus=[])
    told = [d for meter in meters for d in meter.domains()]
    missing = missing_kinds(meters, ["cpu", "dram"])
    for meter in meters:
        meter.close()
    assert [(d.name, d.source) for d in told if d.in_total] == [
        ("package-0", "perf"),
        ("dram-0", "perf"),
    ]
    assert len({d.name for d in told}) == len(told) == 4
    assert (warnings, missing) == ([], [])


def test_where_neither_may_be_read_one_warning_holds_every_cure(
    tmp_path: Path, refused: None, vendor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable_zones(tmp_path / "powercap", monkeypatch)
    root = pmu.tree(tmp_path, {0: 0}, ("energy-pkg", "energy-ram"))
    monkeypatch.setenv("ENERGYCTL_PERF", str(root))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    meters, warnings = open_meters(gpus=[])
    (missing,) = missing_kinds(meters, ["cpu"])
    for meter in meters:
        meter.close()
    told, estimated = warnings
    assert told.startswith("not measured: package-0, dram-0: ")
    assert estimated == "CPU energy is estimated, not measured: no CPU package can be read"
    for cure in ("sudo", "doctor --udev", "perf_event_paranoid=0", "CVE-2020-8694"):
        assert cure in told
        assert cure in missing


def child(env: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


READ_TWICE = """
import json, time
from pathlib import Path
from energyctl.meters.perf import PerfSource
import os
source = PerfSource(Path(os.environ["ENERGYCTL_PERF"]), "denied")
readings = []
for _ in range(2):
    before = time.time()
    values = {r.domain: r.value for r in source.read()}
    readings.append([before, values, time.time()])
    time.sleep(0.3 * (not readings[1:]))
source.close()
print(json.dumps(readings))
"""


def test_joules_of_each_event_are_the_true_ones(tmp_path: Path) -> None:
    waves = {
        ("energy-pkg", 0): Square(50, 190, 0.1),
        ("energy-pkg", 18): Constant(90),
        ("energy-ram", 0): Constant(12),
        ("energy-ram", 18): Constant(8),
    }
    root = pmu.tree(tmp_path, {0: 0, 18: 1}, ("energy-pkg", "energy-ram"))
    env = pmu.environment(tmp_path, root, waves)
    (a, first, b), (c, second, d) = json.loads(child(env, "-c", READ_TWICE))
    for (event, cpu), wave in waves.items():
        name = {"energy-pkg": "package", "energy-ram": "dram"}[event] + f"-{cpu // 18}"
        joules = second[name] - first[name]
        # A value is that of the last millisecond, in units of 2^-14 J.
        slack = 0.002 * wave.highest + 2**-13
        assert wave.joules(b, c) - slack <= joules <= wave.joules(a, d) + slack, name


def test_a_command_is_metered_through_power_events(tmp_path: Path) -> None:
    root = pmu.tree(tmp_path, {0: 0}, ("energy-pkg",))
    env = pmu.environment(tmp_path, root, {("energy-pkg", 0): Constant(100)})
    report = tmp_path / "report.json"
    child(env, "-m", "energyctl", "meter", "--json", str(report), "--", "sleep", "0.5")
    energy = json.loads(report.read_text())["energy"]
    packages = [d for d in energy["domains"] if d["kind"] == "cpu"]
    assert [(d["name"], d["source"], d["in_total"]) for d in packages] == [
        ("package-0", "perf", True)
    ]
    assert energy["measured"]
    assert energy["cpu_package_joules"] == pytest.approx(100 * energy["seconds"], rel=0.1)


def test_the_doctor_measures_the_pace_and_power_of_power_events(tmp_path: Path) -> None:
    root = pmu.tree(tmp_path, {0: 0}, ("energy-pkg",))
    env = pmu.environment(tmp_path, root, {("energy-pkg", 0): Constant(100)})
    found = json.loads(child(env, "-m", "energyctl", "doctor", "--json"))
    (row,) = [row for row in found["meters"] if row["domain"] == "package-0"]
    assert (row["source"], row["readable"], row["cure"]) == ("perf", True, None)
    assert row["watts"] == pytest.approx(100, rel=0.2)
    assert row["update_seconds"] < 0.1
    assert row["smallest_step_joules"] <= row["step_joules"]


def test_the_doctor_tells_who_may_not_open_power_events_what_to_do(tmp_path: Path) -> None:
    root = pmu.tree(tmp_path, {0: 0}, ("energy-pkg",))
    env = pmu.environment(tmp_path, root, {}, ERRNO=str(errno.EACCES))
    text = " ".join(child(env, "-m", "energyctl", "doctor").split())
    assert "kernel.perf_event_paranoid=0" in text
    assert text.count("CVE-2020-8694") == 1
