"""RAPL counters through the kernel's power events, for users who may not read powercap.

The PMU "power" (arch/x86/events/rapl.c): Intel since Sandy Bridge, and the packages of AMD since
family 17h. Each event counts from its opening in units of its `.scale` (2^-32 J), 64 bits wide:
the kernel follows the 32-bit register behind it, at each read and by a timer of its own, so its
wraps are none of ours. What moves is still that register, in its own unit (2^-14 J and the like).
An event belongs to a CPU, not to a process, and needs kernel.perf_event_paranoid <= 0 or
CAP_PERFMON.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from energyctl.energy import Domain, count_once
from energyctl.launchers.cpu_list import cpus_of
from energyctl.meters import permissions, topology
from energyctl.meters.base import OpenRequest
from energyctl.meters.kernel_counters import (
    RESOLUTION_JOULES,
    UPDATE_SECONDS,
    KernelCounters,
    open_once,
)

# The numbers of perf_event_open: arch/x86/entry/syscalls/syscall_64.tbl and, for the others,
# include/uapi/asm-generic/unistd.h.
SYSTEM_CALLS = {"x86_64": 298, "aarch64": 241}
PERF_FLAG_FD_CLOEXEC = 1 << 3
NO_PROCESS, NO_GROUP = -1, -1

# Event → the name that powercap has for the same thing.
EVENTS = {
    "energy-pkg": "package",
    "energy-ram": "dram",
    "energy-cores": "core",
    "energy-gpu": "uncore",
    "energy-psys": "psys",
}


class PerfEventAttr(ctypes.Structure):
    """struct perf_event_attr of include/uapi/linux/perf_event.h, as first published.

    PERF_ATTR_SIZE_VER0, 64 bytes: every kernel takes it, and no later field is needed.
    """

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("config", ctypes.c_uint64),
        ("sample_period", ctypes.c_uint64),
        ("sample_type", ctypes.c_uint64),
        ("read_format", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),  # 0: enabled at once; exclude_* is refused by this PMU
        ("wakeup_events", ctypes.c_uint32),
        ("bp_type", ctypes.c_uint32),
        ("config1", ctypes.c_uint64),
    )


def open_event(kind: int, config: int, cpu: int) -> int:
    """A descriptor that counts one event on one CPU; eight bytes a read. OSError where refused."""
    number = SYSTEM_CALLS.get(platform.machine())
    if number is None or sys.maxsize <= 2**32:
        raise OSError(errno.ENOSYS, f"power events are not known on {platform.machine()}")
    attributes = PerfEventAttr(type=kind, size=ctypes.sizeof(PerfEventAttr), config=config)
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    arguments = (NO_PROCESS, cpu, NO_GROUP, PERF_FLAG_FD_CLOEXEC)
    descriptor = call(
        ctypes.c_long(number), ctypes.byref(attributes), *map(ctypes.c_long, arguments)
    )
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(descriptor)


def read_count(descriptor: int) -> int:
    """OSError where the kernel stopped counting this event: its CPU went offline."""
    value = os.read(descriptor, 8)
    if len(value) != 8:
        raise OSError(errno.EIO, "the kernel stopped counting this event")
    return int.from_bytes(value, sys.byteorder)


def open_source(request: OpenRequest) -> PerfSource | None:
    """None where a CPU package is measured already: it would be the same counter once more."""
    if any(part.startswith("package-") for part in request.measured):
        return None
    return PerfSource(
        request.perf_root, permissions.denied(request.powercap_root, request.perf_root)
    )


@dataclass(frozen=True)
class _Event:
    label: str  # as in EVENTS
    file: str
    config: int
    joules: float  # one count
    cpu: int
    place: str  # "0", or "0-die-1": behind the name, as powercap has it


class PerfSource(KernelCounters):
    """One descriptor per event and package. No such events: `unavailable` says so.

    root: holds a folder per PMU; the CPUs' topology is read beside it, from the same /sys.
    denied: the reason for what may not be opened.
    """

    name = "perf"
    failure = "reading the power event of {} failed"

    def __init__(self, root: Path, denied: str) -> None:
        super().__init__(denied)
        try:
            kind, events = _events(root)
        except FileNotFoundError:
            self.unavailable = f"the kernel has no power events: no PMU {root}/power"
            return
        except (OSError, ValueError) as error:
            self.unavailable = f"the kernel's power events cannot be used: {error}"
            return
        if not events:
            self.unavailable = f"the kernel has no energy events in {root}/power/events"
        for event in events:
            self._add(kind, event)
        self._domains = count_once(self._domains)

    def _add(self, kind: int, event: _Event) -> None:
        domain = _domain(event)
        try:
            what = (kind, event.config, event.cpu)
            descriptor = open_once(what, lambda: open_event(*what))
        except PermissionError:
            domain = replace(domain, missing=self._denied)
        except OSError as error:
            missing = f"the power event {event.file} cannot be opened: {error.strerror}"
            domain = replace(domain, missing=missing)
        else:
            self._open.append(
                (domain.name, descriptor, lambda: read_count(descriptor) * event.joules)
            )
        self._domains.append(domain)


def _events(root: Path) -> tuple[int, list[_Event]]:
    """The PMU's type, and its energy events on each CPU that stands for a package or die."""
    pmu = root / "power"
    kind = int((pmu / "type").read_text(encoding="utf-8"))
    places = _places(pmu, root.parent.parent.parent / "devices" / "system" / "cpu")
    events = []
    for file, label in EVENTS.items():
        path = pmu / "events" / file
        if not path.exists():
            continue
        config, joules = _config(path.read_text(encoding="utf-8")), _joules(path)
        # The platform is one, whichever package tells of it.
        on = list(places.items())[:1] if label == "psys" else places.items()
        events += [_Event(label, file, config, joules, cpu, place) for cpu, place in on]
    return kind, events


def _places(pmu: Path, cpu_root: Path) -> dict[int, str]:
    """CPU → its package's number, with the die's where several share the package.

    Without a topology the packages are numbered in the order of their CPUs.
    """
    cpus = cpus_of((pmu / "cpumask").read_text(encoding="utf-8"))
    numbers = {cpu: topology.number(cpu_root, cpu, "physical_package_id") for cpu in cpus}
    if None in numbers.values():
        return {cpu: str(index) for index, cpu in enumerate(cpus)}
    places, packages = {}, list(numbers.values())
    for cpu, package in numbers.items():
        if packages.count(package) == 1:
            places[cpu] = str(package)
        else:
            die = topology.number(cpu_root, cpu, "die_id")
            places[cpu] = f"{package}-die-{cpu if die is None else die}"
    return places


def _config(text: str) -> int:
    """Of "event=0x02", which the PMU's format puts into config:0-7."""
    event = re.fullmatch(r"event=(0x[0-9a-fA-F]+|\d+)", text.strip())
    if event is None:
        raise ValueError(f"an event of an unknown form: {text.strip()}")
    return int(event[1], 0)


def _joules(path: Path) -> float:
    """One count of the event in joules, by its .scale and .unit."""
    unit = path.with_name(f"{path.name}.unit").read_text(encoding="utf-8").strip()
    if unit != "Joules":
        raise ValueError(f"{path.name} counts {unit}, not Joules")
    return float(path.with_name(f"{path.name}.scale").read_text(encoding="utf-8"))


def _domain(event: _Event) -> Domain:
    package = f"package-{event.place}"
    name = "psys" if event.label == "psys" else f"{event.label}-{event.place}"
    key = name if event.label in ("package", "psys") else f"{package}/{event.label}"
    kind = {"package": "cpu", "dram": "dram"}.get(event.label, "other")
    return Domain(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        source="perf",
        in_total=kind != "other",
        resolution_joules=max(event.joules, RESOLUTION_JOULES),
        update_seconds=UPDATE_SECONDS,
        part=topology.part(key, topology.counts_whole_packages()),
    )
