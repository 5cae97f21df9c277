"""How far a command is: a bar on a terminal, a plain line now and then elsewhere.

Both on standard error, and nothing at all for what takes less than a second.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import click

SHOWN_AFTER_SECONDS = 1.0
PLAIN_EVERY_SECONDS = 10.0


class ProgressBar:
    """Use as a context manager; `steps(done, total)` says how far it is.

    total: None where it is not known. Without any call it still shows that something goes on.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = self._said = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._at: tuple[int, int | None] = (0, None)
        self._lock = threading.Lock()
        self._timer = threading.Timer(SHOWN_AFTER_SECONDS, self._show)
        self._timer.daemon = True
        self._live = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def __enter__(self) -> ProgressBar:
        if self._live:
            self._timer.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._timer.cancel()
        with self._lock:
            bar, self._bar, self._live = self._bar, None, False
        if bar is not None:
            bar.stop()

    def __call__(self, done: int, total: int | None = None) -> None:
        self._at = done, total
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif not self._live and time.monotonic() - self._said >= PLAIN_EVERY_SECONDS:
            self._said = time.monotonic()
            of = "" if total is None else f" of {total}"
            click.echo(f"energyctl: {self._what}: {done}{of}", err=True)

    def pause(self) -> Pause:
        """While something else is printed."""
        return Pause(self)

    def _show(self) -> None:
        """In the timer's thread: the bar, unless all is over by now."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
        from rich.progress import TimeRemainingColumn as Left

        columns = (
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(),
            MofNCompleteColumn(), Left(),
        )  # fmt: skip
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        with self._lock:
            if not self._live:
                return
            done, total = self._at
            self._task = bar.add_task(self._what, completed=done, total=total)
            bar.start()
            self._bar = bar


class Pause:
    """Lines printed inside the block stand above the bar."""

    def __init__(self, steps: ProgressBar) -> None:
        self._bar = steps._bar

    def __enter__(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __exit__(self, *raised: object) -> None:
        if self._bar is not None:
            self._bar.start()
