"""A background job as it is shown while a run lasts. Plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class JobView:
    """A background job now: how many iterations it has begun, and whether one runs.

    away_seconds: since the end of the last iteration; 0 while one runs.
    coverage, max_gap_seconds: of the foreground so far; None while there is none.
    load: share of the last seconds in which its processes were busy; None: not known.
    began: start of the newest iteration (Unix seconds); None before the first.
    progress: how much the running iteration has done by its log, and of how much; None: not known.
    unit: what that counts; None: parts of an iteration.
    """

    name: str
    iterations: int
    failures: int
    running: bool
    away_seconds: float = 0.0
    coverage: float | None = None
    max_gap_seconds: float | None = None
    load: float | None = None
    began: float | None = None
    progress: tuple[float, float | None] | None = None
    unit: str | None = None
