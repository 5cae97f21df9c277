"""Edge: a workspace and its machine from outside a campaign: ``status``, ``stop``, ``doctor``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from energyctl import machine, processes, supervisor
from energyctl.campaign import leave
from energyctl.groups import GROUP_PREFIX
from energyctl.meters import describe, open_meters
from energyctl.state import read_state
from energyctl.workspace import Workspace


def status(root: Path) -> dict[str, Any]:
    """Daemon, background jobs, the campaign's current run and phase, power now.

    ``campaign`` is None where none runs on this machine, ``run`` where none runs in this
    workspace.
    """
    runtime = machine.runtime_path(root, machine.invoking_user())
    daemon = supervisor.find(runtime)
    holder = machine.lock_holder()
    here = holder is not None and holder.get("workspace") == str(root)
    state = (read_state(runtime) if here else None) or {}
    return {
        "workspace": str(root),
        "daemon": None if daemon is None else {"pid": daemon.pid(), "socket": str(daemon.socket)},
        "campaign": holder,
        "run": _run_now(state) if state else None,
        "jobs": _jobs_now(daemon, state) if daemon else [],
        "power_watts": state.get("watts"),
        "power_estimated": state.get("estimated"),
    }


def _run_now(state: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "index": state["index"],
        "of": state["runs"],
        "experiment_id": state["experiment_id"],
        "attempt": state["attempt"],
        "phase": state["phase"],
        "phase_seconds": time.time() - state["phase_since"],
        "last_line": state["last_line"],
    }


def _jobs_now(daemon: supervisor.Daemon, state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Our jobs as supervisord sees them, with the ledger's counts where a campaign runs."""
    counts = {job["name"]: job for job in state.get("jobs", [])}
    try:
        programs = daemon.programs()
    except supervisor.Unreachable:
        return []
    return [
        {
            "job": program.name,
            "group": program.group,
            "state": program.state,
            "pid": program.pid,
            "iterations": counts.get(program.name, {}).get("iterations"),
            "failures": counts.get(program.name, {}).get("failures"),
        }
        for program in programs
        if program.group.startswith(GROUP_PREFIX)
    ]


def stop_everything(workspace: Workspace) -> tuple[list[str], list[processes.Found]]:
    """Ends every background job of this workspace: (names of ended jobs, what is left).

    Also what a crashed energyctl left behind, the foreground included; the foreground of a
    campaign that is alive is left to it.
    """
    user = machine.invoking_user()
    runtime = machine.runtime_path(workspace.root, user)
    holder = machine.lock_holder()
    alive = holder is not None and holder.get("workspace") == str(workspace.root)
    ended: list[str] = []
    daemon = supervisor.find(runtime)
    if daemon is not None:
        members = [p for p in daemon.programs() if p.group.startswith(GROUP_PREFIX)]
        ended += [f"{p.group}:{p.name}" for p in members if p.pid]
        for group in {p.group for p in members}:
            daemon.remove(group)
        if not alive:
            daemon.shut_down()

    role = "background" if alive else ""
    leftovers = processes.end(lambda: processes.of_workspace(runtime.name, role))
    ended += [f"pid {p.pid} {p.command}" for p in leftovers.found]
    if not alive:
        leave(runtime)
    return ended, list(leftovers.left)


def examine(root: Path) -> dict[str, Any]:
    """What can be measured and controlled on this machine (``doctor``)."""
    meters, warnings = open_meters()
    try:
        rows = [asdict(row) for row in describe(meters)]
    finally:
        for meter in meters:
            meter.close()
    governors = sorted(set(machine.governors().values()))
    return {
        "meters": rows,
        "warnings": warnings,
        "governor": {
            "now": governors or None,
            "problem": machine.governor_problem("performance"),
        },
        "supervisor": _supervisor_version(),
        "machine": machine.facts(),
        "campaign": machine.lock_holder(),
    }


def _supervisor_version() -> str | None:
    from importlib import metadata

    try:
        return metadata.version("supervisor")
    except metadata.PackageNotFoundError:
        return None
