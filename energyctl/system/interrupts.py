"""Signals become one question that waits ask: has anyone asked us to end?

Nothing is raised in the middle of a write. SIGINT, SIGTERM and SIGHUP are noted, and every wait
of a campaign returns at once by raising :class:`~energyctl.errors.Interrupted`. Cleaning up uses
waits that do not ask, so a second Ctrl-C does not cut it short.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Any

from energyctl.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


FIRST_NOTICE = b"\nenergyctl: stopping: ending the trainings, then writing what there is\n"
NEXT_NOTICE = b"\nenergyctl: still stopping; it takes up to half a minute\n"


class Interrupts:
    """Notes signals while the block runs; the handlers from before come back after it."""

    def __init__(self, more: Sequence[int] = ()) -> None:
        self._signals = (*SIGNALS, *more)
        self.signum: int | None = None
        self._before: dict[int, Any] = {}
        self._read, self._write = -1, -1

    def __enter__(self) -> Interrupts:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        for signum in self._signals:
            # nohup ignores SIGHUP on purpose: a campaign started with it outlives its terminal.
            if signal.getsignal(signum) is not signal.SIG_IGN:
                self._before[signum] = signal.signal(signum, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        os.close(self._read)
        os.close(self._write)

    def _note(self, signum: int, frame: FrameType | None) -> None:
        notice = NEXT_NOTICE
        if self.signum is None:
            self.signum, notice = signum, FIRST_NOTICE
            os.write(self._write, b"!")
        # Not through print: a handler may run in the middle of one. After SIGHUP there may be no
        # terminal to write to.
        with contextlib.suppress(OSError):
            os.write(2, notice)

    @property
    def descriptor(self) -> int:
        """Readable from the first signal on, for a select of one's own."""
        return self._read

    def check(self) -> None:
        """Raises Interrupted where a signal has come."""
        if self.signum is not None:
            raise Interrupted(self.signum)

    def wait(self, seconds: float) -> None:
        """Sleeps; raises Interrupted at once when a signal comes."""
        self.check()
        select.select([self._read], [], [], max(0.0, seconds))
        self.check()
