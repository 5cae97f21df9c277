"""How far a command is: a bar on a terminal, a plain line now and then elsewhere.

Both on standard error, and nothing at all for what takes less than a second.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from energyctl.cli.output.lines import say

if TYPE_CHECKING:
    from rich.progress import Progress

SHOWN_AFTER_SECONDS = 1.0
PLAIN_EVERY_SECONDS = 10.0


class ProgressBar:
    """Use as a context manager; `steps(done, total)` says how far it is.

    total: None where it is not known. Without any call it still shows that something goes on.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._last_monotonic = time.monotonic()
        self._bar: Progress | None = None
        self._timer = threading.Timer(SHOWN_AFTER_SECONDS, self._show)
        self._timer.daemon = True

    def __enter__(self) -> ProgressBar:
        if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            self._bar = _bar(self._what)
            self._timer.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._timer.cancel()
        if self._bar is not None:
            self._timer.join()
            self._bar.stop()

    def __call__(self, done: int, total: int | None = None) -> None:
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=total)
        elif time.monotonic() - self._last_monotonic >= PLAIN_EVERY_SECONDS:
            self._last_monotonic = time.monotonic()
            of = "" if total is None else f" of {total}"
            say(f"{self._what}: {done}{of}")

    def _show(self) -> None:
        """In the timer's thread."""
        assert self._bar is not None
        self._bar.start()


def _bar(what: str) -> Progress:
    from rich import progress
    from rich.console import Console

    columns = (
        progress.SpinnerColumn(), progress.TextColumn("{task.description}"), progress.BarColumn(),
        progress.MofNCompleteColumn(), progress.TimeRemainingColumn(),
    )  # fmt: skip
    bar = progress.Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task(what, total=None)
    return bar
