"""How much a background job did in each phase of a run, with its uncertainty. Pure.

A finished iteration is 1, wherever it ran; in a unit of its own it is what its lines count. One
that crosses the edge of a phase is divided there, see :mod:`energyctl.results.job_rates`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from energyctl.energy import Phase
from energyctl.results.job_pieces import Counts, pieces_of
from energyctl.results.job_rates import Rates, divided, stretches
from energyctl.results.ledger import Past
from energyctl.results.schema import WorkJson

ITERATIONS = "iterations"
NO_LINE = "no line of its logs matches the pattern of work"
NONE_FINISHED = "an iteration was cut off, and how much it did is not known"


def job_work(
    iterations: Sequence[Past],
    counts: Mapping[int, Counts],
    phases: Sequence[Phase],
    unit: str | None = None,
) -> list[WorkJson]:
    """Of one job, an entry for each phase that it ran in. counts: what the lines of an iteration
    say, by its number. unit: of these; None: iterations are counted."""
    last = phases[-1].end if phases else -math.inf
    inside = [one._replace(ended=min(one.ended, last)) for one in iterations if one.started < last]
    sums = [_Sum() for _ in phases]
    starts = [phase.start for phase in phases]

    def parts(start: float, end: float) -> Iterator[tuple[int, float]]:
        """Place of each phase between two instants, and the seconds in it."""
        place = max(0, bisect_right(starts, start) - 1)
        while place < len(phases) and (phases[place].start < end or start == end):
            yield place, max(0.0, min(end, phases[place].end) - max(start, phases[place].start))
            if start == end:
                return
            place += 1

    silent = unit is not None and not any(one.marks for one in counts.values())
    if silent:
        for one in inside:
            for place, _ in parts(one.started, one.ended):
                sums[place].add(None, 0.0)
    else:
        alike = stretches(phases)
        pieces, runs = pieces_of(inside, counts, alike, by_lines=unit is not None)
        rates = Rates(pieces, runs, alike)
        for piece in pieces:
            within = list(parts(piece.start, piece.end))
            names = [(phases[place].name, seconds) for place, seconds in within]
            for (place, _), part in zip(within, divided(piece, names, rates), strict=True):
                sums[place].add(part.amount, part.uncertainty)
    why = NO_LINE if silent else NONE_FINISHED
    together = zip(phases, sums, strict=True)
    return [one.to_json(phase, unit or ITERATIONS, why) for phase, one in together if one.ran]


@dataclass
class _Sum:
    """What a job did in one phase."""

    amount: float = 0.0
    uncertainty: float = 0.0
    ran: bool = False
    known: bool = True

    def add(self, amount: float | None, uncertainty: float) -> None:
        self.ran = True
        self.known = self.known and amount is not None
        self.amount += amount or 0.0
        self.uncertainty += uncertainty

    def to_json(self, phase: Phase, unit: str, why: str) -> WorkJson:
        entry: WorkJson = {
            "phase": phase.name,
            "seconds": phase.end - phase.start,
            "amount": self.amount if self.known else None,
            "unit": unit,
            "uncertainty": self.uncertainty if self.known else None,
        }
        if not self.known:
            entry["reason"] = why
        return entry
