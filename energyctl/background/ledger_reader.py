"""The ledger of a run's background, read as it grows."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from energyctl.launchers.regular_files import open_regular
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
        with contextlib.suppress(OSError), _opened(self._folder / LEDGER) as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        return parse(whole.decode(errors="replace"))

    def _notes(self) -> Iterator[tuple[Iteration, bool]]:
        """Each note, and whether its launcher is alive; any process may have written one."""
        for path in sorted(self._folder.glob(".*.*.running")):
            with contextlib.suppress(OSError, ValueError):
                with _opened(path) as file:
                    noted = parse_running(file.read().decode())
                if noted:
                    iteration, ticks = noted
                    yield iteration, processes.is_alive(int(path.name.split(".")[-2]), ticks)


def _opened(path: Path) -> BinaryIO:
    """A load may put anything in the place of these files. Raises OSError."""
    return open(open_regular(path), "rb")
