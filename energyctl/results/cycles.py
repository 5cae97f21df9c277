"""The whole cycles of a background job: what its load repeats, start to start. Pure.

From the start of one good iteration to the start of the next, so that the gap between them, and
whatever an iteration does before its first kernel, belong to the cycle. Times are Unix seconds on
the sampler's line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from energyctl.results.ledger import JobLedger

BETWEEN_SECONDS = 2.0
"""Longer is nobody between two good iterations: it was stopped."""

FEWEST = 3
"""Cycles that a figure of the load is taken over; fewer tell too little of how they differ."""


class Cycle(NamedTuple):
    """One whole cycle; `end` is where the next one starts."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


def whole_cycles(ledger: JobLedger, between_seconds: float = BETWEEN_SECONDS) -> list[Cycle]:
    """In order. One whose iteration failed or was stopped, or that no next one follows within
    *between_seconds* after it, is none."""
    return [
        Cycle(one.started, following.started)
        for one, following in pairwise(ledger.in_order())
        if one.whole and following.started - one.ended <= between_seconds
    ]


def typical_seconds(cycles: Iterable[Cycle]) -> float | None:
    """Their median length; None where there is none."""
    return median(lengths) if (lengths := [cycle.seconds for cycle in cycles]) else None


def slowest(jobs: Mapping[str, Sequence[Cycle]]) -> Sequence[Cycle]:
    """Those of the job with the longest typical cycle: the load of all repeats about as often."""
    return max(jobs.values(), key=lambda own: typical_seconds(own) or 0.0, default=())


def blocks_wanted(typical: float, least_seconds: float) -> int:
    """Over how many whole cycles a figure of the load is taken: *least_seconds* at least."""
    return max(FEWEST, math.ceil(least_seconds / typical)) if typical > 0 else FEWEST


def last_blocks(cycles: Sequence[Cycle], before: float, count: int) -> list[Cycle]:
    """The last *count* that ended by then; fewer where there are not so many."""
    ended = [cycle for cycle in cycles if cycle.end <= before]
    return ended[max(0, len(ended) - count) :]


def first_blocks(cycles: Sequence[Cycle], after: float, count: int) -> list[Cycle]:
    """The first *count* that began then or later; fewer where there are not so many."""
    return [cycle for cycle in cycles if cycle.start >= after][:count]


def joined(cycles: Sequence[Cycle], most: int) -> list[Cycle]:
    """The same span in *most* blocks at most, each of about as many neighbours."""
    blocks = min(most, len(cycles))
    edges = [round(place * len(cycles) / blocks) for place in range(blocks + 1)] if blocks else []
    return [Cycle(cycles[a].start, cycles[b - 1].end) for a, b in pairwise(edges)]
