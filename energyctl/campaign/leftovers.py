"""What a crash of energyctl and of supervisord left behind: found, named, ended.

In each private folder of a user whose energyctl is dead: processes that carry the secret of its
campaign, members of its cgroup, its supervisord, and the record of what was set of the machine.
In every private folder: what could not be ended.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from energyctl.background.daemon import Daemon
from energyctl.background.xmlrpc import Unreachable
from energyctl.campaign import unended
from energyctl.errors import MachineError
from energyctl.system import cgroups, containers, processes, restoring
from energyctl.system.cgroups import Cgroup
from energyctl.system.lock import lock_holder
from energyctl.system.owner import OWNER, Owner, read_owner
from energyctl.system.private_folder import inode_of, private_root, remove_runtime_folder
from energyctl.system.user import User
from energyctl.text import one_line, printable

COMMAND_CHARACTERS = 100
GRACE_SECONDS = 5.0

MARKED = "it carries the marker of a run"
MEMBER = "it is in the cgroup of a campaign"
DAEMON = "energyctl had started it"


@dataclass(frozen=True)
class Leftover:
    """What is left: a process, or (``pid`` None) what was set of the machine.

    ``workspace`` None: unknown. ``cure``: what ends it, where ``energyctl stop`` does not.
    """

    pid: int | None
    command: str
    workspace: str | None
    why: str
    cure: str | None = None

    def sentence(self) -> str:
        """One line: what, where, and what to do."""
        if self.pid is None:
            return (
                f"left by a crash: {self.command} ({self.why}); put it back with: {restoring.CURE}"
            )
        what = f"pid {self.pid} {self.command}"
        if self.cure is not None:
            place = self.workspace or "an unknown workspace"
            return f"left by a run in {place}: {what} ({self.why}); end it with: {self.cure}"
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
    if before := restoring.abandoned():
        why = f"not put back to {_shown(', '.join(before))}"
        left.append(Leftover(None, "what was set of the machine", None, why))
    return [*left, *find_unended(user)]


def find_unended(user: User) -> list[Leftover]:
    """What no campaign of *user* could end, whatever the workspace, and whether it still runs."""
    return [
        Leftover(
            one.pid,
            _shown(one.command),
            one.workspace or None,
            f"of {one.user}; energyctl cannot end it",
            one.cure,
        )
        for runtime in _private_folders(user)
        for one in unended.living(runtime)
    ]


def refuse_unended(user: User) -> None:
    """Raises MachineError where something would be measured, too, that could not be ended."""
    if left := find_unended(user):
        raise MachineError(f"it would be measured, too: {'; '.join(o.sentence() for o in left)}")


def abandoned(user: User, workspace: Path) -> list[Path]:
    """Private folders of a cluster's tasks of this workspace whose energyctl is dead.

    For whoever holds the machine: a live one of another pid namespace cannot be.
    """
    return [task for task in of_tasks(user, workspace) if not owner_process(task)]


def of_tasks(user: User, workspace: Path) -> list[Path]:
    """Private folders of a cluster's tasks of this workspace."""
    here = str(workspace), inode_of(workspace)
    return [r for r, o in _owned(user) if o.job and (o.workspace, o.inode) == here]


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
    holder = lock_holder() or {}  # it may be of another pid namespace
    return holder.get("workspace") == owner.workspace


def _workspace(runtime: Path) -> str | None:
    """The workspace of a private folder, as its record says, if that can be true."""
    owner = read_owner(runtime)
    if owner is None or not owner.workspace.startswith("/"):
        return None
    return printable(owner.workspace)


def _processes_in(runtimes: list[Path]) -> Iterator[Leftover]:
    """Each process once."""
    owners = {runtime: owner for runtime in runtimes if (owner := read_owner(runtime))}
    marked = _marked({owner.nonce for owner in owners.values()})
    for runtime, owner in owners.items():
        workspace, pids = _workspace(runtime), set[int]()
        for process, why in (
            *((process, DAEMON) for process in _daemon(runtime)),
            *((process, MARKED) for process in marked.get(owner.nonce, ())),
            *((process, MEMBER) for process in _members(runtime, owner)),
        ):
            if process.pid not in pids:
                pids.add(process.pid)
                yield Leftover(process.pid, _shown(process.command), workspace, why)


def _marked(nonces: set[str]) -> dict[str, list[processes.ProcessInfo]]:
    """Trainings by the secret that they carry; one look at all processes."""
    tests = {nonce: processes.trainings_of(nonce) for nonce in nonces}
    by_nonce: dict[str, list[processes.ProcessInfo]] = {nonce: [] for nonce in nonces}
    for process in processes.marked(lambda mark: any(test(mark) for test in tests.values())):
        marker = processes.environment_value(process.pid, processes.MARKER) or ""
        by_nonce.get(marker.partition("/")[0], []).append(process)
    return by_nonce


def _members(runtime: Path, owner: Owner) -> list[processes.ProcessInfo]:
    """Living members of the campaign's cgroup, but for a daemon that others use, too."""
    cgroup = cgroup_of(runtime)
    if cgroup is None:
        return []
    return processes.identified({*cgroup.members()} - _strangers(runtime, owner))


def _strangers(runtime: Path, owner: Owner | None) -> set[int]:
    """The daemon and what others run in it, where they do."""
    daemon = Daemon(runtime)
    return daemon.strangers(owner.nonce) if owner and daemon.is_shared() else set()


def cgroup_of(runtime: Path) -> Cgroup | None:
    """The cgroup that the record names, if it is one that only energyctl makes."""
    owner = read_owner(runtime)
    folder = Path(owner.cgroup) if owner is not None and owner.cgroup else None
    names = (f"{cgroups.PREFIX}{runtime.name}-", f"{cgroups.PREFIX}sudo-")
    if folder is None or not folder.name.startswith(names) or ".." in folder.parts:
        return None
    cgroup = Cgroup(folder)
    in_place = folder.is_relative_to("/sys/fs/cgroup") and os.path.realpath(folder) == str(folder)
    return cgroup if in_place and (folder / "cgroup.procs").exists() else None


def _daemon(runtime: Path) -> list[processes.ProcessInfo]:
    """The supervisord that energyctl started here, if it is alive, and nobody else uses it."""
    daemon = Daemon(runtime)
    started = daemon.started()
    return [started] if started and not daemon.is_shared() else []


def _shown(command: str) -> str:
    return one_line(" ".join(command.split()), COMMAND_CHARACTERS)


# -- ending --------------------------------------------------------------------------------


def end(runtime: Path, say: Callable[[str], None]) -> list[str]:
    """Ends what is left of the campaign of *runtime*, whose energyctl is dead.

    *say* is given a line for everything that was done. Returns what could not be.
    """
    problems: list[str] = []
    restoring.restore_abandoned(say, problems.append)
    owner, cgroup, daemon = read_owner(runtime), cgroup_of(runtime), Daemon(runtime)
    others = _strangers(runtime, owner)
    kin = processes.Kin(processes.trainings_of(owner.nonce) if owner else lambda marker: False)

    def members() -> set[int]:
        return {*cgroup.members()} - others if cgroup is not None else set()

    kin.look(members())  # while all of it has its parents
    if daemon.state() is not None:
        _end_daemon(daemon, say)
    hung = daemon.started() if daemon.state() is None else None

    def look() -> list[processes.ProcessInfo]:
        alive = hung is not None and processes.is_alive(hung.pid, hung.ticks)
        return [*kin.look(members()), *([hung] if hung and alive else [])]

    def kill() -> None:
        if cgroup is not None and not others & {*cgroup.members()}:
            cgroup.kill()

    if owner is not None:
        ended_containers, left_over = containers.end(
            containers.runtimes_noted(runtime), owner.nonce
        )
        problems += left_over
        if not left_over:
            containers.forget(runtime)
        for line in ended_containers:
            say(line)
    ended = processes.end(look, grace_seconds=GRACE_SECONDS, kill=kill)
    left = {process.pid for process in ended.left}
    for process in ended.found:
        if process.pid not in left:
            say(f"ended pid {process.pid} {_shown(process.command)}")
    if cgroup is not None:
        cgroup.remove()
    return problems + not_ended(runtime, ended.left)


def not_ended(runtime: Path, left: Iterable[processes.ProcessInfo]) -> list[str]:
    """A line for each process of *left*, and of what could not be ended before and still lives."""
    new = unended.record(runtime, left)
    return sorted({str(one) for one in [*new, *unended.living(runtime)]})


def leave(runtime: Path) -> None:
    """Removes the private folder, unless a daemon lives in it or something could not be ended."""
    left = unended.living(runtime) or containers.runtimes_noted(runtime)
    if Daemon(runtime).state() is None and not left:
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
