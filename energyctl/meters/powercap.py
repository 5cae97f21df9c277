"""RAPL counters of CPU packages and DRAM through the kernel's powercap class.

Intel since Sandy Bridge, AMD since Zen under the same names. Documentation/power/powercap:
`energy_uj` counts microjoules and starts over after `max_energy_range_uj`. Readable by root only
since Linux 5.10 (CVE-2020-8694). Zones: `intel-rapl:N` is a package (or `psys`, the platform),
`intel-rapl:N:M` a part of it; `dram` stands there too but its energy is not in its package's.
`intel-rapl-mmio:N` is the same package through another register.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from energyctl.energy import Domain, count_once
from energyctl.meters import kernel_files, permissions, topology
from energyctl.meters.base import OpenRequest
from energyctl.meters.kernel_counters import (
    RESOLUTION_JOULES,
    UPDATE_SECONDS,
    KernelCounters,
    open_once,
)

ZONE = re.compile(r"(intel-rapl|intel-rapl-mmio):(\d+)(?::(\d+))?")
# Names that the kernel gives: drivers/powercap/intel_rapl_common.c. Where each die has a zone, it
# is "package-0-die-1", so no name comes twice in one place; but for the platform's.
PACKAGES = re.compile(r"package-\d+(-die-\d+)?")
PLATFORM = re.compile(r"psys(-\d+)?")
PARTS = ("core", "uncore", "dram")
# Where no limit is stated (AMD): twice what the largest packages of today draw, and what a dozen
# of memory modules do.
MAX_WATTS = 1000.0
MAX_DRAM_WATTS = 250.0


@dataclass(frozen=True)
class _Zone:
    path: Path
    interface: str
    label: str  # "package-0", "dram", …; without a readable name that of its folder
    parent: str | None  # the label of the package around it
    doubt: str | None = None  # why it is not understood


def open_source(request: OpenRequest) -> PowercapSource:
    denied = permissions.denied(request.powercap_root, request.perf_root)
    return PowercapSource(request.powercap_root, denied)


class PowercapSource(KernelCounters):
    """One open descriptor per zone, each read a single pread. No zones: `unavailable` says so.

    denied: the reason for what may not be read.
    """

    name = "powercap"
    failure = "reading energy_uj failed"

    def __init__(self, root: Path, denied: str = "only root may read it: run with sudo") -> None:
        super().__init__(denied)
        self.unavailable = _masked(root)
        if self.unavailable:
            return
        zones = _zones(root)
        for zone in zones:
            self._add(zone)
        self._domains = count_once(self._domains)
        if not zones:
            self.unavailable = (
                f"no RAPL zones under {root}: a virtual machine, a container without the host's "
                "/sys, or the kernel module intel_rapl_msr is not loaded (sudo modprobe it)"
            )

    def _add(self, zone: _Zone) -> None:
        domain = _domain(zone, {d.name for d in self._domains})
        if zone.doubt:
            cure = f'if it does not matter, "leave_out": ["{domain.name}"] in the settings'
            self._domains.append(replace(domain, missing=f"{zone.doubt}; {cure}"))
            return
        descriptor = None
        try:
            path = zone.path / "energy_uj"
            descriptor = open_once(path, lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            _joules(descriptor)
        except (OSError, ValueError) as error:
            refused = isinstance(error, PermissionError)
            missing = f"reading {zone.path / 'energy_uj'} failed: {error}"
            domain = replace(domain, missing=self._denied if refused else missing)
            if descriptor is not None:
                os.close(descriptor)
        else:
            self._open.append((domain.name, descriptor, lambda: _joules(descriptor)))
        self._domains.append(domain)


def _joules(descriptor: int) -> float:
    return int(os.pread(descriptor, 32, 0)) / 1e6


def _masked(root: Path) -> str | None:
    """What to do where all zones are links to nothing.

    Container runtimes hide /sys/devices/virtual/powercap (Docker since 24.0.7: advisory
    GHSA-jq35-85cj-fj4p).
    """
    zones = [zone for zone in root.glob("*") if ZONE.fullmatch(zone.name)]
    if not zones or any(zone.exists() for zone in zones):
        return None
    return (
        f"the zones under {root} lead nowhere: the container runtime hides them; start the "
        "container with --security-opt systempaths=unconfined (Podman: --security-opt unmask=ALL), "
        "or mount the host's /sys and name it: ENERGYCTL_POWERCAP=/host/sys/class/powercap"
    )


def _zones(root: Path) -> list[_Zone]:
    """All zones: MSR before MMIO, packages before their parts."""
    zones: list[_Zone] = []
    try:
        names = os.listdir(root)
    except OSError:
        return []
    matches = [m for m in map(ZONE.fullmatch, names) if m]
    for match in sorted(matches, key=lambda m: (m[1], int(m[2]), int(m[3] or -1))):
        path, around = root / match[0], f"{match[1]}:{match[2]}"
        label = kernel_files.text(path / "name") or match[0]
        parent = (kernel_files.text(root / around / "name") or around) if match[3] else None
        zone = _Zone(path, match[1], label, parent)
        zones.append(replace(zone, doubt=_doubt(zone, zones)))
    return zones


def _doubt(zone: _Zone, before: list[_Zone]) -> str | None:
    """Why it is not understood: it may be a package, or memory, that nothing else shows."""
    why = f"{zone.path} has the name {zone.label}, which the kernel gives to no zone there"
    if zone.label == zone.path.name:
        why = f"{zone.path} has no readable name"
    known = PACKAGES.fullmatch(zone.label) or _is_platform(zone)
    if zone.label in PARTS if zone.parent else known:
        twins = [
            other.path.name
            for other in before
            if (other.interface, other.parent, other.label)
            == (zone.interface, zone.parent, zone.label)
        ]
        if not twins or _is_platform(zone):
            return None
        why = f"{zone.path} has the name {zone.label}, and so has {twins[0]}"
    elif zone.interface == "intel-rapl-mmio" and any(z.interface == "intel-rapl" for z in before):
        return None  # at most a package that was seen before, once more
    return f"it is not known what this counts: {why}"


def _is_platform(zone: _Zone) -> bool:
    return zone.parent is None and PLATFORM.fullmatch(zone.label) is not None


def _domain(zone: _Zone, taken: set[str]) -> Domain:
    """Its name, kind and constants."""
    package = (zone.parent or zone.label).removeprefix("package-")
    is_package = zone.parent is None and PACKAGES.fullmatch(zone.label) is not None
    name = zone.label if zone.parent is None else f"{zone.label}-{package}"
    source = "powercap"
    in_total = is_package or zone.label == "dram" or zone.doubt is not None
    if zone.interface == "intel-rapl-mmio":
        name, source = f"{name}-mmio", "powercap mmio"
    if name in taken:
        name = f"{name}-{zone.path.name}"
    # The physical thing, whatever the interface: "package-0", "package-0/dram".
    key = f"{zone.parent}/{zone.label}" if zone.parent else zone.label
    kind = ("cpu" if zone.parent is None else "dram") if in_total else "other"
    return Domain(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        source=source,
        in_total=in_total,
        wrap_joules=(kernel_files.number(zone.path / "max_energy_range_uj") or 0) / 1e6 or None,
        max_watts=_max_watts(zone),
        resolution_joules=RESOLUTION_JOULES,
        update_seconds=UPDATE_SECONDS,
        part=None if zone.doubt else topology.part(key, topology.counts_whole_packages()),
    )


def _max_watts(zone: _Zone) -> float:
    """Twice the highest stated limit, because short bursts go over it."""
    if zone.label == "dram":
        return _stated_watts(zone.path) or MAX_DRAM_WATTS
    around = zone.path.with_name(zone.path.name.rpartition(":")[0])
    return _stated_watts(zone.path) or (zone.parent and _stated_watts(around)) or MAX_WATTS


def _stated_watts(path: Path) -> float:
    stated = [
        kernel_files.number(file) or 0
        for pattern in ("constraint_*_max_power_uw", "constraint_*_power_limit_uw")
        for file in path.glob(pattern)
    ]
    return 2 * max(stated, default=0) / 1e6
