"""When a campaign will have ended, by its finished runs and how far the one in progress is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import fmean


@dataclass
class TimeLeft:
    """Times are Unix seconds. began: the end of the last run, at first the campaign's beginning.
    planned: the end as it was known before any run was finished; None: it was not."""

    began: float
    planned: float | None = None
    _seconds: dict[str, list[float]] = field(default_factory=dict)

    def finished(self, condition: str, now: float) -> None:
        """A run has ended."""
        self._seconds.setdefault(condition, []).append(now - self.began)
        self.began = now

    def ends(
        self, now: float, condition: str, waiting: Sequence[str], rest: float | None
    ) -> float | None:
        """*condition*: of the run in progress, whose training takes *rest* seconds more (None: not
        known); *waiting*: those of the runs that follow. None where it cannot be told."""
        by_progress = None if rest is None else now - self.began + rest
        usual = self._usual(condition, by_progress)
        if self.planned is not None and not self._seconds:
            return self.planned if rest is None else max(self.planned, now + rest)
        if usual is None:
            return None
        whole = max(usual, by_progress or 0.0, now - self.began)
        ends = self.began + whole + sum(self._usual(one, usual) or 0.0 for one in waiting)
        all_seen = all(one in self._seconds for one in (condition, *waiting))
        return ends if all_seen or self.planned is None else max(ends, self.planned)

    def _usual(self, condition: str, else_seconds: float | None) -> float | None:
        """Mean time of the finished runs of a condition; of all where there is none of it."""
        known = self._seconds.get(condition) or [*chain(*self._seconds.values())]
        return fmean(known) if known else else_seconds
