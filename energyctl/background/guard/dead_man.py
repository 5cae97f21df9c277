"""Dead-man's switch: when energyctl is gone, its background is ended within 5 s.

Seconds since its end:

    0      TERM to the launchers, which end their trainings
    2.5    QUIT: without the rest of the grace
    3.5    KILL to a launcher that is stuck, and to all below it
    then   KILL to what carries the group's marker or is in its cgroup, until nothing is left

A daemon that energyctl started ends with that; in one of an operator, groups of ours are removed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from supervisor.states import SupervisorStates

from energyctl.background.guard.operators import LiveGroup, Operators
from energyctl.background.guard.wakeup import InPoll, Wake, above, send
from energyctl.background.protocol import GROUP_PREFIX
from energyctl.launchers import subreaper
from energyctl.system import containers, processes
from energyctl.system.cgroups import Cgroup

QUIT_SECONDS, KILL_SECONDS, GIVE_UP_SECONDS = 2.5, 3.5, 15.0
LAST_LOOK_SECONDS = 1.0


class DeadMan(InPoll):
    """In the poll with a pidfd of the process that it watches."""

    def __init__(self, lowest: int, wake: Wake, operators: Operators, ours: bool) -> None:
        """*ours*: energyctl started this daemon."""
        self._lowest, self._wake, self._operators, self._ours = lowest, wake, operators, ours
        self._watched: int | None = None
        self._since = 0.0
        self._stepping = False
        self._ending: dict[str, LiveGroup | None] = {}
        """Groups that are being ended; None: of no run in progress."""
        self._supervisord: Any = None
        self._socket_map: dict[int, Any] = {}

    def install(self, supervisord: Any, socket_map: dict[int, Any]) -> None:
        self._supervisord, self._socket_map = supervisord, socket_map
        if self._watched is not None:
            socket_map[self._watched] = self

    def watch(self, pid: int) -> bool:
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return False
        self.release()
        self._watched = above(self._lowest, descriptor)
        self._socket_map[self._watched] = self
        # So far the kernel's own switch bridged the time, which ends the daemon and all in it.
        subreaper.prctl(subreaper.PR_SET_PDEATHSIG, 0)
        return True

    def release(self) -> None:
        if self._watched is not None:
            self._socket_map.pop(self._watched, None)
            with contextlib.suppress(OSError):
                os.close(self._watched)
            self._watched = None

    def handle_read_event(self) -> None:
        """The watched process has ended."""
        self.release()
        self._supervisord.options.logger.warn("energyctl is gone: its background is ended")
        groups = self._supervisord.process_groups
        for name in [name for name in groups if name.startswith(GROUP_PREFIX)]:
            self._ending[name] = self._operators.live.get(name)
            self._operators.finish(name)
        self._since = time.monotonic()
        if self._ours and len(self._ending) == len(groups):
            self._supervisord.options.mood = SupervisorStates.SHUTDOWN
        self._wake.beat(True)
        self.step()

    def step(self) -> bool:
        """To be asked at every beat; False once nothing is to be ended."""
        if not self._ending or self._stepping:
            return bool(self._ending)
        self._stepping = True
        try:
            return self._step()
        finally:
            self._stepping = False

    def reaped(self, event: object) -> None:
        """A daemon that ends with its groups does so once the last launcher is reaped."""
        if self._ends():
            self.step()

    def _ends(self) -> bool:
        return bool(self._supervisord.options.mood == SupervisorStates.SHUTDOWN)

    def _step(self) -> bool:
        groups = self._supervisord.process_groups
        ours = [groups[name] for name in self._ending if name in groups]
        elapsed = time.monotonic() - self._since
        for group in ours:
            group.stop_all()
        unstopped = [process for group in ours for process in group.get_unstopped_processes()]
        for process in unstopped:
            _press(process.pid, elapsed)
        if unstopped:
            return True
        deadline = time.monotonic() + (LAST_LOOK_SECONDS if self._ends() else 0.0)
        while (left := self._kill_what_is_left()) and time.monotonic() < deadline:
            time.sleep(0.005)  # the daemon's last moments: it has nothing else to do
        if left and not self._ends() and elapsed < GIVE_UP_SECONDS:
            return True
        if named := [*left, *self._end_containers()]:
            self._supervisord.options.logger.critical(f"energyctl cannot end {named}")
        self._forget()
        return False

    def _kill_what_is_left(self) -> list[processes.ProcessInfo]:
        """KILL to what outlived its launcher, which was killed before; what there was of it."""
        groups = [live for live in self._ending.values() if live is not None]
        markers = {live.marker for live in groups if live.marker}
        found = processes.marked(lambda marker: marker in markers)
        for cgroup in (Cgroup(Path(live.cgroup)) for live in groups if live.cgroup):
            # All that we start is born there while a group is up, also what operators have added.
            others = processes.strangers(os.getpid(), lambda marker: marker in markers)
            if os.getpid() in cgroup.members():
                Cgroup(cgroup.folder.parent).part("daemon").add(os.getpid())
            members = set(cgroup.members())
            if not members & others:
                cgroup.kill()
            found += processes.identified(members - others)
        for process in found:
            process.signal(signal.SIGKILL)
        return found

    def _end_containers(self) -> list[str]:
        """Of launchers that had no time to end theirs; what cannot be ended."""
        entries = _entries(self._supervisord.options.configfile)
        runtimes = set() if entries is None else containers.runtimes_noted(entries.parent)
        markers = {live.marker for live in self._ending.values() if live and live.marker}
        nonces = {marker.partition("/")[0] for marker in markers} if runtimes else set()
        return [line for nonce in nonces for line in containers.end(runtimes, nonce)[1]]

    def _forget(self) -> None:
        """Removes the groups, and their links, so that ``update`` does not bring them back."""
        entries = _entries(self._supervisord.options.configfile)
        for name in self._ending:
            if name in self._supervisord.process_groups:
                self._supervisord.remove_process_group(name)
            if entries is not None:
                (entries / f"{name}.conf").unlink(missing_ok=True)
        self._ending = {}


def _press(pid: int, elapsed: float) -> None:
    """Has a launcher end its training; ever harder. It is a child, and not reaped."""
    if not pid:
        return
    send(pid, signal.SIGCONT)
    if elapsed >= KILL_SECONDS:
        for process in processes.descendants([pid]):
            process.signal(signal.SIGKILL)
        send(-pid, signal.SIGKILL)
        send(pid, signal.SIGKILL)
    elif elapsed >= QUIT_SECONDS:
        send(pid, signal.SIGQUIT)


def _entries(configuration: str) -> Path | None:
    """The folder of the live entries, in the private folder of the workspace."""
    for line in Path(configuration).read_text(encoding="utf-8").splitlines():
        if line.startswith("files=") and line.endswith("/conf.d/*.conf"):
            return Path(line.removeprefix("files=")).parent
    return None
