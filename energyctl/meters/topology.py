"""Which package and die a CPU belongs to, and of which of them an energy counter tells."""

from __future__ import annotations

import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def number(cpu_root: Path, cpu: int, name: str) -> int | None:
    """topology/physical_package_id or topology/die_id of a CPU; None where it is not told.

    Documentation/ABI/stable/sysfs-devices-system-cpu; -1 stands for unknown.
    """
    try:
        value = int((cpu_root / f"cpu{cpu}" / "topology" / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if value >= 0 else None


def counts_whole_packages() -> bool:
    """Whether each die's counter tells of its whole package: AMD, and Hygon.

    Linux 6.9 to 6.11 list a zone and an event per core complex die there, and each of them reads
    the one register of the package (commits 26096aed255f and 8d72eba1cf8c put it right).
    """
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r"^vendor_id\s*:\s*(AuthenticAMD|HygonGenuine)", text, re.M) is not None


def part(key: str, whole_packages: bool) -> str:
    """The physical thing behind "package-0-die-1/dram", where dies share their package's."""
    return re.sub(r"-die-\d+", "", key) if whole_packages else key
