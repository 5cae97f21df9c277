"""By how much meters may shift a difference, beside the spread of runs. Pure.

What a run's uncertainty has of its own at random is in the spread of runs already, so a band of
meters is never added to one of runs, and stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from energyctl.analysis.compare.grouping import Side
from energyctl.analysis.compare.measures import Parts, estimates, kinds_of, parts_of
from energyctl.results.tables import Row

CALIBRATION = 0.05
"""From card to card, as power meters found (docs/measurement.md)."""

Method = Literal["one machine", "other machines", "whole bands"]


@dataclass(frozen=True)
class Meter:
    """Half-widths, at the worst, of what meters may shift the difference of the means by, in the
    measure's unit.

    edges: the mean own part of a run's uncertainty, of both groups together. common: what runs of a
    machine share, of which a difference has what it differs by; on other machines all of it, with
    their calibration. share: of the ratio of the means, in which a share that is common to all
    domains cancels; None where a part is estimated or its kinds are not known.
    """

    edges: float
    common: float
    share: float | None
    method: Method

    @property
    def whole(self) -> float:
        return self.edges + self.common


def meter_of(a: Side, b: Side, measure: str) -> Meter | None:
    """None where a band is not known."""
    sides = a.rows, b.rows
    total = parts_of(measure)
    bands = [_mean(rows, total.band) for rows in sides]
    energies = [_mean(rows, total.joules) for rows in sides]
    if None in bands or None in energies:
        return None
    first, second = (energy or 0.0 for energy in energies)
    kinds = _kinds(sides, measure)
    if kinds is None:
        return Meter(sum(band or 0.0 for band in bands), 0.0, None, "whole bands")
    edges = [sum(own for _, own, _ in side) for side in kinds]
    if _machine(a.rows) is None or _machine(a.rows) != _machine(b.rows):
        shared = sum(common for side in kinds for *_, common in side)
        calibration = CALIBRATION * (abs(first) + abs(second))
        return Meter(sum(edges), shared + calibration, None, "other machines")
    pairs = list(zip(*kinds, strict=True))
    common = sum(abs(of_b - of_a) for (*_, of_a), (*_, of_b) in pairs)
    share = None
    if first > 0 and second > 0 and not any(map(estimates, sides)):
        mix = sum(abs(of_b / second - of_a / first) for (*_, of_a), (*_, of_b) in pairs)
        share = second / first * (edges[0] / first + edges[1] / second + mix)
    return Meter(sum(edges), common, share, "one machine")


Kind = tuple[float, float, float]
"""Means of one kind of domain: joules, own part of the band, common part."""


def _kinds(sides: Sequence[Sequence[Row]], measure: str) -> list[list[Kind]] | None:
    """Of each group, by kind where these make up the whole; None where own parts are not known."""
    known = [
        part for part in kinds_of(measure) if any(row.get(part.joules) for s in sides for row in s)
    ]
    whole = parts_of(measure)
    for parts in (known, [whole]):
        found = [_of_kinds(rows, parts) for rows in sides]
        if parts and None not in found and all(_adds_up(r, parts, whole) for s in sides for r in s):
            return [side for side in found if side is not None]
    return None


def _of_kinds(rows: Sequence[Row], parts: Sequence[Parts]) -> list[Kind] | None:
    kinds = list[Kind]()
    for part in parts:
        joules, band, own = (_mean(rows, column) for column in part)
        if joules is None or band is None or own is None:
            return None
        kinds.append((joules, own, band - own))
    return kinds


def _adds_up(row: Row, parts: Sequence[Parts], whole: Parts) -> bool:
    joules = sum(float(row.get(part.joules) or 0.0) for part in parts)
    every = float(row[whole.joules])
    return abs(joules - every) <= 1e-6 * abs(every)


def _mean(rows: Sequence[Row], column: str | None) -> float | None:
    """None where one is not known."""
    if column is None or any(row.get(column) is None for row in rows):
        return None
    return fmean(float(row[column]) for row in rows)


def _machine(rows: Sequence[Row]) -> tuple[str, str | None] | None:
    """Host name and cards, where all runs have the same."""
    machines = {(row.get("hostname"), row.get("gpu_uuids")) for row in rows}
    hostname, cards = machines.pop()
    return None if machines or hostname is None else (hostname, cards)
