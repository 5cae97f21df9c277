"""What the launchers of trainings share. Standard library only.

A launcher stands above one training, and as the subreaper of all that it starts it stays the
ancestor of daemons, too (PR_SET_CHILD_SUBREAPER, prctl(2)). So it can end all of it, and knows
when nothing is left: then waitpid(2) says ECHILD.

    TERM, INT, HUP   end the training: TERM to all of it, a grace, KILL
    QUIT             the same without (the rest of) the grace
"""

from __future__ import annotations

import ctypes
import os
import time

from energyctl.launchers.cpu_list import cpus_of
from energyctl.launchers.proc_stat import pids, read_stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:  # its core alone: the module imports enum, a quarter of what a launcher takes to start
    import _signal as signal

TERM_GRACE_SECONDS = 7.0
"""Less than the ``stopwaitsecs`` of an entry, so that its row is written before the KILL."""

ABANDONED_GRACE_SECONDS = 2.0
"""Where the launcher's own parent is gone, and nobody waits."""

LEFTOVER_GRACE_SECONDS = 2.0
KILL_SECONDS = 10.0
LOOK_SECONDS = 0.2

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)

PASSED_ON = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)

PR_SET_PDEATHSIG = 1  # prctl(2)
PR_SET_CHILD_SUBREAPER = 36  # prctl(2), Linux 3.4

prctl = ctypes.CDLL(None).prctl


_asked: set[int] = set()
"""Stop signals that came."""

reaped: dict[int, int] = {}
"""Wait status by pid of what was reaped."""


class Stop(BaseException):
    """The launcher was asked to end its training."""


def stand_above() -> None:
    """Makes this process a launcher: subreaper, asked to stop when its parent dies."""
    for signum in STOP_SIGNALS:
        signal.signal(signum, _asked_to_stop)
    for signum in PASSED_ON:
        signal.signal(signum, signal.SIG_IGN)
    # Whoever starts a launcher by hand may have blocked them.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def pass_on_to(pid: int) -> None:
    """Has signals that mean nothing to a launcher reach its training, as USR1 for a checkpoint."""
    for signum in PASSED_ON:
        signal.signal(signum, lambda number, frame: send([pid], number))


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


def in_child(parent: int) -> None:
    """In the child between fork and exec: it dies with its launcher; default signals."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)
    # Python itself ignores the last two (signal, "Miscellaneous").
    for signum in (*STOP_SIGNALS, *PASSED_ON, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)


def pin(cpus: str | None) -> None:
    """Keeps this process, and all that it starts, to CPUs in the form ``0-7,16``. Raises OSError
    where none of them may be used."""
    if cpus:
        try:
            os.sched_setaffinity(0, cpus_of(cpus))
        except OSError as error:
            raise OSError(error.errno, f"it may not use the CPUs {cpus}") from error


def wait_for(pid: int) -> int:
    """Waits for a child and returns its wait status; meanwhile orphans are reaped, too.

    They come to the subreaper, and would fill the table of processes over hours of a training.
    """
    while True:
        dead, status = os.waitpid(-1, 0)
        if dead == pid:
            reaped[pid] = status
            return status


def descendants() -> dict[int, int]:
    """Every living descendant of this process, and its process group.

    As its subreaper this process stays the ancestor of all.
    """
    parents: dict[int, int] = {}
    groups: dict[int, int] = {}
    for pid in pids():
        if (stat := read_stat(pid)) is not None and stat.is_alive:
            parents[pid], groups[pid] = stat.parent, stat.group
    groups_below: dict[int, int] = {}
    layer = {os.getpid()}
    while layer:
        layer = {pid for pid, parent in parents.items() if parent in layer}
        groups_below.update((pid, groups[pid]) for pid in layer)
    return groups_below


def send(pids: list[int], signum: int) -> bool:
    """False where each of them refuses it: it is another user's, by a set-user-ID program."""
    refused = 0
    for pid in pids:
        try:
            os.kill(pid, signum)
        except PermissionError:
            refused += 1
        except OSError:
            continue
    return not pids or refused < len(pids)


def reap() -> bool:
    """Reaps what has died; True once no child is left: waitpid says ECHILD."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if not pid:
            return False
        reaped[pid] = status


def end_all(grace_seconds: float) -> None:
    """TERM to every descendant, *grace_seconds*, then KILL until nothing is left.

    What cannot be ended, within KILL_SECONDS (uninterruptible sleep) or at all (another user's), is
    left to whoever looks next. A QUIT ends the grace. Each gets one TERM, also what is forked
    meanwhile.
    """
    deadline = time.monotonic() + grace_seconds
    termed: set[int] = set()
    look = 0.0
    while time.monotonic() < deadline and not in_a_hurry():
        if reap():
            return
        if time.monotonic() >= look:
            new = [pid for pid in descendants() if pid not in termed]
            send(new, signal.SIGTERM)
            send(new, signal.SIGCONT)  # a stopped process acts on TERM only once it is continued
            termed.update(new)
            look = time.monotonic() + LOOK_SECONDS
        time.sleep(0.005)
    limit = time.monotonic() + KILL_SECONDS
    while not reap() and time.monotonic() < limit:
        alive = descendants()
        kill_groups(set(alive.values()))
        if not send(list(alive), signal.SIGKILL):
            return
        until = time.monotonic() + 0.05
        while not reap() and time.monotonic() < until:
            time.sleep(0.002)


def kill_groups(groups: set[int]) -> None:
    """KILL to the process groups of descendants.

    What forks and exits faster than one can look is gone when its pid is signalled, but it cannot
    fork its way out of a signal to its group. A group of our own is left first, for that of our
    parent.
    """
    try:
        parents = os.getpgid(os.getppid())
        if os.getpgrp() in groups:
            os.setpgid(0, parents)
        groups.discard(parents)
    except OSError:
        pass
    groups.discard(os.getpgrp())
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except OSError:
            continue


def grace(parent: int) -> float:
    """Seconds from TERM to KILL after a stop; *parent*: who this launcher's was at its start."""
    if in_a_hurry():
        return 0.0
    return TERM_GRACE_SECONDS if os.getppid() == parent else ABANDONED_GRACE_SECONDS
