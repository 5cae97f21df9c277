"""Edge, inside supervisord: an extension of its RPC interface that closes the gap of a restart.

supervisord looks at its children once a second, and starts one again a pass after it reaped it: a
gap of 1 to 2 s between two iterations. This wakes its loop twice, when a child dies and when it
was reaped, and the gap is some milliseconds. supervisord stays the one that restarts; nothing of
it is patched. It is loaded by ``[rpcinterface:energyctl]`` in ``supervisord.conf``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from typing import Any

from supervisor import events

FAST_FAILURE_SECONDS, SHORTEST_GOOD_SECONDS = 1.0, 0.1

_wake: Wake | None = None


class Wake:
    """A pipe in supervisord's poll: a byte in it ends the poll at once.

    Its descriptors lie above *lowest*: ``supervisorctl reload`` closes those from 5 to ``minfds``.
    """

    def __init__(self, lowest: int) -> None:
        self._read, self._write = (_above(lowest, end) for end in os.pipe())
        for end in (self._read, self._write):
            os.set_blocking(end, False)

    def install(self, socket_map: dict[int, Any]) -> None:
        """Joins the poll, and has the interpreter write a byte for every signal."""
        socket_map[self._read] = self
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def reaped(self, event: Any) -> None:
        """Makes the next poll return at once, and so the next iteration start at once.

        Not where a program failed fast, or does nothing at all: supervisord's own second between
        two passes is the brake that keeps a broken script from being started hundreds of times a
        second. (The launcher has a longer one for trainings that fail.)
        """
        process = event.process
        lived = process.laststop - process.laststart
        if lived >= (SHORTEST_GOOD_SECONDS if process.exitstatus == 0 else FAST_FAILURE_SECONDS):
            with contextlib.suppress(BlockingIOError):
                os.write(self._write, b"!")

    # What supervisord asks of everything in its poll.

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 65536)

    def handle_write_event(self) -> None:
        pass

    def handle_error(self) -> None:
        pass


def _above(lowest: int, descriptor: int) -> int:
    """*descriptor*, moved to *lowest* or higher where that is allowed; closed on exec."""
    with contextlib.suppress(OSError):
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
        os.close(descriptor)
        return moved
    return descriptor


class Guard:
    """The RPC namespace ``energyctl`` of a daemon that has the extension."""

    def version(self) -> str:
        """The version of energyctl that the daemon was started with."""
        from energyctl import __version__

        return __version__


def make_guard(supervisord: Any, **settings: str) -> Guard:
    """What ``supervisor.rpcinterface_factory`` names; called at the start and at each reload."""
    global _wake
    if _wake is None:
        _wake = Wake(supervisord.options.minfds)
    _wake.install(supervisord.options.get_socket_map())
    # A reload cleared the subscriptions of before.
    events.subscribe(events.ProcessStateExitedEvent, _wake.reaped)
    return Guard()
