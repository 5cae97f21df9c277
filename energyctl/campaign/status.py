"""A workspace and its machine, as they stand: ``energyctl status``."""

from __future__ import annotations

import time
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from energyctl.background.daemon import Daemon, find_daemon
from energyctl.background.xmlrpc import Unreachable
from energyctl.campaign import leftovers
from energyctl.campaign.status_file import read_state
from energyctl.campaign.watcher import Watcher
from energyctl.results.schema import FINISHED
from energyctl.system import processes
from energyctl.system.lock import lock_holder, lock_problem
from energyctl.system.private_folder import runtime_path
from energyctl.system.user import invoking_user
from energyctl.system.workspace import Workspace

COUNTS = ("iterations", "failures", "coverage", "max_gap_seconds", "load")
"""What a campaign publishes of each job."""


def status_of(root: Path) -> dict[str, Any]:
    """Daemon, background jobs, the campaign's current run and phase, power now.

    ``campaign`` is None where none is running on this machine, ``run`` where none runs in this
    workspace; ``lock_problem``: why it cannot be told who holds the machine; ``unfinished``:
    the newest campaign here, where it was interrupted or died.
    """
    processes.require()
    user = invoking_user()
    runtime = runtime_path(root, user)
    daemon = find_daemon(runtime)
    holder = lock_holder()
    here = holder is not None and holder.get("workspace") == str(root)
    state = (read_state(runtime) if here else None) or {}
    return {
        "workspace": str(root),
        "daemon": _daemon_now(daemon) if daemon else None,
        "campaign": holder,
        "lock_problem": lock_problem(),
        "unfinished": None if here else _unfinished(root),
        "run": _run_now(state) if state else None,
        "jobs": _jobs_now(daemon, state) if daemon else [],
        "power_watts": state.get("watts"),
        "power_estimated": state.get("estimated"),
        "leftovers": [asdict(leftover) for leftover in leftovers.find_leftovers(user)],
    }


def _daemon_now(daemon: Daemon) -> dict[str, Any] | None:
    """None where it has ended meanwhile."""
    try:
        return {"pid": daemon.pid(), "socket": str(daemon.socket)}
    except (Unreachable, xmlrpc.client.Fault):
        return None


def _unfinished(root: Path) -> dict[str, Any] | None:
    closed = Watcher(Workspace(root)).unfinished()
    if closed is None:
        return None
    return {
        "campaign": closed.name,
        "runs": closed.total,
        "finished": sum(status in FINISHED for status in closed.finished.values()),
        "interrupted": closed.interrupted,
        "resume": closed.resume,
    }


def _run_now(state: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "index": state["index"],
        "of": state.get("runs"),
        "experiment_id": state["experiment_id"],
        "condition": state.get("condition"),
        "block": state.get("block"),
        "trial": state.get("trial") or None,
        "attempt": state["attempt"],
        "phase": state["phase"],
        "phase_seconds": time.time() - state["phase_since"],
        "last_line": state.get("last_line"),
        "moving": state.get("moving"),
    }


def _jobs_now(daemon: Daemon, state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Our jobs as supervisord sees them, with the ledger's counts where a campaign runs."""
    counts = {job["name"]: job for job in state.get("jobs", [])}
    try:
        programs = daemon.programs()
    except Unreachable:
        return []
    return [
        {
            "job": program.name,
            "group": program.group,
            "state": program.state,
            "pid": program.pid,
            **{name: counts.get(program.name, {}).get(name) for name in COUNTS},
        }
        for program in programs
        if program.ours
    ]
