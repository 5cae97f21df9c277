"""Edge: a workspace and its machine from outside a campaign: ``status``, ``stop``, ``doctor``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from energyctl import system as machine
from energyctl.background import daemon as supervisor
from energyctl.background.protocol import GROUP_PREFIX
from energyctl.background.xmlrpc import Unreachable
from energyctl.campaign import leftovers
from energyctl.campaign.campaign import leave
from energyctl.campaign.facts import machine_facts
from energyctl.campaign.status_file import read_state
from energyctl.campaign.training import workdirs
from energyctl.campaign.watcher import Watcher
from energyctl.meters import GpuProcess, Row, Source, describe, open_meters
from energyctl.meters import permissions as permission
from energyctl.meters.base import NotReported
from energyctl.meters.capabilities import absent
from energyctl.meters.discovery import NotOpened, source_entry_points
from energyctl.system import processes
from energyctl.system.workspace import Workspace

STOP_GRACE_SECONDS = 20.0
"""For an energyctl to end its trainings and to write what there is."""

STOP_AS_SECONDS = 60.0
_STOP_JOB = (
    "import json, sys; from energyctl.campaign.operations import stop_job;"
    "json.dump(stop_job(sys.argv[1]), sys.stdout)"
)

COUNTS = ("iterations", "failures", "coverage", "max_gap_seconds", "load")
"""What a campaign publishes of each job."""


def status(root: Path) -> dict[str, Any]:
    """Daemon, background jobs, the campaign's current run and phase, power now.

    ``campaign`` is None where none runs on this machine, ``run`` where none runs in this
    workspace; ``unfinished``: the newest campaign here, where it was interrupted or died.
    """
    user = machine.invoking_user()
    runtime = machine.runtime_path(root, user)
    daemon = supervisor.find(runtime)
    holder = machine.lock_holder()
    here = holder is not None and holder.get("workspace") == str(root)
    state = (read_state(runtime) if here else None) or {}
    return {
        "workspace": str(root),
        "daemon": None if daemon is None else {"pid": daemon.pid(), "socket": str(daemon.socket)},
        "campaign": holder,
        "unfinished": None if here else _unfinished(root),
        "run": _run_now(state) if state else None,
        "jobs": _jobs_now(daemon, state) if daemon else [],
        "power_watts": state.get("watts"),
        "power_estimated": state.get("estimated"),
        "leftovers": [leftover.to_json() for leftover in leftovers.find(user)],
    }


def _unfinished(root: Path) -> dict[str, Any] | None:
    closed = Watcher(Workspace(root)).unfinished()
    if closed is None:
        return None
    return {
        "campaign": closed.name,
        "runs": closed.total,
        "finished": len(closed.finished),
        "interrupted": closed.interrupted,
        "resume": closed.resume,
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
        "moving": state.get("moving"),
    }


def _jobs_now(daemon: supervisor.Daemon, state: Mapping[str, Any]) -> list[dict[str, Any]]:
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
        if program.group.startswith(GROUP_PREFIX)
    ]


def stop_everything(workspace: Workspace) -> tuple[list[str], list[str]]:
    """Ends every background job of this workspace: a line for each thing done; what is left.

    Also what a crashed energyctl left behind, the foreground and the CPUs' governors included;
    the foreground of a campaign that is alive is left to it.
    """
    user = machine.invoking_user()
    runtime = machine.runtime_path(workspace.root, user)
    done: list[str] = []
    left: list[str] = []
    tasks = leftovers.of_tasks(user, workspace.root)
    held_by_task = any(leftovers.owner_lives(task) for task in tasks)
    for folder in (runtime, *tasks):
        held = folder == runtime and _is_held_by(workspace) and not held_by_task
        if leftovers.owner_lives(folder) or held:
            running = _stop_background(folder, done)
            left += [f"pid {p.pid} {p.command}" for p in running]
        else:
            left += leftovers.end(folder, done.append)
            leave(folder)
    with user.acting():
        done += workdirs.sweep(workspace.results)
    return done, left


def stop_job(job: str) -> tuple[list[str], list[str]]:
    """The same for what a job of a cluster left on this node; for root, of any user.

    For an epilog of Slurm: the job is over, so an energyctl of it that still lives ends, too.
    """
    done: list[str] = []
    left: list[str] = []
    for runtime in leftovers.of_job(machine.invoking_user(), job):
        owner = machine.read_owner(runtime)
        if owner is not None and owner.alive:
            ended = processes.end(
                partial(_living, owner.pid, owner.ticks), grace_seconds=STOP_GRACE_SECONDS
            )
            done += [f"ended pid {p.pid} {p.command}" for p in ended.found]
        left += leftovers.end(runtime, done.append)
        leave(runtime)
    of = os.environ.get("SLURM_JOB_UID", "")  # in an epilog: whose job it was
    for user in machine.others_with_folders():
        if of not in ("", str(user.uid)):
            continue
        said, problems = _stop_job_as(user, job)
        done, left = done + said, left + problems
    return done, left


def _living(pid: int, ticks: int) -> list[processes.Found]:
    found = processes.identify(pid)
    return [found] if found is not None and found.ticks == ticks else []


def _stop_job_as(user: machine.User, job: str) -> tuple[list[str], list[str]]:
    """With that user's rights alone: what stands in the records of their folder is theirs.

    Whatever that user does to it, it is over in time, and has neither our terminal nor our words.
    """
    command = [sys.executable, "-I", "-c", _STOP_JOB, job]
    try:
        done = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "HOME": user.home,
                "ENERGYCTL_PRIVATE": os.environ.get("ENERGYCTL_PRIVATE", ""),
            },
            user=user.uid,
            group=user.gid,
            extra_groups=list(user.groups),
            start_new_session=True,
            timeout=STOP_AS_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return [], [f"as {user.name}: {type(error).__name__}"]
    try:
        said, left = json.loads(done.stdout)
        return _lines(said), [f"as {user.name}: {line}" for line in _lines(left)]
    except (ValueError, TypeError, RecursionError):  # it failed, and says why in its last line
        why = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        return [], [f"as {user.name}: {leftovers.one_line(why)}"]


def _lines(said: Any) -> list[str]:
    return [leftovers.one_line(str(line)) for line in said]


def _is_held_by(workspace: Workspace) -> bool:
    holder = machine.lock_holder()
    return holder is not None and holder.get("workspace") == str(workspace.root)


def _stop_background(runtime: Path, done: list[str]) -> list[processes.Found]:
    """Ends the background of a campaign that is alive; a line for *done* each, and what is left."""
    daemon = supervisor.find(runtime)
    if daemon is not None:
        members = [p for p in daemon.programs() if p.group.startswith(GROUP_PREFIX)]
        done += [f"ended {p.group}:{p.name}" for p in members if p.pid]
        with machine.invoking_user().acting():
            for group in {p.group for p in members}:
                daemon.note(group, "ended")
                daemon.remove(group)
    ended = processes.end(lambda: processes.of_workspace(runtime.name, "background"))
    done += [f"ended pid {p.pid} {p.command}" for p in ended.found]
    return list(ended.left)


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
    governors = sorted(set(machine.governors().values()))
    return {
        "meters": [asdict(row) for row in rows],
        "warnings": warnings,
        "gpu_processes": on_gpus,
        "gpu_processes_missing": "; ".join([*unknown, *not_asked]) or None,
        "perf_event_paranoid": permission.perf_event_paranoid(),
        "governor": {
            "now": governors or None,
            "problem": machine.governor_problem("performance"),
        },
        "supervisor": _supervisor_version(),
        "machine": facts,
        "campaign": machine.lock_holder(),
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
        try:
            found += meter.processes()
        except NotReported as error:
            found += error.processes
            reasons.append(str(error))
        except Exception as error:
            reasons.append(f"{meter.name}: {error or type(error).__name__}")
    if reasons and not found:
        return None, reasons
    told = [{**p._asdict(), **machine.process_facts(p.pid)} for p in found]
    return told, reasons


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
