"""The ledger of a run's background, read as it grows."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from energyctl.results.ledger import Iteration, JobLedger, parse, parse_running
from energyctl.results.paths import LEDGER
from energyctl.system import processes


class LedgerFile:
    """``iterations.csv`` of a run, read as it grows: a look costs only what is new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offset = 0
        self._jobs = defaultdict[str, JobLedger](JobLedger)

    def look(self) -> Mapping[str, JobLedger]:
        """Each job's iterations so far, those that run now included; empty for any other name."""
        # Where a launcher was killed, and its training with it, nobody knows how long that ran: it
        # counts as a failure that covered nothing.
        running = [i if alive else replace(i, ended=i.started) for i, alive in self._notes()]
        for row in self.new_rows():  # after the notes: one that ended meanwhile has its row
            self._jobs[row.job].add(row)
        for item in running:
            self._jobs[item.job]
        for name, job in self._jobs.items():
            job.running = [i for i in running if i.job == name and not job.has_row(i.run)]
        return self._jobs

    def new_rows(self) -> list[Iteration]:
        """The iterations that have ended since the last call."""
        whole = b""
        with contextlib.suppress(OSError), open(self._folder / LEDGER, "rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        return parse(whole.decode(errors="replace"))

    def launchers(self) -> list[processes.ProcessInfo]:
        """The launchers that run an iteration now."""
        return [launcher for _, launcher in self._notes() if launcher is not None]

    def _notes(self) -> Iterator[tuple[Iteration, processes.ProcessInfo | None]]:
        """Each note, and its launcher, where that is alive."""
        for path in sorted(self._folder.glob(".*.*.running")):
            with contextlib.suppress(OSError, ValueError):
                if noted := parse_running(path.read_text()):
                    iteration, ticks = noted
                    yield iteration, processes.identify(int(path.name.split(".")[-2]), ticks)
