"""What the iterations of a background job say of how much they have done, with the times.

Read from their logs as these grow. When a line came is known by the time of the last write to the
log, where it is the last one there; else it came since the look before.
"""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Sequence
from pathlib import Path

from energyctl.config.registry import Progress, progress_in
from energyctl.launchers.regular_files import open_regular
from energyctl.results.job_pieces import Counts, Mark
from energyctl.results.ledger import Iteration

LOOK_SECONDS = 0.4
LOOK_SHARE = 1e-5
"""Of the time that has gone by: looks become rarer, so that what is kept has a limit."""

MOST_BYTES = 1 << 18
"""Read at a look; of a log that grows faster the end."""

MOST_LATE = 3
"""A pattern that was late so often is not tried any more."""

MOST_PASSED = 20
"""Iterations that came and went between two looks, whose logs are read all the same."""


MTIME_SECONDS = 0.01
"""A file's time of its last write goes by the kernel's ticks."""


class CountWatch:
    """Of one job, by a pattern of the registry: a number in it says how much an iteration has done
    so far. One that falls counts on, as of the next epoch. *logs*: the folder of its logs."""

    def __init__(self, pattern: str, logs: Path) -> None:
        self._pattern, self._logs = pattern, logs
        self._runs, self._done = array("q"), array("d")
        self._early, self._late = array("d"), array("d")
        self._ended_runs, self._finals, self._totals = array("q"), array("d"), array("d")
        self._log: _Log | None = None
        self._began, self._looked, self._ahead, self._too_slow = 0.0, 0.0, 0.0, 0

    def look(
        self, running: Sequence[Iteration], now: float, ahead: float, *, at_once: bool = False
    ) -> None:
        """At the log of the iteration that runs; *now*: Unix seconds on the line of its start,
        which is so many seconds *ahead* of the clock that files have their times from."""
        self._began = self._began or now
        pause = max(LOOK_SECONDS, LOOK_SHARE * (now - self._began))
        if (now - self._looked < pause and not at_once) or self._too_slow >= MOST_LATE:
            return
        before, self._looked, self._ahead = self._looked, now, ahead
        for item in sorted(running, key=lambda one: one.run):
            self._turn_to(item, before, now)
        if self._log is not None:
            self._read(self._log, max(before, self._log.began), now, ended=not running)

    def counts(self) -> dict[int, Counts]:
        """What each iteration whose log was read has said, by its number."""
        finals = zip(self._ended_runs, self._finals, strict=True)
        marks: dict[int, list[Mark]] = {run: [] for run, done in finals if not math.isnan(done)}
        for run, *mark in zip(self._runs, self._early, self._late, self._done, strict=True):
            marks.setdefault(run, []).append(Mark(*mark))
        ends = {
            run: (None if math.isnan(done) else done, None if math.isnan(total) else total)
            for run, done, total in zip(self._ended_runs, self._finals, self._totals, strict=True)
        }
        return {run: Counts(own, *ends.get(run, (None, None))) for run, own in marks.items()}

    def _turn_to(self, item: Iteration, before: float, now: float) -> None:
        """Where it is another one: reads the logs of those before it to their ends."""
        last = None if self._log is None else self._log.run
        if last is not None and last >= item.run:
            return
        if self._log is not None:
            self._read(self._log, max(before, self._log.began), now, ended=True)
            for run in range(max(self._log.run + 1, item.run - MOST_PASSED), item.run):
                self._read(_Log(run, before, self._path(run)), before, now, ended=True)
        self._log = _Log(item.run, item.started, self._path(item.run))

    def _path(self, run: int) -> Path:
        return self._logs / f"run_{run}.log"

    def _read(self, log: _Log, before: float, now: float, *, ended: bool) -> None:
        """What is new in it since the look *before*; nothing once it was read to its end."""
        if log.ended:
            return
        try:
            text, wrote, is_all = log.read(ended=ended)
            found = list(progress_in(self._pattern, text)) if text else []
        except TimeoutError:
            self._too_slow, log.skipped = self._too_slow + 1, True
            return
        except OSError:
            return
        if log.add(found):
            early, late = before, now
            wrote += self._ahead
            if before <= wrote <= now:
                late = wrote
                if is_all and found[-1].in_last_line:
                    early = max(before, wrote - MTIME_SECONDS)
            for into, value in zip(
                (self._early, self._late, self._done), (early, late, log.done), strict=True
            ):
                into.append(value)
            self._runs.append(log.run)
        if ended:
            log.ended = True
            self._ended_runs.append(log.run)
            self._finals.append(math.nan if log.skipped else log.done)
            self._totals.append(math.nan if log.total is None else log.total)


class _Log:
    """One log, as far as it was read. done, total: with what it counted before it began anew.
    skipped: whether there was more behind its last count that was not read, or not understood."""

    def __init__(self, run: int, began: float, path: Path) -> None:
        self.run, self.began, self.ended, self.skipped = run, began, False, False
        self.done = 0.0
        self.total: float | None = None
        self._path, self._offset = path, 0
        self._before, self._last = 0.0, 0.0
        self._of: float | None = None

    def read(self, *, ended: bool) -> tuple[str, float, bool]:
        """What is new, in whole lines unless it has *ended*; when it was written to last (Unix
        seconds), and whether there is nothing behind these lines. Raises OSError."""
        descriptor = open_regular(self._path)
        try:
            status = os.fstat(descriptor)
            if status.st_size < self._offset:  # it was cut
                self._offset, self.skipped = status.st_size, True
            if status.st_size - self._offset > MOST_BYTES:
                self._offset, self.skipped = status.st_size - MOST_BYTES, True
            data = os.pread(descriptor, status.st_size - self._offset, self._offset)
        finally:
            os.close(descriptor)
        whole = len(data) if ended else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        self._offset += whole
        return data[:whole].decode(errors="replace"), status.st_mtime, whole == len(data)

    def add(self, found: Sequence[Progress]) -> bool:
        """Whether more is done by these."""
        before, self.skipped = self.done, self.skipped and not found
        for one in found:
            if one.done < self._last:
                self._before += self._of if self._of is not None else self._last
            self._last, self._of = one.done, one.total
        self.done = max(before, self._before + self._last)
        self.total = None if self._of is None else self._before + self._of
        return self.done > before
