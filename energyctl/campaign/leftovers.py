"""What a crash of energyctl and of supervisord left behind: found, named, ended.

In each private folder of a user whose energyctl is dead: processes that carry the marker of its
workspace, members of its cgroup, its supervisord, and the record of the CPUs' governors.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from energyctl.background.daemon import Daemon
from energyctl.background.xmlrpc import Unreachable
from energyctl.errors import MachineError
from energyctl.system import processes
from energyctl.system.cgroups import Cgroup
from energyctl.system.governor import abandoned_governors, governor_names, restore_abandoned
from energyctl.system.lock import lock_holder
from energyctl.system.owner import OWNER, Owner, read_owner
from energyctl.system.private_folder import private_root, remove_runtime_folder
from energyctl.system.user import User, invoking_user

COMMAND_CHARACTERS = 100
GRACE_SECONDS = 5.0

MARKED = "it carries the marker of a run"
MEMBER = "it is in the cgroup of a campaign"
DAEMON = "energyctl had started it"


@dataclass(frozen=True)
class Leftover:
    """What is left: a process, or (``pid`` None) the governor. ``workspace`` None: unknown."""

    pid: int | None
    command: str
    workspace: str | None
    why: str

    def sentence(self) -> str:
        """One line: what, where, and what to do."""
        what = self.command if self.pid is None else f"pid {self.pid} {self.command}"
        if self.workspace is None:
            return f"left by a crash: {what} ({self.why}); end it with: kill {self.pid}"
        cure = shlex.join(["energyctl", "-C", self.workspace, "stop"])
        return f"left by a crash in {self.workspace}: {what} ({self.why}); end it with: {cure}"


# -- looking -------------------------------------------------------------------------------


def find_leftovers(user: User) -> list[Leftover]:
    """Everything that is left of *user*'s campaigns, whatever the workspace.

    A folder without a record of its owner tells of nobody who is dead.
    """
    recorded = [r for r in _private_folders(user) if os.path.lexists(r / OWNER)]
    abandoned = [runtime for runtime in recorded if not is_alive(runtime)]
    left = list(_processes_in(abandoned))
    for runtime in abandoned:
        before = abandoned_governors(runtime)
        if before is not None:
            why = f"not put back to {_shown(governor_names(before))}"
            left.append(Leftover(None, "the governor of the CPUs", _workspace(runtime), why))
    return left


def abandoned(user: User, workspace: Path) -> list[Path]:
    """Private folders of a cluster's tasks of this workspace whose energyctl is dead.

    For whoever holds the machine: a live one of another pid namespace cannot be.
    """
    return [task for task in of_tasks(user, workspace) if not owner_process(task)]


def of_tasks(user: User, workspace: Path) -> list[Path]:
    """Private folders of a cluster's tasks of this workspace."""
    return [r for r, o in _owned(user) if o.job and o.workspace == str(workspace)]


def of_job(user: User, job: str) -> list[Path]:
    """Private folders of the tasks of a cluster's job."""
    return [runtime for runtime, owner in _owned(user) if owner.job == job]


def _owned(user: User) -> list[tuple[Path, Owner]]:
    """Private folders, and the owner that each one names."""
    folders = _private_folders(user)
    return [(runtime, owner) for runtime in folders if (owner := read_owner(runtime))]


def owner_process(runtime: Path) -> processes.ProcessInfo | None:
    """The energyctl that made this private folder, if it lives on this machine."""
    owner = read_owner(runtime)
    return owner.process if owner else None


def _private_folders(user: User) -> list[Path]:
    root = private_root(user)
    try:
        if root.lstat().st_uid != user.uid:
            return []
        return [root / name for name in sorted(os.listdir(root)) if name.isalnum()]
    except OSError:
        return []


def is_alive(runtime: Path) -> bool:
    """Whether the energyctl that made this private folder still runs its campaign."""
    owner = read_owner(runtime)
    if owner is None:
        return False
    if owner.process:
        return True
    try:  # it may be of another pid namespace
        holder = lock_holder() or {}
    except MachineError:
        return False
    return holder.get("workspace") == owner.workspace


def _workspace(runtime: Path) -> str | None:
    """The workspace of a private folder, as its record says, if that can be true."""
    owner = read_owner(runtime)
    if owner is None or not owner.workspace.startswith("/"):
        return None
    return one_line(owner.workspace)


def _processes_in(runtimes: list[Path]) -> Iterator[Leftover]:
    """Each process once."""
    markers = _markers({runtime.name for runtime in runtimes})
    for runtime in runtimes:
        workspace, pids = _workspace(runtime), set[int]()
        for process, why in (
            *((process, DAEMON) for process in _daemon(runtime)),
            *((process, MARKED) for process in markers.get(runtime.name, ())),
            *((process, MEMBER) for process in _members(runtime)),
        ):
            if process.pid not in pids:
                pids.add(process.pid)
                yield Leftover(process.pid, _shown(process.command), workspace, why)


def _markers(names: set[str]) -> dict[str, list[processes.ProcessInfo]]:
    """Processes by the workspace that their marker names; one look at all processes."""
    by_name: dict[str, list[processes.ProcessInfo]] = {}
    for process in processes.marked(lambda marker: marker.partition("/")[0] in names):
        marker = processes.environment_value(process.pid, processes.MARKER) or ""
        by_name.setdefault(marker.partition("/")[0], []).append(process)
    return by_name


def _members(runtime: Path) -> list[processes.ProcessInfo]:
    """Living members of the campaign's cgroup."""
    cgroup = cgroup_of(runtime)
    return processes.identified(cgroup.members()) if cgroup else []


def cgroup_of(runtime: Path) -> Cgroup | None:
    """The cgroup that the record names, if it is one that only energyctl makes."""
    owner = read_owner(runtime)
    folder = Path(owner.cgroup) if owner is not None and owner.cgroup else None
    if folder is None or folder.name != f"energyctl-{runtime.name}" or ".." in folder.parts:
        return None
    cgroup = Cgroup(folder)
    in_place = folder.is_relative_to("/sys/fs/cgroup") and os.path.realpath(folder) == str(folder)
    return cgroup if in_place and (folder / "cgroup.procs").exists() else None


def _daemon(runtime: Path) -> list[processes.ProcessInfo]:
    """The supervisord that energyctl started here, if it is alive."""
    daemon = Daemon(runtime).started()
    return [daemon] if daemon else []


def one_line(text: str) -> str:
    """For a terminal, whatever a process or folder is called."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _shown(command: str) -> str:
    line = one_line(" ".join(command.split()))
    return line if len(line) <= COMMAND_CHARACTERS else line[: COMMAND_CHARACTERS - 1] + "…"


# -- ending --------------------------------------------------------------------------------


def restore_governors(user: User, say: Callable[[str], None]) -> None:
    """Puts back what crashed campaigns of *user* had set, whatever the workspace."""
    for runtime in _private_folders(user):
        restore_abandoned(runtime, say, say)


def end(runtime: Path, say: Callable[[str], None]) -> list[str]:
    """Ends what is left of the workspace of *runtime*, whose energyctl is dead.

    *say* is given a line for everything that was done. Returns what could not be.
    """
    problems: list[str] = []
    restore_abandoned(runtime, say, problems.append)
    daemon = Daemon(runtime)
    if daemon.state() is not None:
        with invoking_user().acting():
            _end_daemon(daemon, say)
    cgroup = cgroup_of(runtime)

    def look() -> list[processes.ProcessInfo]:
        hung = _daemon(runtime) if daemon.state() is None else []
        marked = processes.of_workspace(runtime.name)
        return list({p.pid: p for p in (*hung, *marked, *_members(runtime))}.values())

    ended = processes.end(
        look,
        grace_seconds=GRACE_SECONDS,
        kill=cgroup.kill if cgroup is not None else lambda: None,
    )
    left = {process.pid for process in ended.left}
    for process in ended.found:
        if process.pid not in left:
            say(f"ended pid {process.pid} {_shown(process.command)}")
    if cgroup is not None:
        cgroup.remove()
    return problems + [f"pid {process.pid} {_shown(process.command)}" for process in ended.left]


def leave(runtime: Path) -> None:
    """Removes the private folder, unless a daemon lives in it or a governor is not put back."""
    if Daemon(runtime).state() is None and abandoned_governors(runtime) is None:
        remove_runtime_folder(runtime)


def _end_daemon(daemon: Daemon, say: Callable[[str], None]) -> None:
    """Ends our groups; ends the daemon too if nothing else runs in it."""
    try:
        members = [p for p in daemon.programs() if p.ours]
        for group in sorted({p.group for p in members}):
            daemon.remove(group)
        for program in members:
            if program.pid:
                say(f"ended {program.group}:{program.name}")
        daemon.shut_down()
    except Unreachable:
        return  # it is ending, or hangs: the look finds what stays of it
