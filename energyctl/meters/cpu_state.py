"""Clocks of the CPU packages, and how often heat has throttled them, as the kernel tells.

Documentation/ABI/testing/sysfs-devices-system-cpu: cpufreq/scaling_cur_freq (kHz), and of Intel
thermal_throttle/package_throttle_count and package_throttle_total_time_ms, of the whole package
whichever CPU is asked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from energyctl.meters import topology

CPUS_PER_PACKAGE = 2
"""So many are asked for their clock: each takes a read, and some machines have hundreds."""


class CpuState(NamedTuple):
    """Of one package; None where it is not told.

    mhz: mean clock of some of its CPUs. throttle_count, throttle_milliseconds: since ever.
    """

    mhz: float | None
    throttle_count: int | None
    throttle_milliseconds: int | None


class CpuPackages:
    """Keeps the files open from its making to :meth:`close`, since opening costs most of a read."""

    def __init__(self, cpu_root: Path) -> None:
        self._files = {
            f"package-{package}": _Files(
                [cpu / "cpufreq" / "scaling_cur_freq" for cpu in _spread(cpus)],
                cpus[0] / "thermal_throttle",
            )
            for package, cpus in _packages(cpu_root).items()
        }

    def states(self) -> Mapping[str, CpuState]:
        """By package, as its energy is named; without those that tell nothing."""
        return {name: files.state() for name, files in self._files.items() if files.any}

    def close(self) -> None:
        for files in self._files.values():
            files.close()


class _Files:
    def __init__(self, clocks: Sequence[Path], throttle: Path) -> None:
        self._clocks = [file for path in clocks if (file := _opened(path)) is not None]
        self._count = _opened(throttle / "package_throttle_count")
        self._milliseconds = _opened(throttle / "package_throttle_total_time_ms")

    @property
    def any(self) -> bool:
        return bool(self._clocks) or self._count is not None

    def state(self) -> CpuState:
        khz = [value for file in self._clocks if (value := _number(file)) is not None]
        mhz = sum(khz) / len(khz) / 1000 if khz else None
        return CpuState(mhz, _number(self._count), _number(self._milliseconds))

    def close(self) -> None:
        for file in (*self._clocks, self._count, self._milliseconds):
            if file is not None:
                os.close(file)
        self._clocks, self._count, self._milliseconds = [], None, None


def _packages(cpu_root: Path) -> dict[int, list[Path]]:
    """The folders of the CPUs of each package."""
    packages: dict[int, list[Path]] = {}
    numbers = [int(path.name[3:]) for path in cpu_root.glob("cpu[0-9]*") if path.name[3:].isdigit()]
    for cpu in sorted(numbers):
        package = topology.number(cpu_root, cpu, "physical_package_id")
        if package is not None:
            packages.setdefault(package, []).append(cpu_root / f"cpu{cpu}")
    return packages


def _spread(cpus: Sequence[Path]) -> list[Path]:
    """A few of them, evenly spread: neighbours often share a clock."""
    step = max(1, len(cpus) // CPUS_PER_PACKAGE)
    return list(cpus[::step][:CPUS_PER_PACKAGE])


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _number(file: int | None) -> int | None:
    if file is None:
        return None
    try:
        return int(os.pread(file, 32, 0))
    except (OSError, ValueError):
        return None
