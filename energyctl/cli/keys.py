"""Single keys from the terminal, while something is drawn on it."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from typing import Any

ESCAPE = "\x1b"


class KeyReader:
    """Inside the block keys come at once and are not shown; the terminal is put back after it."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    def __enter__(self) -> KeyReader:
        try:
            self._before = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())
        except (OSError, ValueError, termios.error):
            self._before = None  # standard input is no terminal: only Ctrl-C ends it
        return self

    def __exit__(self, *raised: object) -> None:
        if self._before is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> str | None:
        """The next key within so many seconds; None without one."""
        if self._before is None:
            time.sleep(seconds)
            return None
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        if not ready:
            return None
        key = os.read(sys.stdin.fileno(), 1).decode(errors="replace")
        if not key:  # the terminal is gone
            raise KeyboardInterrupt
        return key
