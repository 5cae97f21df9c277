"""The end of what runs in a workspace, or for a job of a cluster: ``energyctl stop``."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from energyctl.background.daemon import find_daemon
from energyctl.background.xmlrpc import Unreachable
from energyctl.campaign import leftovers
from energyctl.campaign.training import workdirs
from energyctl.system import processes, programs
from energyctl.system.lock import lock_holder
from energyctl.system.owner import Owner, read_owner
from energyctl.system.private_folder import others_with_folders, runtime_path
from energyctl.system.user import User, invoking_user, user_of
from energyctl.system.workspace import Workspace
from energyctl.text import printable

STOP_GRACE_SECONDS = 20.0
"""For an energyctl to end its trainings and to write what there is."""

STOP_AS_SECONDS = 60.0
_STOP_JOB = (
    "import json, sys; from energyctl.campaign.stop import stop_job;"
    "json.dump(stop_job(sys.argv[1]), sys.stdout)"
)


def stop_everything(workspace: Workspace) -> tuple[list[str], list[str]]:
    """Ends every background job of this workspace: a line for each thing done; what is left.

    Also what a crashed energyctl left behind, the foreground and what it had set of the machine
    included; the foreground of a campaign that is alive is left to it.
    """
    processes.require()
    user = invoking_user()
    runtime = runtime_path(workspace.root, user)
    done: list[str] = []
    left: list[str] = []
    tasks = leftovers.of_tasks(user, workspace.root)
    held_by_task = any(leftovers.owner_process(task) for task in tasks)
    for folder in (runtime, *tasks):
        held = folder == runtime and _is_held_by(workspace) and not held_by_task
        if leftovers.owner_process(folder) or held:
            left += _stop_background(folder, done)
        else:
            left += leftovers.end(folder, done.append)
            leftovers.leave(folder)
    done += workdirs.sweep(workspace.results)
    return done, left


def stop_job(job: str) -> tuple[list[str], list[str]]:
    """The same for what a job of a cluster left on this node; for root, of any user.

    For an epilog of Slurm: the job is over, so an energyctl of it that still lives ends, too.
    """
    processes.require()
    done: list[str] = []
    left: list[str] = []
    for runtime in leftovers.of_job(invoking_user() if os.getuid() else user_of(0), job):
        if owner := read_owner(runtime):
            ended = processes.end(partial(_living, owner, job), grace_seconds=STOP_GRACE_SECONDS)
            done += [f"ended pid {p.pid} {p.command}" for p in ended.found]
        left += leftovers.end(runtime, done.append)
        leftovers.leave(runtime)
    of = os.environ.get("SLURM_JOB_UID", "")  # in an epilog: whose job it was
    for user in others_with_folders():
        if of not in ("", str(user.uid)):
            continue
        said, problems = _stop_job_as(user, job)
        done, left = done + said, left + problems
    return done, left


def _living(owner: Owner, job: str) -> list[processes.ProcessInfo]:
    """The energyctl of a job, if it lives: any process may be named in a record."""
    process = owner.process
    of_job = process and processes.environment_value(process.pid, "SLURM_JOB_ID") == job
    return [process] if process and of_job else []


def _stop_job_as(user: User, job: str) -> tuple[list[str], list[str]]:
    """With that user's rights alone: what stands in the records of their folder is theirs.

    Whatever that user does to it, it is over in time, and has neither our terminal nor our words.
    """
    command = [sys.executable, "-I", "-c", _STOP_JOB, job]
    try:
        done = programs.answer(
            command,
            STOP_AS_SECONDS,
            cwd="/",
            env={
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "HOME": user.home,
                "ENERGYCTL_PRIVATE": os.environ.get("ENERGYCTL_PRIVATE", ""),
            },
            user=user.uid,
            group=user.gid,
            extra_groups=list(user.groups),
            start_new_session=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return [], [f"as {user.name}: {type(error).__name__}"]
    try:
        said, left = json.loads(done.stdout)
        return _lines(said), [f"as {user.name}: {line}" for line in _lines(left)]
    except (ValueError, TypeError, RecursionError):  # it failed, and says why in its last line
        why = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        return [], [f"as {user.name}: {printable(why)}"]


def _lines(said: Any) -> list[str]:
    return [printable(str(line)) for line in said]


def _is_held_by(workspace: Workspace) -> bool:
    holder = lock_holder()
    return holder is not None and holder.get("workspace") == str(workspace.root)


def _stop_background(runtime: Path, done: list[str]) -> list[str]:
    """Ends the background of a campaign that is alive; a line for *done* each, and what is left."""
    owner, daemon = read_owner(runtime), find_daemon(runtime)
    ours = processes.trainings_of(owner.nonce, "background") if owner else lambda marker: False
    kin = processes.Kin(ours)
    kin.look()  # while all of it has its parents
    if daemon is not None:
        with contextlib.suppress(Unreachable):  # it ends meanwhile: the look finds what stays
            members = [p for p in daemon.programs() if p.ours]
            done += [f"ended {p.group}:{p.name}" for p in members if p.pid]
            for group in {p.group for p in members}:
                daemon.note(group, "ended")
                daemon.remove(group)
    ended = processes.end(kin.look)
    done += [f"ended pid {p.pid} {p.command}" for p in ended.found if p not in ended.left]
    return leftovers.not_ended(runtime, ended.left)
