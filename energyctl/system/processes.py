"""Finds and ends every process of a run.

A process is ours by a secret of its campaign in its environment (missed where a program clears
it), by its cgroup, or by descent from one of ours that was seen: :class:`Kin` remembers what it
saw. Orphans come to energyctl, the subreaper, and count where nobody else's can be among them.
Never by a path, a name, or a pid that a file holds. A process is only ever signalled after its
start time was compared, so never a stranger that got the same pid.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from energyctl.errors import MachineError
from energyctl.launchers import subreaper
from energyctl.launchers.proc_stat import ProcStat, command_of, pids, read_file, read_stat

EXIT_SECONDS = 0.002
"""The exit of a child is noticed within this, unless the machine is overloaded."""

REFUSED_SECONDS = 0.5
"""After the KILL, for what refuses our signals: its cgroup may end it."""

MARKER = "ENERGYCTL_RUN"
"""The variable that every process of a campaign inherits: ``NONCE/EXPERIMENT/ROLE``."""


def new_nonce() -> str:
    """The secret of a campaign, by which its processes are known."""
    return os.urandom(16).hex()


def marker(nonce: str, experiment_id: str, role: str) -> str:
    """The value of the marker; *role* is ``foreground`` or ``background``."""
    return f"{nonce}/{experiment_id}/{role}"


DAEMON = "daemon"
"""The role of a supervisord that energyctl started."""


def daemon_marker(nonce: str) -> str:
    return marker(nonce, "", DAEMON)


Key = tuple[int, int]
"""A process: its pid, and its start in clock ticks since boot."""


@dataclass(frozen=True)
class ProcessInfo:
    """A living process: its pid, its start time in clock ticks since boot, its command."""

    pid: int
    ticks: int
    command: str

    @property
    def key(self) -> Key:
        return self.pid, self.ticks

    @property
    def age_seconds(self) -> float:
        """Since it was started."""
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        return max(0.0, since_boot - self.ticks / os.sysconf("SC_CLK_TCK"))

    def signal(self, signum: int) -> bool:
        """Sends *signum*, unless the process is gone or its pid belongs to another by now.

        False where that is not allowed: it is another user's (by a set-user-ID program).
        """
        try:
            if is_alive(self.pid, self.ticks):
                os.kill(self.pid, signum)
        except ProcessLookupError:
            pass
        except PermissionError:
            return False
        return True


def require() -> None:
    """Raises MachineError where processes cannot be seen: what runs could not be found or ended."""
    if identify(os.getpid()) is None:
        raise MachineError(
            "no /proc here, by which energyctl finds and ends processes; "
            "mount it: mount -t proc proc /proc"
        )


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


def leads_session(pid: int) -> bool:
    """Whether it began a session of its own (setsid(2))."""
    stat = _living(pid)
    return stat is not None and stat.session == pid


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


Table = Mapping[int, ProcStat]
"""Each living process, by pid."""


def living() -> Table:
    """One look at all processes; zombies are none."""
    return {pid: stat for pid in pids() if (stat := _living(pid)) is not None}


def trainings_of(nonce: str, *roles: str) -> Callable[[str], bool]:
    """Tells the markers of a campaign's trainings, by default of both roles; its supervisord's is
    none of them."""
    wanted, prefix = roles or ("foreground", "background"), f"{nonce}/"
    return lambda mark: mark.startswith(prefix) and mark.rpartition("/")[2] in wanted


def marked(matches: Callable[[str], bool], among: Iterable[int] | None = None) -> list[ProcessInfo]:
    """Every process on the machine whose marker *matches*; this process itself excepted."""
    matching = []
    for pid in pids() if among is None else among:
        if pid != os.getpid():
            marker = environment_value(pid, MARKER)
            if marker is not None and matches(marker):
                matching.append(pid)
    return identified(matching)


def descendants(roots: Iterable[int], table: Table | None = None) -> list[ProcessInfo]:
    """Every living descendant of *roots*, without the roots."""
    return identified(below(roots, living() if table is None else table))


def below(roots: Iterable[int], table: Table) -> set[int]:
    """The descendants of *roots* in *table*."""
    layer, found = set(roots), set[int]()
    while layer:
        layer = {pid for pid, stat in table.items() if stat.parent in layer} - found
        found |= layer
    return found


def strangers(daemon: int, ours: Callable[[str], bool]) -> set[int]:
    """A supervisord, and what it runs whose marker is none of *ours*, with all below."""
    table = living()
    children = {pid for pid, stat in table.items() if stat.parent == daemon}
    others = children - {process.pid for process in marked(ours, children)}
    return {daemon} | others | below(others, table)


class Kin:
    """Processes of ours: what carries a marker that *matches*, and all below them.

    What was seen stays known, by pid and start, though it then hides its marker, loses its parent,
    or becomes another user's.
    """

    def __init__(self, matches: Callable[[str], bool]) -> None:
        self._matches = matches
        self._seen: dict[int, int] = {}

    def look(self, roots: Iterable[int] = ()) -> list[ProcessInfo]:
        """All of them that live, *roots* (known by other means) and all below those included."""
        table = living()
        known = {p.pid for p in marked(self._matches, table)} | {*roots} & table.keys()
        for pid, ticks in list(self._seen.items()):
            if pid in table and table[pid].start_ticks == ticks:
                known.add(pid)
        known |= below(known, table)
        known.discard(os.getpid())
        self._seen = {pid: table[pid].start_ticks for pid in known}
        return identified(known)

    def saw(self, members: Mapping[int, int]) -> None:
        """Takes in processes (pid → start) of a tree of ours; forgets those that have ended."""
        before = {pid: ticks for pid, ticks in self._seen.items() if pid not in members}
        alive = {pid: ticks for pid, ticks in before.items() if is_alive(pid, ticks)}
        self._seen = {**alive, **members}

    def knows(self, process: ProcessInfo) -> bool:
        return self._seen.get(process.pid) == process.ticks


_adopts = False
_all_ours = False
_own: set[int] = set()
_unendable: set[Key] = set()


def adopt_orphans() -> None:
    """Makes this process the subreaper: a run's orphans become its children (Linux 3.4).

    They are ours only where no others can come: a shell may have started some processes before
    its ``exec``, and whatever is orphaned in a pid namespace goes to its first process.
    """
    global _adopts, _all_ours
    if not _adopts:
        table = living()
        before = below([os.getpid()], table) - _own - below(_own, table)
        _all_ours = os.getpid() != 1 and not before
    _adopts = True
    subreaper.prctl(subreaper.PR_SET_CHILD_SUBREAPER, 1)


def own(pid: int) -> None:
    """Says that this process has started *pid* itself: it is no orphan."""
    _own.add(pid)


def forget(pid: int) -> None:
    """Takes back :func:`own`, once *pid* was reaped."""
    _own.discard(pid)


def unendable() -> frozenset[Key]:
    """What :func:`end` could not end: it is nobody's from then on."""
    return frozenset(_unendable)


def orphans() -> list[ProcessInfo]:
    """Adopted processes: children of this process beside its :func:`own`.

    Empty unless :func:`adopt_orphans` was called, and where some may be others'.
    """
    if not _all_ours:
        return []
    children = {pid for pid, stat in living().items() if stat.parent == os.getpid()}
    adopted = identified(pid for pid in children - _own if not _of_us(pid))
    return [process for process in adopted if process.key not in _unendable]


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
    if not _adopts:
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
    uninterruptible sleep cannot be ended by anyone); what refuses our signals, soon after it.
    """
    began = time.monotonic()
    seen: dict[Key, ProcessInfo] = {}
    termed: set[Key] = set()
    while True:
        alive = list(look())
        elapsed = time.monotonic() - began
        since_kill = elapsed - grace_seconds
        if alive and since_kill >= 0:
            kill()
        refused = 0
        for process in alive:
            seen.setdefault(process.key, process)
            if since_kill >= 0:
                refused += not process.signal(signal.SIGKILL)
            elif process.key not in termed:
                termed.add(process.key)
                process.signal(signal.SIGTERM)
                process.signal(signal.SIGCONT)  # a stopped process acts on TERM once continued
        hopeless = refused == len(alive) and since_kill > REFUSED_SECONDS
        if not alive or hopeless or since_kill > limit_seconds:
            reap()
            _unendable.update(process.key for process in alive)
            return EndReport(elapsed, tuple(seen.values()), tuple(alive))
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
