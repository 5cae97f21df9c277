"""Finds and ends every process of a run.

A run's processes are known by three marks, each of which misses some: a marker in their
environment (missed where a program clears it), descent from a process that we started (missed
after a double fork), and, since energyctl makes itself the subreaper, adoption of orphans.
A process is only ever signalled after its start time was compared, so never a stranger that
got the same pid.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from energyctl.launchers import subreaper
from energyctl.launchers.proc_stat import ProcStat, command_of, pids, read_file, read_stat

EXIT_SECONDS = 0.002
"""The exit of a child is noticed within this, unless the machine is overloaded."""

MARKER = "ENERGYCTL_RUN"
"""The variable that every process of a run inherits: ``WORKSPACE/EXPERIMENT/ROLE``."""


def marker(workspace: str, experiment_id: str, role: str) -> str:
    """The value of the marker; *role* is ``foreground`` or ``background``."""
    return f"{workspace}/{experiment_id}/{role}"


@dataclass(frozen=True)
class ProcessInfo:
    """A living process: its pid, its start time in clock ticks since boot, its command."""

    pid: int
    ticks: int
    command: str

    def signal(self, signum: int) -> None:
        """Sends *signum*, unless the process is gone or its pid belongs to another by now."""
        if is_alive(self.pid, self.ticks):
            # Gone meanwhile, or of another user (set-user-ID).
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signum)


@dataclass(frozen=True)
class EndReport:
    """What :func:`end` did: how long it took, what it found, what it could not end."""

    seconds: float
    found: tuple[ProcessInfo, ...]
    left: tuple[ProcessInfo, ...]


def _living(pid: int) -> ProcStat | None:
    """None where it is gone or a zombie."""
    stat = read_stat(pid)
    return stat if stat is not None and stat.is_alive else None


def identify(pid: int, ticks: int | None = None) -> ProcessInfo | None:
    """The process that has *pid* now, or None; also where it did not start at *ticks*."""
    stat = _living(pid)
    if stat is None or ticks not in (None, stat.start_ticks):
        return None
    return ProcessInfo(pid, stat.start_ticks, command_of(pid))


def identified(pids: Iterable[int]) -> list[ProcessInfo]:
    """Those of *pids* that live."""
    return [process for pid in pids if (process := identify(pid)) is not None]


def is_alive(pid: int, ticks: object) -> bool:
    """Whether *pid* still is the process that began at *ticks* (since boot), and no zombie."""
    stat = _living(pid)
    return stat is not None and stat.start_ticks == ticks


def environment_value(pid: int, name: str) -> str | None:
    """A variable in the environment of *pid*; None where it is unset or may not be read."""
    environ = read_file(f"/proc/{pid}/environ")
    prefix = name.encode() + b"="
    if environ is None or prefix not in environ:
        return None
    for item in environ.split(b"\0"):
        if item.startswith(prefix):
            return item[len(prefix) :].decode(errors="replace")
    return None


Parents = Mapping[int, int]
"""The parent of each living process."""


def living() -> Parents:
    """One look at all processes; zombies are none."""
    return {pid: stat.parent for pid in pids() if (stat := _living(pid)) is not None}


def marked(matches: Callable[[str], bool], parents: Parents | None = None) -> list[ProcessInfo]:
    """Every process on the machine whose marker *matches*; this process itself excepted."""
    matching = []
    for pid in living() if parents is None else parents:
        if pid != os.getpid():
            marker = environment_value(pid, MARKER)
            if marker is not None and matches(marker):
                matching.append(pid)
    return identified(matching)


def of_workspace(workspace: str, role: str = "") -> list[ProcessInfo]:
    """Every process that carries the marker of *workspace*, of *role* only where one is given."""
    mine = f"{workspace}/"
    return marked(lambda marker: marker.startswith(mine) and marker.endswith(role))


def descendants(roots: Iterable[int], parents: Parents | None = None) -> list[ProcessInfo]:
    """Every living descendant of *roots*, without the roots."""
    parents = living() if parents is None else parents
    layer, below = set(roots), set[int]()
    while layer:
        layer = {pid for pid, parent in parents.items() if parent in layer} - below
        below |= layer
    return identified(below)


_before_adoption: set[int] | None = None
_own: set[int] = set()


def adopt_orphans() -> None:
    """Makes this process the subreaper: a run's orphans become its children (Linux 3.4).

    Children that it has already (a shell may have started some before its ``exec``) are none.
    """
    global _before_adoption
    _before_adoption = _children(living())
    subreaper.prctl(subreaper.PR_SET_CHILD_SUBREAPER, 1)


def _children(parents: Parents) -> set[int]:
    return {pid for pid, parent in parents.items() if parent == os.getpid()}


def own(pid: int) -> None:
    """Says that this process has started *pid* itself: it is no orphan."""
    _own.add(pid)


def forget(pid: int) -> None:
    """Takes back :func:`own`, once *pid* was reaped."""
    _own.discard(pid)


def orphans(parents: Parents | None = None) -> list[ProcessInfo]:
    """Adopted processes: children of this process beside its :func:`own`.

    Empty unless :func:`adopt_orphans` was called.
    """
    if _before_adoption is None:
        return []
    adopted = _children(living() if parents is None else parents) - _own - _before_adoption
    return identified(pid for pid in adopted if not _of_us(pid))


def _of_us(pid: int) -> bool:
    """Whether it is in our session: started here, as by a meter that asks a command.

    Trainings are below launchers, which have sessions of their own.
    """
    try:
        return os.getsid(pid) == os.getsid(0)
    except OSError:
        return False


def reap() -> None:
    """Collects adopted orphans that have died, so that no zombie stays.

    One would keep its cgroup from being removed.
    """
    if _before_adoption is None:
        return
    try:
        if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return
    except ChildProcessError:
        return
    for pid in pids():
        stat = read_stat(pid)
        if stat is None or stat.state != "Z" or stat.parent != os.getpid():
            continue
        if pid not in _own and stat.session != os.getsid(0):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def end(
    look: Callable[[], Iterable[ProcessInfo]],
    *,
    grace_seconds: float = 10.0,
    limit_seconds: float = 10.0,
    kill: Callable[[], None] = lambda: None,
) -> EndReport:
    """Ends all that *look* finds: TERM, *grace_seconds*, KILL; returns when a look finds nothing.

    *kill* is called with each KILL, for what can do it to all at once (a cgroup).

    *look* is asked again and again, since a process may fork while it is being ended. What is
    still there *limit_seconds* after the first KILL is named in ``left`` (a process in
    uninterruptible sleep cannot be ended by anyone).
    """
    began = time.monotonic()
    seen: dict[tuple[int, int], ProcessInfo] = {}
    termed: set[tuple[int, int]] = set()
    while True:
        alive = list(look())
        elapsed = time.monotonic() - began
        if not alive or elapsed > grace_seconds + limit_seconds:
            reap()
            return EndReport(elapsed, tuple(seen.values()), tuple(alive))
        if elapsed >= grace_seconds:
            kill()
        for process in alive:
            key = (process.pid, process.ticks)
            seen.setdefault(key, process)
            if elapsed >= grace_seconds:
                process.signal(signal.SIGKILL)
            elif key not in termed:
                termed.add(key)
                process.signal(signal.SIGTERM)
                process.signal(signal.SIGCONT)  # a stopped process acts on TERM once continued
        time.sleep(0.005 if elapsed < 0.5 else 0.05)
        reap()


def with_parent(signum: int) -> Callable[[], None]:
    """A ``preexec_fn`` by which a child gets *signum* when this process dies, however it dies.

    The kernel sends it when the thread that forked ends (PR_SET_PDEATHSIG, prctl(2)): start such
    a child from the main thread.
    """
    parent = os.getpid()

    def tie() -> None:
        subreaper.prctl(subreaper.PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return tie
