"""How fast a background job works in each stretch of a run, and how a piece of its work that
crosses an edge is divided there. Pure.

A piece has a known amount, but not when it was done: beside the foreground a job is slower. So it
is divided by the rates of its like on both sides of the edge; the uncertainty holds what either
rate alone would give. Where no rate is known it is divided by time, and may be all on one side.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from statistics import median
from typing import Literal, NamedTuple

from energyctl.energy import Phase

NEIGHBOURS = 5
"""So many pieces at most, those next to an edge, tell a rate."""

SPREAD = 2.0
"""A rate may be off by so many times what the neighbours' differ from it."""

SPREAD_OF_ONE, LEAST_SPREAD = 0.10, 0.02
"""By so much of itself, where there is one neighbour; at least: lines of one iteration are alike,
those of another are not."""

Kind = Literal["whole", "opening", "between", "closing"]
"""An iteration without lines; one to its first line, from line to line, and from its last."""


class Piece(NamedTuple):
    """What a job did between two instants. amount: None of an iteration that did not finish, from
    its last line on. doubt: amount by which that may be off. slack: seconds by which its ends may
    be. before: amount of its iteration up to its start. unsure: by how much the amount may be off.
    """

    start: float
    end: float
    kind: Kind
    amount: float | None
    doubt: float = 0.0
    slack: float = 0.0
    before: float = 0.0
    unsure: float = 0.0


class Stretch(NamedTuple):
    """Phases in a row in which a job has the same beside it; name: empty where it is alone."""

    name: str
    start: float
    end: float


def beside(phase: str) -> str:
    """What a job has beside it in a phase: empty where it is alone, else the phase."""
    return "" if phase.startswith("background_") else phase


def stretches(phases: Sequence[Phase]) -> list[Stretch]:
    found = list[Stretch]()
    for phase in phases:
        name = beside(phase.name)
        if found and found[-1].name == name:
            found[-1] = found[-1]._replace(end=phase.end)
        else:
            found.append(Stretch(name, phase.start, phase.end))
    return found


def holds(stretch: Stretch, start: float, end: float) -> bool:
    return stretch.start <= start and end <= stretch.end


class Rate(NamedTuple):
    """Amount per second, and by how much it may be off."""

    value: float
    spread: float


class Rates:
    """The rates of a job: by the kind of a piece, and what was beside it."""

    def __init__(
        self, pieces: Sequence[Piece], runs: Sequence[Piece], alike: Sequence[Stretch]
    ) -> None:
        self._known = dict[tuple[Kind, str], list[tuple[float, float]]]()
        self._most = dict[Kind, float]()
        place = 0
        told = [*(piece for piece in pieces if piece.kind != "whole"), *runs]
        for piece in sorted(told, key=lambda one: one.start):
            while place < len(alike) - 1 and alike[place].end <= piece.start:
                place += 1
            seconds = piece.end - piece.start
            if piece.amount is not None:
                self._most[piece.kind] = max(piece.amount, self._most.get(piece.kind, 0.0))
            if piece.amount is not None and seconds > 0 and holds(alike[place], *piece[:2]):
                of = self._known.setdefault((piece.kind, alike[place].name), [])
                of.append(((piece.start + piece.end) / 2, piece.amount / seconds))

    def of(self, piece: Piece, phase: str) -> Rate | None:
        """That of its like in a phase, next to it; None: not known."""
        known = self._known.get((piece.kind, beside(phase)))
        return _rate(known, piece) if known else None

    def most(self, piece: Piece) -> float:
        """What one that was cut off has done at most: no more than its like, or the rest of an
        iteration."""
        rest = self._most.get("whole", math.inf) - piece.before
        return max(0.0, min(rest, self._most.get(piece.kind, math.inf)))

    def anywhere(self, piece: Piece) -> Rate | None:
        """The same whatever was beside it, so that it may be anything up to twice that."""
        kinds: tuple[Kind, ...] = (piece.kind, "whole")
        for kind in kinds:
            known = [one for (of, _), rates in self._known.items() if of == kind for one in rates]
            if known:
                rate = _rate(known, piece)
                return Rate(rate.value, rate.value)
        return None


def _rate(known: Sequence[tuple[float, float]], piece: Piece) -> Rate:
    middle = (piece.start + piece.end) / 2
    near = heapq.nsmallest(NEIGHBOURS, known, key=lambda one: abs(one[0] - middle))
    values = [rate for _, rate in near]
    value = median(values)
    if len(values) == 1:
        return Rate(value, SPREAD_OF_ONE * value)
    apart = SPREAD * max(abs(one - value) for one in values)
    return Rate(value, max(apart, LEAST_SPREAD * value))


class Part(NamedTuple):
    """Of a piece, in one phase; None: not known."""

    amount: float | None
    uncertainty: float


def divided(piece: Piece, parts: Sequence[tuple[str, float]], rates: Rates) -> list[Part]:
    """A piece among the phases that it was in, given with the seconds in each."""
    if piece.amount is None:
        return _cut_off(piece, parts, rates)
    if len(parts) == 1:
        return [Part(piece.amount, piece.unsure)]
    found = [rates.of(piece, phase) for phase, _ in parts]
    seconds = [length for _, length in parts]
    if all(found):
        divided = _by_rates(piece.amount, seconds, [rate for rate in found if rate])
    else:
        divided = _by_what_is_known(piece.amount, seconds, found)
    total = sum(seconds)
    moved = piece.doubt + (piece.slack * piece.amount / total if total > 0 else 0.0)
    return [
        Part(amount, min(off + moved, max(amount, piece.amount - amount)) + piece.unsure)
        for amount, off in divided
    ]


def _by_rates(
    amount: float, seconds: Sequence[float], rates: Sequence[Rate]
) -> list[tuple[float, float]]:
    """In proportion to what each rate gives; off by as much as these are beside the amount."""
    given = [rate.value * length for rate, length in zip(rates, seconds, strict=True)]
    total = sum(given)
    if total <= 0:
        return _by_time(amount, seconds)
    shares = [one / total for one in given]
    apart = max(abs(amount * s - one) for s, one in zip(shares, given, strict=True))
    spreads = [rate.spread / rate.value if rate.value else 0.0 for rate in rates]
    parts = []
    for share, spread in zip(shares, spreads, strict=True):
        chance = amount * share * (1 - share) * (spread + max(spreads))
        parts.append((amount * share, max(chance, apart)))
    return parts


def _by_what_is_known(
    amount: float, seconds: Sequence[float], rates: Sequence[Rate | None]
) -> list[tuple[float, float]]:
    """Where a rate is known, by that; what is left is elsewhere, by time."""
    given = [rate and rate.value * length for rate, length in zip(rates, seconds, strict=True)]
    known = sum(one for one in given if one is not None)
    fit = min(1.0, amount / known) if known > 0 else 1.0
    left = amount - fit * known
    elsewhere = [length for length, one in zip(seconds, given, strict=True) if one is None]
    off = sum(rate.spread * s for rate, s in zip(rates, seconds, strict=True) if rate)
    off += (1 - fit) * known
    parts = []
    for own, rate, length in zip(given, rates, seconds, strict=True):
        if own is not None and rate is not None:
            parts.append((fit * own, rate.spread * length + (1 - fit) * own))
        else:
            part = left * length / sum(elsewhere) if sum(elsewhere) > 0 else 0.0
            alone = len(elsewhere) == 1
            parts.append((part, off if alone else off + max(part, left - part)))
    return parts


def _by_time(amount: float, seconds: Sequence[float]) -> list[tuple[float, float]]:
    total = sum(seconds)
    shares = [length / total if total > 0 else 1 / len(seconds) for length in seconds]
    return [(amount * share, amount * max(share, 1 - share)) for share in shares]


def _cut_off(piece: Piece, parts: Sequence[tuple[str, float]], rates: Rates) -> list[Part]:
    """An iteration that did not finish, from its last line on: by the rates of its like, but no
    more than a finished one does."""
    found = [rates.of(piece, phase) or rates.anywhere(piece) for phase, _ in parts]
    given = [
        None if rate is None else (rate.value * length, rate.spread * length)
        for rate, (_, length) in zip(found, parts, strict=True)
    ]
    total = sum(one[0] for one in given if one is not None)
    most = rates.most(piece)
    fit = most / total if total > most else 1.0
    return [
        _part_of(piece, one, fit, length, most)
        for one, (_, length) in zip(given, parts, strict=True)
    ]


def _part_of(
    piece: Piece, given: tuple[float, float] | None, fit: float, seconds: float, most: float
) -> Part:
    if given is None:
        return Part(None, 0.0)
    amount, off = fit * given[0], min(given[1], given[0]) + (1 - fit) * given[0]
    slack = piece.slack * given[0] / seconds if seconds > 0 else 0.0
    limit = most if most < math.inf else 2 * amount
    return Part(amount, min(off + piece.doubt + slack, max(amount, limit - amount)))
