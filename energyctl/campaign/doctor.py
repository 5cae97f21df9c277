"""What can be measured and controlled on this machine: ``energyctl doctor``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from energyctl.campaign.facts import machine_facts
from energyctl.meters import GpuProcess, Row, Source, describe, open_meters, permissions
from energyctl.meters.capabilities import absent, gpu_processes
from energyctl.meters.discovery import NotOpened, source_entry_points
from energyctl.system.governor import governor_problem, governors
from energyctl.system.host import process_facts
from energyctl.system.lock import lock_holder


def examine() -> dict[str, Any]:
    """What can be measured and controlled on this machine (``doctor``)."""
    meters, warnings = open_meters()
    try:
        rows = [*describe(meters), *_not_needed(meters, warnings)]
        on_gpus, unknown = _gpu_processes(meters)
        metered = {d.part for meter in meters for d in meter.domains() if d.kind == "gpu"}
    finally:
        for meter in meters:
            meter.close()
    facts = machine_facts()
    not_asked = _not_asked(facts["gpus"], metered)
    if not_asked and not metered:
        on_gpus = on_gpus or None
    return {
        "meters": [asdict(row) for row in rows],
        "warnings": warnings,
        "gpu_processes": on_gpus,
        "gpu_processes_missing": "; ".join([*unknown, *not_asked]) or None,
        "perf_event_paranoid": permissions.perf_event_paranoid(),
        "governor": {
            "now": sorted(set(governors().values())) or None,
            "problem": governor_problem("performance"),
        },
        "supervisor": _supervisor_version(),
        "machine": facts,
        "campaign": lock_holder(),
    }


def _not_needed(meters: Sequence[Source], warnings: Sequence[str]) -> list[Row]:
    """A row for each source that was left closed, unless a warning tells of it."""
    reason = "not needed: another source already measures this"
    opened = {meter.name for meter in meters}
    failed = {warning.source for warning in warnings if isinstance(warning, NotOpened)}
    points = [point.name for point in source_entry_points()]
    closed = [name for name in points if name not in opened | failed]
    return [replace(absent(name, reason), needed=False) for name in closed]


def _gpu_processes(
    meters: Sequence[Source],
) -> tuple[list[dict[str, Any]] | None, list[str]]:
    """(who is on the GPUs now, why not all of it is known); (None, why) where nothing is."""
    found: list[GpuProcess] = []
    reasons = []
    for meter in meters:
        processes, reason = gpu_processes(meter)
        found += processes
        reasons += [reason] if reason else []
    if reasons and not found:
        return None, reasons
    return [{**p._asdict(), **process_facts(p.pid)} for p in found], reasons


def _not_asked(
    gpus: Sequence[Mapping[str, Any]] | None, metered: Collection[str | None]
) -> list[str]:
    """A line for the GPUs that CUDA_VISIBLE_DEVICES leaves out."""
    left_out = [
        str(gpu["index"])
        for gpu in gpus or ()
        if gpu["uuid"] and f"gpu/{gpu['uuid']}" not in metered
    ]
    if not left_out:
        return []
    return [
        f"GPU {', '.join(left_out)}: not metered (CUDA_VISIBLE_DEVICES), so its processes are not "
        "listed"
    ]


def _supervisor_version() -> str | None:
    from importlib import metadata

    try:
        return metadata.version("supervisor")
    except metadata.PackageNotFoundError:
        return None
