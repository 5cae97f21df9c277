"""The iterations of a background job in pieces, from line to line, with what was done in each.
Pure.

Where iterations are counted, a line tells how far one is: by how far those that finished were when
their lines said as much, so that it matters neither where the count begins nor what comes before
the first line or after the last. Times are Unix seconds on the sampler's line.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from energyctl.results.job_rates import Kind, Piece, Stretch, holds
from energyctl.results.ledger import Past

REFERENCES = 5
"""So many finished iterations at most say how far one is."""


class Mark(NamedTuple):
    """A line that says how much its iteration has done so far; it came between these instants."""

    early: float
    late: float
    done: float

    @property
    def time(self) -> float:
        return (self.early + self.late) / 2

    @property
    def slack(self) -> float:
        return (self.late - self.early) / 2


@dataclass(frozen=True)
class Counts:
    """What the lines of one iteration say. final: the last count; None where its log was not read
    to its end. total: of how much, where they say that."""

    marks: Sequence[Mark] = ()
    final: float | None = None
    total: float | None = None

    @property
    def finished(self) -> float | None:
        """What one that finished has done: the total, where less is missing than lines count at
        once; else the last count. None where that is not known."""
        if self.final is None or self.total is None:
            return self.final
        steps = pairwise([0.0, *(mark.done for mark in self.marks)])
        near = 0.0 < self.total - self.final <= max((b - a for a, b in steps), default=0.0)
        return self.total if near else self.final


class _Point(NamedTuple):
    """How much an iteration had done at an instant; both may be off by so much."""

    time: float
    slack: float
    amount: float
    doubt: float = 0.0


NO_COUNTS = Counts()


def pieces_of(
    iterations: Sequence[Past],
    counts: Mapping[int, Counts],
    alike: Sequence[Stretch],
    *,
    by_lines: bool,
) -> tuple[list[Piece], list[Piece]]:
    """All pieces, and the finished iterations as one piece each.

    counts: of those whose log was read. alike: stretches of the run in which the job had the same
    beside it. by_lines: the work is what the lines count; else iterations are counted.
    """
    ends = [counts.get(one.run, NO_COUNTS).finished for one in iterations if one.whole]
    some = any(own.marks for own in counts.values())
    finals = [done for done in ends if done is not None]
    usual = (median(finals), (max(finals) - min(finals)) / 2) if finals else None
    scale = None if by_lines else _Scale(iterations, counts, alike)
    pieces, runs = list[Piece](), list[Piece]()
    for one in iterations:
        points, end = _points(one, counts.get(one.run, NO_COUNTS), scale, usual)
        new = _between(points, one, end, lines=some and one.run in counts)
        if by_lines and new[0].kind == "opening":  # it may have begun to count at any time
            new[0] = new[0]._replace(doubt=math.inf)
        pieces += new
        if end is not None:
            runs.append(Piece(one.started, one.ended, "whole", end.amount, end.doubt))
    return pieces, runs


def _points(
    one: Past, own: Counts, scale: _Scale | None, usual: tuple[float, float] | None
) -> tuple[list[_Point], _Point | None]:
    """What is known of an iteration from its start on, and at its end, where it finished. usual:
    what finished ones do, by their lines, and by how much that may be off."""
    points, reached = [_Point(one.started, 0.0, 0.0)], 0.0
    for mark in own.marks:
        amount, doubt = (
            (mark.done, 0.0)
            if scale is None
            else scale.done(mark.done, own.finished if one.whole else own.total)
        )
        if amount is not None and amount > reached:
            time = min(max(mark.time, one.started), one.ended)
            points.append(_Point(time, mark.slack, amount, doubt))
            reached = amount
    if not one.whole:
        return points, None
    if scale is not None:
        return points, _Point(one.ended, 0.0, 1.0)
    known = usual if own.finished is None else (own.finished, 0.0)
    if known is None:
        return points, None
    return points, _Point(one.ended, 0.0, max(reached, known[0]), known[1])


def _between(
    points: Sequence[_Point], one: Past, end: _Point | None, *, lines: bool
) -> list[Piece]:
    """The pieces from point to point, and the last one to the end. lines: whether there would be
    more of them, had it done more."""
    pieces = list[Piece]()
    for before, after in pairwise([*points, *([end] if end else [])]):
        kind: Kind = "between"
        if before is points[0]:
            kind = "whole" if after is end else "opening"
        elif after is end:
            kind = "closing"
        slack, amount = max(before.slack, after.slack), after.amount - before.amount
        doubt, unsure = before.doubt + after.doubt, 0.0
        if after is end:
            doubt, unsure = before.doubt, after.doubt
        piece = Piece(before.time, after.time, kind, amount, doubt, slack, unsure=unsure)
        pieces.append(piece)
    if end is None:
        last, kind = points[-1], "between" if len(points) > 1 else "opening" if lines else "whole"
        pieces.append(Piece(last.time, one.ended, kind, None, last.doubt, last.slack, last.amount))
    return pieces


class _Scale:
    """How far an iteration is, from 0 to 1, when its lines say that so much is done."""

    def __init__(
        self, iterations: Sequence[Past], counts: Mapping[int, Counts], alike: Sequence[Stretch]
    ) -> None:
        told = [one for one in iterations if one.whole and counts.get(one.run, NO_COUNTS).marks]
        by_name = dict[str, list[Past]]()
        for one in told:
            for stretch in alike:
                if holds(stretch, one.started, one.ended):
                    by_name.setdefault(stretch.name, []).append(one)
        chosen = by_name.get("", []) or max(by_name.values(), key=len, default=[])
        self._references = [_reference(o, counts[o.run]) for o in chosen[-REFERENCES:]]

    def done(self, count: float, whole: float | None) -> tuple[float | None, float]:
        """(share, by how much it may be off); None where nobody knows. whole: what it counts to,
        where that is known."""
        if not self._references:
            return (min(1.0, count / whole) if whole else None), 0.0
        shares = [_at(reference, count) for reference in self._references]
        slack = max(
            (point.slack for reference in self._references for point in reference), default=0.0
        )
        doubt = (max(shares) - min(shares)) / 2
        return median(shares), max(doubt, slack if len(shares) == 1 else 0.0)


def _reference(one: Past, counts: Counts) -> list[_Point]:
    """Count → share, as points: `time` is the count here."""
    length = one.ended - one.started
    points = [_Point(0.0, 0.0, 0.0)]
    for mark in counts.marks:
        if mark.done > points[-1].time and length > 0:
            share = min(1.0, max(0.0, (mark.time - one.started) / length))
            points.append(_Point(mark.done, mark.slack / length, share))
    return points


def _at(points: Sequence[_Point], count: float) -> float:
    place = bisect_right(points, count, key=lambda point: point.time)
    before = points[place - 1]
    if place == len(points) or before.time == count:
        return before.amount
    after = points[place]
    share = (count - before.time) / (after.time - before.time)
    return before.amount + share * (after.amount - before.amount)
