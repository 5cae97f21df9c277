"""The epochs of an iteration in progress, read from its log as that grows.

Where an iteration takes longer than anybody waits, its epochs are the cycles of its load.
"""

from __future__ import annotations

import math
import os
from collections import deque
from contextlib import suppress
from pathlib import Path

from energyctl.config.registry import progress_of
from energyctl.results.cycles import Cycle
from energyctl.results.ledger import Iteration
from energyctl.system.logs import tail

MOST_BYTES, OVERLAP_BYTES = 1 << 14, 400
"""Read at a look, and of these what the look before has read, too: a line may have been torn."""

LOOK_SECONDS = 0.4
KEPT = 10_000
MOST_LATE = 3
"""A pattern that was late so often is not tried any more."""


class EpochWatch:
    """Of one job, by the registry's pattern of `progress`: an epoch ends when the count rises.

    cycles: its whole epochs, to within a look. expected_seconds: how long the iteration in progress
    takes if it goes on like that; how long it has taken where it does not say how far it is.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.cycles = deque[Cycle](maxlen=KEPT)
        self.expected_seconds = 0.0
        self._began: float | None = None
        self._done, self._edge = 0, math.nan
        self._looked, self._size, self._late = -math.inf, 0, 0

    def look(self, log: Path, iteration: Iteration, now: float) -> None:
        """At the log of the *iteration* that runs; *now*: Unix seconds on the line of its start."""
        if now - self._looked < LOOK_SECONDS or self._late >= MOST_LATE:
            return
        self._looked = now
        self._begin(iteration.started)
        grown = 0
        with suppress(OSError):
            size = os.lstat(log).st_size
            grown, self._size = size - self._size, size
        text = tail(log, min(MOST_BYTES, abs(grown) + OVERLAP_BYTES)) if grown else ""
        try:
            done, total = progress_of(self._pattern, text) or (self._done, None)
        except TimeoutError:
            self._late += 1
        else:
            self.add(iteration.started, done, total, now)

    def add(self, began: float, done: float, total: float | None, now: float) -> None:
        """What the iteration that began then says *now* is done, and of how much."""
        self._begin(began)
        if math.floor(done) < self._done:
            self._edge = math.nan  # another count, as of the next step
        elif math.floor(done) > self._done:
            if not math.isnan(self._edge):
                self.cycles.append(Cycle(self._edge, now))
            self._edge = now
        self._done = math.floor(done)
        share = done / total if total else 1.0
        self.expected_seconds = (now - began) / min(1.0, share) if share > 0 else now - began

    def _begin(self, began: float) -> None:
        if began != self._began:
            self._began, self._done, self._size = began, 0, 0
            self._edge, self.expected_seconds = math.nan, 0.0
