"""Opens every source through one door: the entry points of the group `energyctl.meters`.

An entry point names a `Door` (see `base`): a function from `Wanted` to a `Source`, or to None
where there is nothing for it to do. The sources of this package stand in the same group; others
are opened after them, by name, and the estimate last, since it is for what nobody measures.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from energyctl.energy import Domain, count_once
from energyctl.errors import EnergyctlError
from energyctl.meters.base import GpuProcess, GpuState, Reading, Source, Wanted
from energyctl.meters.bounded import Bounded

GROUP = "energyctl.meters"
BUILT_IN = {
    "powercap": "energyctl.meters.powercap:open_source",
    "perf": "energyctl.meters.perf:open_source",
    "nvml": "energyctl.meters.nvml:open_source",
    "estimate": "energyctl.meters.estimate:open_source",
}


def open_meters(*, gpus: Sequence[int | str] | None = None) -> tuple[list[Source], list[str]]:
    """All sources of this machine, and a warning for each thing that cannot be measured.

    gpus: indices or UUIDs; None: those in CUDA_VISIBLE_DEVICES, without it all. SettingsError
    for one that does not exist. CPU power is estimated only where no package can be measured.
    The environment variables ENERGYCTL_POWERCAP and ENERGYCTL_PERF take the places of
    /sys/class/powercap and /sys/bus/event_source/devices (for containers that see the host's /sys
    elsewhere). The caller closes the sources.
    """
    wanted = Wanted(
        gpus=gpus,
        powercap_root=Path(os.environ.get("ENERGYCTL_POWERCAP") or "/sys/class/powercap"),
        perf_root=Path(os.environ.get("ENERGYCTL_PERF") or "/sys/bus/event_source/devices"),
    )
    sources: list[Source] = []
    broken: list[str] = []
    try:
        for door in doors():
            source = _open(door, wanted, broken)
            if source is not None:
                sources.append(source)
                parts = {d.part for d in source.domains() if d.part and d.missing is None}
                wanted = replace(wanted, measured=wanted.measured | parts)
    except BaseException:
        for source in sources:
            source.close()
        raise
    sources = _counted_once(sources)
    return sources, broken + _warnings(sources)


def doors() -> list[EntryPoint]:
    """The entry points in the order of their opening; the built-in ones even if not installed."""
    found = {name: EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()}
    # Of several versions on the path, the first one wins, as it does for an import.
    for door in reversed([*entry_points(group=GROUP)]):
        if door.name not in BUILT_IN:
            found[door.name] = door
    last = len(BUILT_IN)
    place = {"powercap": 0, "perf": 1, "nvml": 2, "estimate": last}
    return sorted(found.values(), key=lambda door: (place.get(door.name, 3), door.name))


def _open(door: EntryPoint, wanted: Wanted, broken: list[str]) -> Source | None:
    """The source behind *door*; one that is not ours and breaks is told and left out."""
    try:
        source = door.load()(wanted)
        if source is None or source.quick:
            return source  # type: ignore[no-any-return]
        return Bounded(source)
    except EnergyctlError:
        raise
    except Exception as error:
        if door.name in BUILT_IN:
            raise
        broken.append(f"the source {door.name} ({door.value}) cannot be opened: {error!r}")
        return None


def _counted_once(sources: Sequence[Source]) -> list[Source]:
    """*sources* whose domains, all together, count each joule once."""
    domains = [d for source in sources for d in source.domains()]
    agreed = iter(count_once(domains))
    result: list[Source] = []
    for source in sources:
        own = source.domains()
        told = [next(agreed) for _ in own]
        result.append(source if told == list(own) else Retold(source, told))
    return result


class Retold(Source):
    """*source*, with other words for its domains."""

    def __init__(self, source: Source, domains: Sequence[Domain]) -> None:
        self._source, self._domains = source, tuple(domains)
        self.name, self.unavailable = source.name, source.unavailable
        self.quick = source.quick

    @property
    def cpu_seconds(self) -> float:
        return self._source.cpu_seconds

    def domains(self) -> Sequence[Domain]:
        return self._domains

    def read(self) -> Sequence[Reading]:
        return self._source.read()

    def environment(self) -> Sequence[GpuState]:
        return self._source.environment()

    def processes(self) -> Sequence[GpuProcess]:
        return self._source.processes()

    def close(self) -> None:
        self._source.close()


def _warnings(sources: Sequence[Source]) -> list[str]:
    """One line per reason, with all domains that it hits."""
    hit: dict[str, list[str]] = {}
    domains = [d for source in sources for d in source.domains()]
    for domain in domains:
        if domain.missing is not None:
            hit.setdefault(domain.missing, []).append(domain.name)
    lines = [f"not measured: {', '.join(names)}: {reason}" for reason, names in hit.items()]
    if any(not d.measured for d in domains):
        told = [s.unavailable for s in sources if s.name == "powercap" and s.unavailable]
        reason = told[0] if told else "no CPU package can be read"
        lines.append(f"CPU energy is estimated, not measured: {reason}")
    return lines
