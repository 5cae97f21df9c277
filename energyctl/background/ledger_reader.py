"""Edge: the ledger of a run's background, read as it grows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from energyctl.results.ledger import Iteration, parse, parse_running
from energyctl.system import processes


class LedgerFile:
    """``iterations.csv`` of a run, read as it grows: a look costs only what is new."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ended: list[Iteration] = []
        self._offset = 0

    def iterations(self) -> list[Iteration]:
        """Every iteration so far, those that run now last."""
        running = self._running()  # first: one that ends meanwhile has its row below
        with contextlib.suppress(OSError), open(self._folder / "iterations.csv", "rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
            if whole:
                self._offset += len(whole) + 1
                self._ended += parse(whole.decode(errors="replace"))
        written = {(item.job, item.run) for item in self._ended}
        return self._ended + [i for i in running if (i.job, i.run) not in written]

    def _running(self) -> list[Iteration]:
        """What the launchers noted at the start of an iteration that has no row yet.

        Where the launcher was killed, and its training with it, nobody knows how long that ran:
        it counts as a failure that covered nothing.
        """
        return [
            iteration if launcher else replace(iteration, ended=iteration.started)
            for iteration, launcher in self._notes()
        ]

    def launchers(self) -> list[processes.Found]:
        """The launchers that run an iteration now."""
        return [launcher for _, launcher in self._notes() if launcher is not None]

    def _notes(self) -> Iterator[tuple[Iteration, processes.Found | None]]:
        """Each note, and its launcher, where that is alive."""
        for path in sorted(self._folder.glob(".*.*.running")):
            try:
                noted = parse_running(path.read_text())
                launcher = processes.identify(int(path.name.split(".")[-2]))
            except (OSError, ValueError):
                continue
            if noted is not None:
                iteration, ticks = noted
                yield iteration, launcher if launcher and launcher.ticks == ticks else None
