"""What waits in supervisord's poll, beside its own descriptors."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable
from typing import Any

BEAT_SECONDS = 0.1


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
    """A pipe in supervisord's poll: a byte in it ends the poll at once. Then *then* is called.

    Its descriptors lie above *lowest*: ``supervisorctl reload`` closes those from 5 to ``minfds``.
    """

    def __init__(self, lowest: int, then: Callable[[], None]) -> None:
        self._read, self._write = (above(lowest, end) for end in os.pipe())
        self._then = then
        for end in (self._read, self._write):
            os.set_blocking(end, False)

    def install(self, socket_map: dict[int, Any]) -> None:
        """Joins the poll, and has the interpreter write a byte for every signal."""
        socket_map[self._read] = self
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        signal.signal(signal.SIGALRM, lambda signum, frame: None)

    def again(self) -> None:
        """Makes the next poll return at once."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"!")

    def beat(self, on: bool) -> None:
        """Ends each poll after BEAT_SECONDS, where supervisord alone waits for a second."""
        # A timer of the kernel: children of supervisord do not inherit it (setitimer(2)).
        seconds = BEAT_SECONDS if on else 0.0
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)

    def handle_read_event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 65536)
        self._then()


def above(lowest: int, descriptor: int) -> int:
    """*descriptor*, moved to *lowest* or higher where that is allowed; closed on exec."""
    with contextlib.suppress(OSError):
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
        os.close(descriptor)
        return moved
    return descriptor


def send(pid: int, signum: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signum)
