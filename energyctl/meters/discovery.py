"""Opens the sources that the entry points of the group `energyctl.meters` name.

Each names an `Opener` (see `base`). The sources of this package stand in the same group; others
are opened after them, by name, and the estimate last, since it is for what nobody measures.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Sequence, Set
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from energyctl.energy import Domain, count_once
from energyctl.errors import EnergyctlError, MachineError
from energyctl.meters import makers, node, nvml_module
from energyctl.meters.amd_presence import cards, pci_root
from energyctl.meters.base import (
    GpuProcess,
    NotReported,
    Opener,
    OpenRequest,
    Reading,
    Source,
    SourceWrapper,
)
from energyctl.meters.bounded import TimeLimitedSource
from energyctl.meters.kernel_counters import keeping
from energyctl.meters.node import NodeMeters
from energyctl.system.timeouts import DRIVER_SECONDS, CallTimeout, call_within

GROUP = "energyctl.meters"
BUILT_IN = {
    "powercap": "energyctl.meters.powercap:open_source",
    "perf": "energyctl.meters.perf:open_source",
    "nvml": "energyctl.meters.nvml:open_source",
    "amdsmi": "energyctl.meters.amdsmi:open_source",
    "hwmon": "energyctl.meters.hwmon:open_source",
    "pm_counters": "energyctl.meters.pm_counters:open_source",
    "estimate": "energyctl.meters.estimate:open_source",
}
# They open files of the kernel, and never hang.
QUICK = ("powercap", "perf", "hwmon", "pm_counters", "estimate")
DRIVERS = {"nvml": "NVIDIA", "amdsmi": "AMD"}
IF_PRESENT = ("amdsmi",)
"""Not even imported where there is no AMD GPU."""


class NotOpened(str):
    """The warning that a source cannot be opened."""

    source: str

    @classmethod
    def of(cls, point: EntryPoint, why: str) -> NotOpened:
        warning = cls(f"the source {point.name} ({point.value}) cannot be opened: {why}")
        warning.source = point.name
        return warning


def open_meters(
    *,
    gpus: Sequence[int | str] | None = None,
    leave_out: Sequence[str] = (),
    total: str | None = None,
    node_meters: Path | None = None,
) -> tuple[list[Source], list[str]]:
    """All sources of this machine, and a warning for each thing that cannot be measured.

    gpus: indices or UUIDs; None: those in CUDA_VISIBLE_DEVICES, without it all. SettingsError
    for one that does not exist, MachineError where the module `pynvml` is another one. leave_out:
    names of domains that no figure shall have. CPU power is estimated only where no package can
    be measured. The environment variables ENERGYCTL_POWERCAP, ENERGYCTL_PERF, ENERGYCTL_PCI,
    ENERGYCTL_HWMON and ENERGYCTL_PM_COUNTERS take the places of /sys/class/powercap,
    /sys/bus/event_source/devices, /sys/bus/pci/devices, /sys/class/hwmon and
    /sys/cray/pm_counters (for containers that see the host's /sys elsewhere). total: the name of
    the domain that is the total by itself; MachineError where it cannot be measured. node_meters:
    the file of the meters that stand outside of the machine. The caller closes the sources.
    """
    failures: list[str] = []
    sources = _opened(source_entry_points(), gpus, failures)
    try:
        outside = _outside(node_meters, leave_out, sources)
        if outside is not None:
            sources.append(outside)
        labelled = _labelled(sources, leave_out, total, node_meters)
        if outside is not None and total and (failure := outside.failure_of(total)):
            raise MachineError(f'"total": {total} cannot be measured: {failure}')
    except BaseException:
        for source in sources:
            source.close()
        raise
    return labelled, failures + _warnings(labelled) + _not_there(labelled, leave_out)


def _outside(
    file: Path | None, leave_out: Collection[str], sources: Sequence[Source]
) -> NodeMeters | None:
    if file is None:
        return None
    taken = [d.name for d in _named_apart([d for source in sources for d in source.domains()])]
    return node.open_source(file, leave_out=leave_out, taken=taken)


def open_counters() -> None:
    """Opens what root alone may open, for :func:`open_meters` when we are not root any more."""
    points = [point for point in source_entry_points() if point.name in ("powercap", "perf")]
    with keeping():
        for source in _opened(points, None, []):
            source.close()


def _opened(
    points: Sequence[EntryPoint], gpus: Sequence[int | str] | None, failures: list[str]
) -> list[Source]:
    request = OpenRequest(
        gpus=gpus,
        powercap_root=Path(os.environ.get("ENERGYCTL_POWERCAP") or "/sys/class/powercap"),
        perf_root=Path(os.environ.get("ENERGYCTL_PERF") or "/sys/bus/event_source/devices"),
        pci_root=pci_root(),
        hwmon_root=Path(os.environ.get("ENERGYCTL_HWMON") or "/sys/class/hwmon"),
        pm_counters_root=Path(os.environ.get("ENERGYCTL_PM_COUNTERS") or "/sys/cray/pm_counters"),
    )
    amd = bool(cards(request.pci_root))
    asked = makers.shared_out(gpus, amd=amd)
    sources: list[Source] = []
    try:
        for point in (point for point in points if amd or point.name not in IF_PRESENT):
            source = _open(point, replace(request, gpus=asked.of(point.name)), failures)
            if source is not None:
                sources.append(source)
                parts = {d.part for d in source.domains() if d.part and d.missing is None}
                request = replace(request, measured=request.measured | parts)
    except BaseException:
        for source in sources:
            source.close()
        raise
    return sources


def source_entry_points() -> list[EntryPoint]:
    """In the order in which they are opened; the built-in ones even if not installed."""
    points = {name: EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()}
    # Of several versions on the path, the first one wins, as it does for an import.
    for point in reversed([*entry_points(group=GROUP)]):
        if point.name not in BUILT_IN:
            points[point.name] = point
    ranks = {"powercap": 0, "perf": 1, "nvml": 2, "amdsmi": 3, "estimate": 5}
    return sorted(points.values(), key=lambda point: (ranks.get(point.name, 4), point.name))


def _open(point: EntryPoint, request: OpenRequest, failures: list[str]) -> Source | None:
    """The source behind *point*; one that is not ours and breaks is told and left out."""
    if point.name == "nvml" and (problem := nvml_module.problem()):
        if request.no_gpu:
            return None
        raise MachineError(problem)
    try:
        if point.name in QUICK:
            return _load(point, request)
        return call_within(DRIVER_SECONDS, point.name, lambda: _load(point, request), _close)
    except EnergyctlError:
        raise
    except CallTimeout as error:
        if point.name in DRIVERS:
            return HangingDriver(
                point.name, request, f"the {DRIVERS[point.name]} driver hangs: {error}"
            )
        failures.append(NotOpened.of(point, str(error)))
    except (Exception, SystemExit) as error:
        if point.name in BUILT_IN:
            raise
        failures.append(NotOpened.of(point, repr(error)))
    return None


def _load(point: EntryPoint, request: OpenRequest) -> Source | None:
    open_source: Opener = point.load()
    source = open_source(request)
    return source if source is None or source.quick else TimeLimitedSource(source)


def _close(source: Source | None) -> None:
    if source is not None:
        source.close()


class HangingDriver(Source):
    """Stands in for GPUs whose driver does not answer, so that no total is without them."""

    def __init__(self, name: str, request: OpenRequest, reason: str) -> None:
        self.name, self.unavailable = name, reason
        self._domains: tuple[Domain, ...] = ()
        if not request.no_gpu:
            self._domains = (Domain("gpu", "gpu", name, missing=reason),)

    def domains(self) -> Sequence[Domain]:
        return self._domains

    def read(self) -> Sequence[Reading]:
        return ()

    def processes(self) -> Sequence[GpuProcess]:
        raise NotReported(self.unavailable or "")


def _labelled(
    sources: Sequence[Source],
    leave_out: Collection[str],
    total: str | None,
    node_meters: Path | None,
) -> list[Source]:
    """*sources* whose domains, all together, have different names and count each joule once."""
    domains = _named_apart(count_once([d for source in sources for d in source.domains()]))
    domains = _without(domains, leave_out)
    labels = iter(domains if total is None else _alone(total, domains, node_meters))
    result: list[Source] = []
    for source in sources:
        own = list(source.domains())
        labelled = [next(labels) for _ in own]
        result.append(source if labelled == own else RelabelledSource(source, labelled))
    return result


def _named_apart(domains: Sequence[Domain]) -> list[Domain]:
    """*domains* in their order; of those with one name all but one get their source's behind it.

    The name stays with the first that can be read.
    """
    named = dict.fromkeys(range(len(domains)), "")
    for index in sorted(named, key=lambda i: domains[i].missing is not None):
        name = domains[index].name
        while name in named.values():
            name += f"-{domains[index].source.replace(' ', '-')}"
        named[index] = name
    return [replace(domain, name=named[index]) for index, domain in enumerate(domains)]


def _without(domains: Sequence[Domain], leave_out: Collection[str]) -> list[Domain]:
    """*domains*, those of *leave_out* without a place in the total and not read."""
    why = 'left out by "leave_out"; no total has it'
    return [
        replace(domain, in_total=False, missing=why, part=None)
        if domain.name in leave_out
        else domain
        for domain in domains
    ]


def _alone(total: str, domains: Sequence[Domain], node_meters: Path | None) -> list[Domain]:
    """*domains*, of which the one of that name is the total, and all others stand beside it."""
    chosen = next((domain for domain in domains if domain.name == total), None)
    if chosen is None:
        if node_meters and (meter := node.elsewhere(node_meters).get(total)) is not None:
            raise MachineError(
                f'"total": {node_meters} has {total} for the machine "{meter.host}", and this one '
                f'is "{platform.node()}"'
            )
        names = ", ".join(domain.name for domain in domains) or "nothing"
        raise MachineError(f'"total": there is no {total} on this machine; it has {names}')
    if chosen.missing is not None:
        raise MachineError(f'"total": {total} cannot be measured: {chosen.missing}')
    return [replace(domain, in_total=domain is chosen) for domain in domains]


def _not_there(sources: Sequence[Source], leave_out: Sequence[str]) -> list[str]:
    names = [d.name for source in sources for d in source.domains()]
    return [
        f'"leave_out": there is no {name} on this machine; it has {", ".join(names) or "nothing"}'
        for name in leave_out
        if name not in names
    ]


class RelabelledSource(SourceWrapper):
    """*source*, whose domains are described and named anew by *domains*, in the same order."""

    def __init__(self, source: Source, domains: Sequence[Domain]) -> None:
        super().__init__(source)
        self._domains = tuple(domains)
        named = list(zip(source.domains(), domains, strict=True))
        self._names = {own.name: domain.name for own, domain in named}
        self._left_out = {own.name for own, domain in named if domain.missing and not own.missing}

    def domains(self) -> Sequence[Domain]:
        return self._domains

    def read(self) -> Sequence[Reading]:
        return self._relabelled(self.source.read())

    def read_of(self, names: Set[str]) -> Sequence[Reading]:
        own = {own for own, name in self._names.items() if name in names}
        return self._relabelled(self.source.read_of(own))

    def read_after(self, time: float) -> Sequence[Reading]:
        return self._relabelled(self.source.read_after(time))

    def _relabelled(self, readings: Sequence[Reading]) -> Sequence[Reading]:
        return [
            r._replace(domain=self._names.get(r.domain, r.domain))
            for r in readings
            if r.domain not in self._left_out
        ]


def _warnings(sources: Sequence[Source]) -> list[str]:
    """What the sources say, and a line per reason with all parts that nothing else shows."""
    unread: dict[str, dict[str, str]] = {}  # by reason: name by part
    domains = [d for source in sources for d in source.domains()]
    readable = {d.part for d in domains if d.part and d.missing is None}
    for domain in domains:
        # A meter that somebody declared is missed, whatever else shows the same.
        part = None if domain.remote else domain.part
        if domain.missing is not None and part not in readable:
            unread.setdefault(domain.missing, {}).setdefault(part or domain.name, domain.name)
    lines = [
        f"not measured: {', '.join(names.values())}: {reason}" for reason, names in unread.items()
    ]
    lines += [line for source in sources for line in source.warnings]
    if any(not d.measured and d.missing is None for d in domains):
        reasons = [s.unavailable for s in sources if s.name == "powercap" and s.unavailable]
        unreadable = any(d.measured and d.kind == "cpu" for d in domains)
        reason = "no CPU package can be read" if unreadable or not reasons else reasons[0]
        lines.append(f"CPU energy is estimated, not measured: {reason}")
    return lines
