"""Edge, in processes of their own: what the launchers of trainings share. Standard library only.

A launcher stands above one training, and as the subreaper of all that it starts it stays the
ancestor of daemons, too (PR_SET_CHILD_SUBREAPER, prctl(2)). So it can end all of it, and knows
when nothing is left: then waitpid(2) says ECHILD.

    TERM, INT, HUP   end the training: TERM to all of it, a grace, KILL
    QUIT             the same without (the rest of) the grace
"""

from __future__ import annotations

import ctypes
import os
import signal
import time

TERM_GRACE_SECONDS = 7.0
"""Less than the ``stopwaitsecs`` of an entry, so that its row is written before the KILL."""

ABANDONED_GRACE_SECONDS = 2.0
"""Where the launcher's own parent is gone, and nobody waits."""

LEFTOVER_GRACE_SECONDS = 2.0

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36  # prctl(2), Linux 3.4

_prctl = ctypes.CDLL(None, use_errno=True).prctl


_asked: set[int] = set()
"""Stop signals that came."""


class Stop(BaseException):
    """The launcher was asked to end its training."""


def stand_above() -> None:
    """Makes this process a launcher: subreaper, asked to stop when its parent dies."""
    for signum in STOP_SIGNALS:
        signal.signal(signum, _asked_to_stop)
    # Whoever starts a launcher by hand may have blocked them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _asked_to_stop(signum: int, frame: object) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    # Signals may come in pairs; a second one must not cut short what the first one began.
    first = not _asked
    _asked.add(signum)
    if first:
        raise Stop


def in_a_hurry() -> bool:
    """Whether QUIT came; while a training is being ended it is blocked, and pending."""
    return signal.SIGQUIT in _asked or signal.SIGQUIT in signal.sigpending()


def join_cgroup(folder: str | None) -> None:
    """Moves this process, and so all that it will start, into a cgroup; where it may not, not."""
    if folder:
        try:
            with open(os.path.join(folder, "cgroup.procs"), "w") as file:
                file.write("0")
        except OSError:
            return


def in_child(parent: int) -> None:
    """In the child between fork and exec: it dies with its launcher; default signals."""
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)
    for signum in STOP_SIGNALS:
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)


def descendants() -> list[int]:
    """Every living descendant of this process. As its subreaper it stays the ancestor of all."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] not in (b"Z", b"X"):
                parents[int(name)] = int(fields[1])
    found: list[int] = []
    layer = {os.getpid()}
    while layer:
        layer = {pid for pid, parent in parents.items() if parent in layer}
        found.extend(layer)
    return found


def send(pids: list[int], signum: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, signum)
        except OSError:
            continue


def reap_all(deadline: float) -> bool:
    """Reaps children until none is left (True: waitpid says ECHILD) or *deadline* has passed.

    A QUIT makes it a deadline of now.
    """
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            if time.monotonic() >= deadline or in_a_hurry():
                return False
            time.sleep(0.005)


def end_all(grace_seconds: float) -> None:
    """TERM to every descendant, *grace_seconds*, then KILL until nothing is left."""
    if grace_seconds > 0:
        pids = descendants()
        send(pids, signal.SIGTERM)
        send(pids, signal.SIGCONT)  # a stopped process acts on TERM only once it is continued
        if reap_all(time.monotonic() + grace_seconds):
            return
    while True:
        send(descendants(), signal.SIGKILL)
        until = time.monotonic() + 0.05
        while time.monotonic() < until:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.002)
            except ChildProcessError:
                return


def grace(parent: int) -> float:
    """Seconds from TERM to KILL after a stop; *parent*: who this launcher's was at its start."""
    if in_a_hurry():
        return 0.0
    return TERM_GRACE_SECONDS if os.getppid() == parent else ABANDONED_GRACE_SECONDS
