"""Edge: starts the foreground, and finds and ends every process of a run.

A run's processes are known by three marks, each of which misses some: a marker in their
environment (missed where a program clears it), descent from a process that we started (missed
after a double fork), and, since energyctl makes itself the subreaper, adoption of orphans.
A process is only ever signalled after its start time was compared, so never a stranger that
got the same pid.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXIT_SECONDS = 0.002
"""The exit of a child is noticed within this, unless the machine is overloaded."""

MARKER = "ENERGYCTL_RUN"
"""The variable that every process of a run inherits: ``WORKSPACE/EXPERIMENT/ROLE``."""


def marker(workspace: str, experiment_id: str, role: str) -> str:
    """The value of the marker; *role* is ``foreground`` or ``background``."""
    return f"{workspace}/{experiment_id}/{role}"


_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Found:
    """A living process: its pid, its start time in clock ticks since boot, its command."""

    pid: int
    ticks: int
    command: str

    def signal(self, signum: int) -> None:
        """Sends *signum*, unless the process is gone or its pid belongs to another by now."""
        stat = _stat(self.pid)
        if stat is not None and stat.ticks == self.ticks:
            try:
                os.kill(self.pid, signum)
            except ProcessLookupError:
                return


@dataclass(frozen=True)
class Ended:
    """What :func:`end` did: how long it took, what it found, what it could not end."""

    seconds: float
    found: tuple[Found, ...]
    left: tuple[Found, ...]


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    ticks: int


def stat_fields(pid: int) -> list[bytes] | None:
    """Fields of ``/proc/PID/stat`` behind the name, the state first (proc(5)); None: it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return None


def _stat(pid: int) -> _Stat | None:
    """What identifies a process; None where it is gone or a zombie."""
    fields = stat_fields(pid)
    if fields is None:
        return None
    state = fields[0].decode()
    return None if state in "ZX" else _Stat(state, int(fields[1]), int(fields[19]))


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(4096).replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def identify(pid: int) -> Found | None:
    """The process that has *pid* now, or None."""
    stat = _stat(pid)
    return None if stat is None else Found(pid, stat.ticks, _command(pid))


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def environment_value(pid: int, name: str) -> str | None:
    """A variable in the environment of *pid*; None where it is unset or may not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = file.read()
    except OSError:
        return None
    prefix = name.encode() + b"="
    for item in environ.split(b"\0"):
        if item.startswith(prefix):
            return item[len(prefix) :].decode(errors="replace")
    return None


def marked(matches: Callable[[str], bool]) -> list[Found]:
    """Every process on the machine whose marker *matches*; this process itself excepted."""
    found = []
    for pid in _pids():
        if pid != os.getpid():
            marker = environment_value(pid, MARKER)
            if marker is not None and matches(marker):
                found.append(identify(pid))
    return [process for process in found if process is not None]


def of_workspace(workspace: str, role: str = "") -> list[Found]:
    """Every process that carries the marker of *workspace*, of *role* only where one is given."""
    mine = f"{workspace}/"
    return marked(lambda marker: marker.startswith(mine) and marker.endswith(role))


def descendants(roots: Iterable[int]) -> list[Found]:
    """Every living descendant of *roots*, without the roots."""
    parents = {pid: stat.parent for pid in _pids() if (stat := _stat(pid)) is not None}
    layer, found = set(roots), set[int]()
    while layer:
        layer = {pid for pid, parent in parents.items() if parent in layer} - found
        found |= layer
    return [process for pid in found if (process := identify(pid)) is not None]


def cpu_seconds(root: int) -> float:
    """CPU time of *root* and its living descendants, reaped children included (proc(5))."""
    ticks = 0
    for pid in [root, *(process.pid for process in descendants([root]))]:
        fields = stat_fields(pid) or []
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


_before_adoption: set[int] | None = None


def adopt_orphans() -> None:
    """Makes this process the subreaper: a run's orphans become its children (Linux 3.4).

    Children that it has already (a shell may have started some before its ``exec``) are none.
    """
    global _before_adoption
    _before_adoption = _children()
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _children() -> set[int]:
    stats = ((pid, _stat(pid)) for pid in _pids())
    return {pid for pid, stat in stats if stat is not None and stat.parent == os.getpid()}


def orphans(known: Iterable[int]) -> list[Found]:
    """Adopted processes: children of this process beside *known*, which it started itself.

    Empty unless :func:`adopt_orphans` was called.
    """
    if _before_adoption is None:
        return []
    adopted = _children() - set(known) - _before_adoption
    return [found for pid in adopted if (found := identify(pid)) is not None]


def reap(found: Iterable[Found]) -> None:
    """Collects adopted orphans that have died, so that no zombie stays."""
    for process in found:
        try:
            os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:
            continue


def end(
    look: Callable[[], Iterable[Found]],
    *,
    grace_seconds: float = 10.0,
    limit_seconds: float = 10.0,
    child: int | None = None,
) -> Ended:
    """Ends all that *look* finds: TERM, *grace_seconds*, KILL; returns when a look finds nothing.

    *child* is left to the caller to reap, who wants to know its exit code.

    *look* is asked again and again, since a process may fork while it is being ended. What is
    still there *limit_seconds* after the first KILL is named in ``left`` (a process in
    uninterruptible sleep cannot be ended by anyone).
    """
    began = time.monotonic()
    seen: dict[tuple[int, int], Found] = {}
    termed: set[tuple[int, int]] = set()
    while True:
        alive = list(look())
        elapsed = time.monotonic() - began
        if not alive or elapsed > grace_seconds + limit_seconds:
            reap(process for process in seen.values() if process.pid != child)
            return Ended(elapsed, tuple(seen.values()), tuple(alive))
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
        reap(process for process in seen.values() if process.pid != child)


@dataclass
class Foreground:
    """The foreground training: started directly, output straight to its log."""

    popen: subprocess.Popen[bytes]
    marker: str
    known: Callable[[], Iterable[int]] = field(default=tuple)

    @property
    def pid(self) -> int:
        return self.popen.pid

    def wait(self, seconds: float, wake: Sequence[int] = ()) -> int | None:
        """Waits for the end, at most *seconds*, or until a descriptor of *wake* is readable.

        Returns the exit code (-n for signal n) or None. Reacts at once: through a pidfd
        (Linux 5.3), else by asking every 5 ms.
        """
        code = self.popen.poll()
        if code is not None:
            return code
        deadline = time.monotonic() + seconds
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            while (code := self.popen.poll()) is None and time.monotonic() < deadline:
                if select.select(list(wake), [], [], 0.005)[0]:
                    break
            return code
        try:
            select.select([handle, *wake], [], [], seconds)
        finally:
            os.close(handle)
        return self.popen.poll()

    def look(self) -> list[Found]:
        """What is alive of the foreground: its tree, its marker, and orphans of it."""
        found = {process.pid: process for process in descendants([self.pid])}
        own = identify(self.pid)
        if own is not None and self.popen.poll() is None:
            found[self.pid] = own
        for process in marked(lambda marker: marker == self.marker):
            found[process.pid] = process
        for process in orphans([self.pid, *self.known()]):
            found[process.pid] = process
        return list(found.values())

    def end(self, grace_seconds: float = 10.0) -> Ended:
        """TERM to all of it, *grace_seconds*, KILL, until nothing of it is left."""
        ended = end(self.look, grace_seconds=grace_seconds, child=self.pid)
        self.popen.poll()
        return ended


def with_parent(signum: int) -> Callable[[], None]:
    """A ``preexec_fn`` by which a child gets *signum* when this process dies, however it dies.

    The kernel sends it when the thread that forked ends (PR_SET_PDEATHSIG, prctl(2)): start such
    a child from the main thread.
    """
    parent = os.getpid()

    def tie() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


class CannotStart(Exception):
    """The program could not be started; the text says why."""


def start(
    argv: Sequence[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    log: Path,
    known: Callable[[], Iterable[int]] = tuple,
    credentials: Mapping[str, Any] | None = None,
) -> Foreground:
    """Starts a training in a session of its own, standard output and error straight to *log*.

    It gets KILL when energyctl dies (PR_SET_PDEATHSIG), nothing on standard input, and the
    credentials (``user``, ``group``, ``extra_groups`` of Popen) of the invoking user. *known*
    says which other children of this process are no orphans. Raises CannotStart.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        popen = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=with_parent(signal.SIGKILL),
            **(credentials or {}),
        )
    except (OSError, ValueError) as error:
        raise CannotStart(_why(error, argv[0], cwd)) from error
    except subprocess.SubprocessError as error:
        raise CannotStart(f"cannot start {argv[0]}: {error}") from error
    finally:
        os.close(descriptor)
    return Foreground(popen, env.get(MARKER, ""), known)


def _why(error: Exception, program: str, cwd: str) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT and not os.path.isdir(cwd):
        return f"{cwd}: no such folder"
    if number == errno.ENOENT:
        return f"{program}: not found in {cwd} (or its first line names a missing interpreter)"
    if number in (errno.EACCES, errno.ENOEXEC):
        return f"{program}: not executable; `chmod +x` it, and give it a first line like #!/bin/sh"
    return f"cannot start {program}: {error}"
