"""Inside supervisord: an extension of its RPC interface.

**Quick restarts.** supervisord alone leaves a gap of 1 to 2 s between two iterations; with this,
some milliseconds (``restarts``). supervisord stays the one that restarts.

**Operators in the loop.** A live group comes back after ``supervisorctl update`` and ``reload``;
what an operator did is recorded, and rows of killed launchers are written (``operators``).

**Dead-man's switch.** ``energyctl.watch(PID)`` has it end the background when that process ends,
however it ends: the whole daemon where energyctl started it for itself alone, else the groups of
energyctl and no other (``dead_man``).

It is loaded by ``[rpcinterface:energyctl]`` in ``supervisord.conf``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from supervisor import events

from energyctl.background.guard.dead_man import DeadMan
from energyctl.background.guard.operators import LiveGroup, Operators
from energyctl.background.guard.restarts import Restarts, StopRetry
from energyctl.background.guard.wakeup import Wake
from energyctl.system.processes import DAEMON, MARKER


class Guard:
    """The RPC namespace ``energyctl``."""

    def __init__(self, lowest: int) -> None:
        self._wake = Wake(lowest, self._step)
        self._restarts = Restarts(self._wake)
        self._stops = StopRetry(self._wake)
        # Not for its programs: what an operator runs in it is none of ours.
        role = os.environ.pop(MARKER, "").rpartition("/")[2]
        self._operators = Operators()
        self._dead_man = DeadMan(lowest, self._wake, self._operators, role == DAEMON)

    def _install(self, supervisord: Any) -> None:
        """At the start and at each reload, which clears the poll and the subscriptions."""
        socket_map = supervisord.options.get_socket_map()
        self._wake.install(socket_map)
        self._operators.install(supervisord)
        self._dead_man.install(supervisord, socket_map)
        self._restarts.install()
        self._stops.install()
        events.subscribe(events.ProcessStateEvent, self._dead_man.reaped)

    def _step(self) -> None:
        """After each wake of the poll; beats go on while something is being ended."""
        busy = [self._stops.step(), self._dead_man.step()]
        if not any(busy):
            self._wake.beat(False)

    def version(self) -> str:
        """The version of energyctl that the daemon was started with."""
        from energyctl import __version__

        return __version__

    def watch(self, pid: int) -> bool:
        """Ends the background when the process *pid* ends; replaces the watch before it.

        False where the kernel has no pidfd (before Linux 5.3).
        """
        return self._dead_man.watch(pid)

    def release(self) -> bool:
        """Watches nobody any more."""
        self._dead_man.release()
        return True

    def begin(
        self, group: str, folder: str, clock: str, cgroup: str = "", marker: str = ""
    ) -> bool:
        """Says that *group* is, or is about to be, that of a run in progress.

        *folder*: of its ledger. *clock*: the file with the offset of the run's time line.
        *cgroup*: the folder that all its processes are in; empty where there is none. *marker*:
        what they carry.
        """
        self._operators.begin(group, LiveGroup(Path(folder), clock, cgroup, marker))
        return True

    def note(self, group: str, event: str) -> bool:
        """Records what was done to *group* by another command of energyctl."""
        self._operators.note(group, event)
        return True

    def finish(self, group: str) -> bool:
        """Says that energyctl itself ends *group* now."""
        self._operators.finish(group)
        return True


_guard: Guard | None = None


def make_guard(supervisord: Any, **settings: str) -> Guard:
    """What ``supervisor.rpcinterface_factory`` names; called at the start and at each reload."""
    global _guard
    if _guard is None:
        _guard = Guard(supervisord.options.minfds)
    _guard._install(supervisord)
    return _guard
