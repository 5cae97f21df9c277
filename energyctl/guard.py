"""Edge, inside supervisord: an extension of its RPC interface. Nothing of supervisord is patched.

**Quick restarts.** supervisord looks at its children once a second, and starts one again a pass
after it reaped it: a gap of 1 to 2 s between two iterations. This wakes its loop twice, when a
child dies and when it was reaped, and the gap is some milliseconds. supervisord stays the one
that restarts.

**Dead-man's switch.** ``energyctl.watch(PID)`` has it end the background when that process ends,
however it ends: the whole daemon where energyctl started it for itself alone, else the groups of
energyctl and no other.

It is loaded by ``[rpcinterface:energyctl]`` in ``supervisord.conf``.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.states import SupervisorStates

from energyctl.groups import GROUP_PREFIX, STARTED_BY_ENERGYCTL

FAST_FAILURE_SECONDS, SHORTEST_GOOD_SECONDS = 1.0, 0.1

_PR_SET_PDEATHSIG = 1  # prctl(2)


class InPoll:
    """A descriptor in supervisord's poll that is read when it is ready.

    The methods are those that supervisord asks of everything in its poll.
    """

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        raise NotImplementedError

    def handle_write_event(self) -> None:
        pass

    def handle_error(self) -> None:
        pass


class Wake(InPoll):
    """A pipe in supervisord's poll: a byte in it ends the poll at once.

    Its descriptors lie above *lowest*: ``supervisorctl reload`` closes those from 5 to ``minfds``.
    """

    def __init__(self, lowest: int, then: Callable[[], None] = lambda: None) -> None:
        self._read, self._write = (_above(lowest, end) for end in os.pipe())
        self._then = then
        for end in (self._read, self._write):
            os.set_blocking(end, False)

    def install(self, socket_map: dict[int, Any]) -> None:
        """Joins the poll, and has the interpreter write a byte for every signal."""
        socket_map[self._read] = self
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def again(self) -> None:
        """Makes the next poll return at once."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"!")

    def reaped(self, event: Any) -> None:
        """Has the next iteration start at once.

        Not where a program failed fast, or does nothing at all: supervisord's own second between
        two passes is the brake that keeps a broken script from being started hundreds of times a
        second. (The launcher has a longer one for trainings that fail.)
        """
        process = event.process
        lived = process.laststop - process.laststart
        if lived >= (SHORTEST_GOOD_SECONDS if process.exitstatus == 0 else FAST_FAILURE_SECONDS):
            self.again()

    def handle_read_event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 65536)
        self._then()


class Guard(InPoll):
    """The RPC namespace ``energyctl``; in the poll with a pidfd of the process that it watches."""

    def __init__(self, lowest: int) -> None:
        self._lowest = lowest
        self._wake = Wake(lowest, self._end_abandoned)
        self._watched: int | None = None
        self._abandoned = False
        self._supervisord: Any = None
        self._socket_map: dict[int, Any] = {}

    def _install(self, supervisord: Any) -> None:
        """At the start and at each reload, which clears the poll and the subscriptions."""
        self._supervisord = supervisord
        self._socket_map = supervisord.options.get_socket_map()
        self._wake.install(self._socket_map)
        if self._watched is not None:
            self._socket_map[self._watched] = self
        events.subscribe(events.ProcessStateExitedEvent, self._wake.reaped)
        events.subscribe(events.ProcessStateEvent, self._look_again)
        events.subscribe(events.Tick5Event, self._look_again)

    # -- what energyctl calls ------------------------------------------------------------

    def version(self) -> str:
        """The version of energyctl that the daemon was started with."""
        from energyctl import __version__

        return __version__

    def watch(self, pid: int) -> bool:
        """Ends the background when the process *pid* ends; replaces the watch before it.

        False where the kernel has no pidfd (before Linux 5.3).
        """
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return False
        self.release()
        self._watched = _above(self._lowest, descriptor)
        self._socket_map[self._watched] = self
        self._abandoned = False
        # So far the kernel's own switch bridged the time, which ends the daemon and all in it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0)
        return True

    def release(self) -> bool:
        """Watches nobody any more."""
        if self._watched is not None:
            self._socket_map.pop(self._watched, None)
            with contextlib.suppress(OSError):
                os.close(self._watched)
            self._watched = None
        return True

    # -- the switch ----------------------------------------------------------------------

    def handle_read_event(self) -> None:
        """The watched process has ended."""
        self.release()
        self._abandoned = True
        self._supervisord.options.logger.warn("energyctl is gone: its background is ended")
        self._end_abandoned()

    def _look_again(self, event: object) -> None:
        if self._abandoned:
            self._wake.again()

    def _end_abandoned(self) -> None:
        """Stops and removes the groups of energyctl; asked until none is left.

        Between two iterations there is nothing to stop; but a group that has been removed starts
        nothing any more.
        """
        if not self._abandoned:
            return
        groups = self._supervisord.process_groups
        ours = [name for name in groups if name.startswith(GROUP_PREFIX)]
        if len(ours) == len(groups) and STARTED_BY_ENERGYCTL in os.environ:
            self._supervisord.options.mood = SupervisorStates.SHUTDOWN
            return
        for name in ours:
            groups[name].stop_all()
            if self._supervisord.remove_process_group(name):
                _forget(self._supervisord.options.configfile, name)
        self._abandoned = any(name.startswith(GROUP_PREFIX) for name in groups)


def _forget(configuration: str, group: str) -> None:
    """Removes the link of *group*, so that ``supervisorctl update`` does not bring it back."""
    for line in Path(configuration).read_text().splitlines():
        if line.startswith("files=") and line.endswith("/conf.d/*.conf"):
            folder = line.removeprefix("files=").removesuffix("/*.conf")
            Path(folder, f"{group}.conf").unlink(missing_ok=True)


def _above(lowest: int, descriptor: int) -> int:
    """*descriptor*, moved to *lowest* or higher where that is allowed; closed on exec."""
    with contextlib.suppress(OSError):
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
        os.close(descriptor)
        return moved
    return descriptor


_guard: Guard | None = None


def make_guard(supervisord: Any, **settings: str) -> Guard:
    """What ``supervisor.rpcinterface_factory`` names; called at the start and at each reload."""
    global _guard
    if _guard is None:
        _guard = Guard(supervisord.options.minfds)
    _guard._install(supervisord)
    return _guard
