"""How far somebody has read the utilization samples of a GPU's processes."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass
class SampleCursor:
    """asked: time.monotonic(). since, latest: from when on to ask, and the latest sample that was
    told, in microseconds of Unix time. period_seconds: the shortest time between two samples of one
    process."""

    asked: float = -inf
    since: int = 0
    latest: int = 0
    period_seconds: float = inf
