"""The epochs of an iteration in progress, by what its log says as that grows.

Where an iteration takes longer than anybody waits, its epochs are the cycles of its load.
"""

from __future__ import annotations

import math
from collections import deque

from energyctl.background.log_reader import Growth
from energyctl.config.registry import progress_of
from energyctl.results.cycles import Cycle

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
        self._done, self._edge, self._late = 0, math.nan, 0

    def take(self, new: Growth) -> None:
        """What has come to the log of an iteration; iterations in their order."""
        if self._late >= MOST_LATE:
            return
        try:
            told = progress_of(self._pattern, new.text) if new.text else None
        except TimeoutError:
            self._late += 1
            return
        if told is not None:
            self.add(new.began, *told, new.late)
        else:
            self._begin(new.began)
            self.expected_seconds = max(self.expected_seconds, new.late - new.began)

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
            self._began, self._done = began, 0
            self._edge, self.expected_seconds = math.nan, 0.0
