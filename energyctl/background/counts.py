"""What the iterations of a background job say of how much they have done, with the times."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

from energyctl.background.log_reader import Growth
from energyctl.config.registry import Progress, progress_in
from energyctl.results.job_pieces import Counts, Mark

MOST_LATE = 3
"""A pattern that was late so often is not tried any more."""

MTIME_SECONDS = 0.01
"""A file's time of its last write goes by the kernel's ticks."""


class CountWatch:
    """Of one job, by a pattern of the registry: a number in it says how much an iteration has done
    so far. One that falls counts on, as of the next epoch."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._runs, self._done = array("q"), array("d")
        self._early, self._late = array("d"), array("d")
        self._ended_runs, self._finals, self._totals = array("q"), array("d"), array("d")
        self._said, self._too_slow = _Said(0), 0

    def take(self, new: Growth) -> None:
        """What has come to the log of an iteration; iterations in their order."""
        if self._too_slow >= MOST_LATE:
            return
        if new.run != self._said.run:
            self._said = _Said(new.run)
        said = self._said
        said.skipped |= new.skipped
        try:
            found = list(progress_in(self._pattern, new.text)) if new.text else []
        except TimeoutError:
            self._too_slow, said.skipped, found = self._too_slow + 1, True, []
        if said.add(found):
            self._mark(new, found)
        if new.ended:
            self._ended_runs.append(new.run)
            self._finals.append(math.nan if said.skipped else said.done)
            self._totals.append(math.nan if said.total is None else said.total)

    def _mark(self, new: Growth, found: Sequence[Progress]) -> None:
        early, late = new.early, new.late
        if early <= new.wrote <= late:
            late = new.wrote
            if new.is_all and found[-1].in_last_line:
                early = max(early, late - MTIME_SECONDS)
        for into, value in zip(
            (self._early, self._late, self._done), (early, late, self._said.done), strict=True
        ):
            into.append(value)
        self._runs.append(new.run)

    def so_far(self, run: int) -> tuple[float, float | None] | None:
        """What the iteration *run* has done, and of how much; None where it has not said."""
        said = self._said
        return (said.done, said.total) if said.run == run and said.done else None

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


class _Said:
    """What an iteration has said. done, total: with what it counted before it began anew. skipped:
    whether there was more behind its last count that was not read, or not understood."""

    def __init__(self, run: int) -> None:
        self.run, self.skipped, self.done = run, False, 0.0
        self.total: float | None = None
        self._before, self._last = 0.0, 0.0
        self._of: float | None = None

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
