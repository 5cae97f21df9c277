from __future__ import annotations

import os
from pathlib import Path

from energyctl.meters.cpu_state import CpuPackages
from hardware import cpus


def test_the_clock_of_some_cpus_and_what_heat_did_are_told_by_package(tmp_path: Path) -> None:
    root = cpus.tree(tmp_path, packages=2, mhz=2000)
    for cpu in range(cpus.CPUS, 2 * cpus.CPUS):
        cpus.put(root / f"cpu{cpu}" / "cpufreq" / "scaling_cur_freq", 3_000_000)
    before = len(os.listdir("/proc/self/fd"))
    packages = CpuPackages(root)
    assert packages.states() == {"package-0": (2000.0, 0, 0), "package-1": (3000.0, 0, 0)}
    cpus.throttled(root, 0, 3, 250)
    (root / "cpu4" / "cpufreq" / "scaling_cur_freq").write_text("1000000\n")
    assert packages.states()["package-0"] == (1500.0, 3, 250)
    packages.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_a_machine_does_not_tell_is_none(tmp_path: Path) -> None:
    packages = CpuPackages(cpus.tree(tmp_path / "amd", packages=1, throttle=False))
    assert packages.states() == {"package-0": (2000.0, None, None)}
    (tmp_path / "amd" / "cpu0" / "cpufreq" / "scaling_cur_freq").write_text("<unknown>\n")
    assert packages.states() == {"package-0": (2000.0, None, None)}  # by the other CPU
    packages.close()
    cpus.put(tmp_path / "virtual" / "cpu0" / "topology" / "physical_package_id", 0)
    assert CpuPackages(tmp_path / "virtual").states() == {}
    assert CpuPackages(tmp_path / "none").states() == {}
