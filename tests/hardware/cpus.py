"""A tree shaped as /sys/devices/system/cpu: packages, their clocks, their throttling by heat."""

from __future__ import annotations

from pathlib import Path

CPUS = 8


def tree(root: Path, packages: int = 2, *, mhz: int = 2000, throttle: bool = True) -> Path:
    """Makes it, with so many CPUs a package; returns *root*. throttle: as Intel's have it."""
    for package in range(packages):
        for cpu in range(CPUS * package, CPUS * (package + 1)):
            put(root / f"cpu{cpu}" / "topology" / "physical_package_id", package)
            put(root / f"cpu{cpu}" / "cpufreq" / "scaling_cur_freq", 1000 * mhz)
            if throttle:
                throttled(root, cpu, 0, 0)
    return root


def throttled(root: Path, cpu: int, count: int, milliseconds: int) -> None:
    """What that CPU tells of its package from now on."""
    folder = root / f"cpu{cpu}" / "thermal_throttle"
    put(folder / "package_throttle_count", count)
    put(folder / "package_throttle_total_time_ms", milliseconds)


def put(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{number}\n")
