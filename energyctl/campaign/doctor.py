"""What can be measured and controlled on this machine: ``energyctl doctor``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from energyctl.background.daemon_lifecycle import try_supervisord
from energyctl.campaign.facts import machine_facts
from energyctl.energy import Domain
from energyctl.errors import MachineError
from energyctl.meters import (
    GpuProcess,
    Row,
    Source,
    describe,
    node,
    open_meters,
    permissions,
    together,
)
from energyctl.meters.capabilities import SURVEY_SECONDS, absent, gpu_processes
from energyctl.meters.counter_checks import counter_checks
from energyctl.meters.discovery import NotOpened, source_entry_points
from energyctl.meters.gpu_controls import all_gpu_controls
from energyctl.meters.hwmon.jetson import GPU_PART
from energyctl.results.wall import record
from energyctl.results.wall.phases import Machine
from energyctl.system import processes
from energyctl.system.dependencies import problems, version
from energyctl.system.governor import governor_problem, governors
from energyctl.system.host import process_facts
from energyctl.system.lock import lock_holder, lock_problem
from energyctl.system.privileges import changeable_installation
from energyctl.system.workspace import Workspace


def examine(workspace: Workspace | None = None) -> dict[str, Any]:
    """What can be measured and controlled on this machine (``doctor``)."""
    processes.require()
    node_meters = workspace.node_meters if workspace else None
    meters, warnings = _opened(node_meters)
    try:
        rows = [*describe(meters, how_well=True), *_not_needed(meters, warnings)]
        rows += _of_other_machines(node_meters)
        watts = {row.domain: row.watts for row in rows}
        checks = counter_checks(meters, watts, SURVEY_SECONDS)
        on_gpus, unknown = _gpu_processes(meters)
        counters = [d for meter in meters for d in meter.domains() if d.kind == "gpu"]
        metered = {d.part for meter in meters for d in meter.domains() if _is_of_gpu(d)}
    finally:
        for meter in meters:
            meter.close()
    facts = machine_facts()
    not_asked = _not_asked(facts["gpus"], metered)
    if not_asked and not metered:
        on_gpus = on_gpus or None
    return {
        "meters": [asdict(row) for row in rows],
        "total": asdict(together([row for row in rows if row.in_total])),
        "self_test": checks,
        "warnings": warnings,
        "acceptances": {d.name: d.acceptance.to_json() for d in counters if d.acceptance},
        "gpu_processes": on_gpus,
        "gpu_processes_missing": "; ".join([*unknown, *not_asked]) or None,
        "perf_event_paranoid": permissions.perf_event_paranoid(),
        "governor": {
            "now": sorted(set(governors().values())) or None,
            "problem": governor_problem("performance"),
        },
        "gpu_controls": [asdict(gpu) for gpu in all_gpu_controls()],
        "root": os.geteuid() == 0,
        "supervisor": version("supervisor"),
        "supervisor_problem": try_supervisord(workspace or Workspace(Path.cwd())),
        "dependencies": problems(),
        "changeable_installation": changeable_installation(),
        "machine": facts,
        "wall_calibration": _wall_calibration(rows, facts),
        "campaign": lock_holder(),
        "lock_problem": lock_problem(),
    }


def _wall_calibration(rows: Sequence[Row], facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The newest of this machine, with the domains and GPUs that it has now."""
    machine = Machine(
        facts["hostname"],
        tuple(sorted(str(row.domain) for row in rows if row.in_total)),
        tuple(sorted(gpu["uuid"] for gpu in facts["gpus"] or () if gpu["uuid"])),
    )
    for kept in record.of_host(machine.hostname):
        if kept.machine == machine:
            return {
                "meter": kept.meter, "date_unix": kept.date_unix,
                "file": str(record.path_of(machine, kept.meter)),
            }  # fmt: skip
    return None


def _opened(node_meters: Path | None) -> tuple[list[Source], list[str]]:
    try:
        return open_meters(node_meters=node_meters)
    except MachineError as error:  # the rest can be told all the same
        warning = NotOpened(error)
        warning.source = "nvml"
        meters, warnings = open_meters(gpus=[], node_meters=node_meters)
        return meters, [warning, *warnings]


def _not_needed(meters: Sequence[Source], warnings: Sequence[str]) -> list[Row]:
    """A row for each source that was left closed, unless a warning tells of it."""
    opened = {meter.name for meter in meters}
    failed = {warning.source for warning in warnings if isinstance(warning, NotOpened)}
    points = [point.name for point in source_entry_points()]
    closed = [name for name in points if name not in opened | failed]
    return [replace(absent(name, _why_closed(name)), needed=False) for name in closed]


def _of_other_machines(node_meters: Path | None) -> list[Row]:
    """A row for each meter that the file declares for another machine."""
    others = node.elsewhere(node_meters) if node_meters else {}
    return [
        replace(absent(meter.kind, f'of the machine "{meter.host}"'), domain=name, needed=False)
        for name, meter in others.items()
    ]


def _why_closed(source: str) -> str:
    if source in ("perf", "estimate"):
        return "not needed: another source already measures this"
    return "not needed: this machine has nothing for it"


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


def _is_of_gpu(domain: Domain) -> bool:
    return (domain.part or "").startswith(("gpu/", "module/", GPU_PART))


def _not_asked(gpus: Sequence[Mapping[str, Any]] | None, metered: set[str | None]) -> list[str]:
    """A line for the GPUs that CUDA_VISIBLE_DEVICES leaves out."""
    left_out = [
        str(gpu["index"])
        for gpu in gpus or ()
        if gpu["uuid"] and metered.isdisjoint(_parts(gpu["uuid"]))
    ]
    if not left_out:
        return []
    return [
        f"GPU {', '.join(left_out)}: not metered (CUDA_VISIBLE_DEVICES), so its processes are not "
        "listed"
    ]


def _parts(uuid: str) -> tuple[str, ...]:
    """The parts (`Domain.part`) that the GPU may be."""
    return f"gpu/{uuid}", f"module/{uuid}", GPU_PART
