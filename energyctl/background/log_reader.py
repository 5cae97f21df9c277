"""The logs of a background job's iterations, read as these grow: once for all that is told by them.

When a line came is known by the time of the last write to the log, where it is the last one there;
else it came since the look before.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from energyctl.launchers.regular_files import open_regular
from energyctl.results.ledger import Iteration

LOOK_SECONDS = 0.4
LOOK_SHARE = 1e-5
"""Of the time that has gone by: looks become rarer, so that what is kept has a limit."""

MOST_BYTES = 1 << 18
"""Read at a look; of a log that grows faster the end."""

MOST_PASSED = 20
"""Iterations that came and went between two looks, whose logs are read all the same."""


@dataclass(frozen=True)
class Growth:
    """What is new in the log of an iteration: whole lines, and its rest once it has *ended*.

    began: the iteration. early, late: the looks between which the text came; wrote: the last write
    to the log (all Unix seconds on one line). is_all: nothing is behind the text yet; skipped:
    there was more before it that was not read.
    """

    run: int
    began: float
    early: float
    late: float
    text: str = ""
    wrote: float = 0.0
    is_all: bool = False
    ended: bool = False
    skipped: bool = False


class LogReader:
    """Of one job. *logs*: the folder of its logs."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._log: _Log | None = None
        self._first, self._looked, self._ahead = 0.0, 0.0, 0.0

    def look(
        self, running: Sequence[Iteration], now: float, ahead: float, *, at_once: bool = False
    ) -> list[Growth]:
        """At the log of the iteration that runs, and those before it to their ends; *now*: Unix
        seconds on the line of its start, which is so many seconds *ahead* of the clock that files
        have their times from."""
        self._first = self._first or now
        pause = max(LOOK_SECONDS, LOOK_SHARE * (now - self._first))
        if now - self._looked < pause and not at_once:
            return []
        before, self._looked, self._ahead = self._looked, now, ahead
        found: list[Growth] = []
        for item in sorted(running, key=lambda one: one.run):
            found += self._turn_to(item, before, now)
        if self._log is not None:
            found += self._read(self._log, before, now, ended=not running)
        return found

    def _turn_to(self, item: Iteration, before: float, now: float) -> Iterator[Growth]:
        """Where it is another one: the ends of those before it."""
        last = self._log
        if last is not None and last.run >= item.run:
            return
        if last is not None:
            yield from self._read(last, before, now, ended=True)
            for run in range(max(last.run + 1, item.run - MOST_PASSED), item.run):
                yield from self._read(_Log(run, before, self._path(run)), before, now, ended=True)
        self._log = _Log(item.run, item.started, self._path(item.run))

    def _path(self, run: int) -> Path:
        return self._logs / f"run_{run}.log"

    def _read(self, log: _Log, before: float, now: float, *, ended: bool) -> Iterator[Growth]:
        """Nothing once it was read to its end."""
        if log.ended:
            return
        early = max(before, log.began)
        try:
            text, wrote, is_all, skipped = log.read(ended=ended)
        except OSError:
            yield Growth(log.run, log.began, early, now)
            return
        log.ended = ended
        wrote += self._ahead
        yield Growth(log.run, log.began, early, now, text, wrote, is_all, ended, skipped)


class _Log:
    """One log, as far as it was read."""

    def __init__(self, run: int, began: float, path: Path) -> None:
        self.run, self.began, self.ended = run, began, False
        self._path, self._offset = path, 0

    def read(self, *, ended: bool) -> tuple[str, float, bool, bool]:
        """What is new, in whole lines unless it has *ended*; when it was written to last (Unix
        seconds), whether there is nothing behind these lines, and whether there was more before
        them. Raises OSError."""
        descriptor = open_regular(self._path)
        try:
            status, from_here = os.fstat(descriptor), self._offset
            if status.st_size < self._offset:  # it was cut
                self._offset = status.st_size
            self._offset = max(self._offset, status.st_size - MOST_BYTES)
            skipped = self._offset != from_here
            data = os.pread(descriptor, status.st_size - self._offset, self._offset)
        finally:
            os.close(descriptor)
        whole = len(data) if ended else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        self._offset += whole
        text = data[:whole].decode(errors="replace")
        return text, status.st_mtime, whole == len(data), skipped
