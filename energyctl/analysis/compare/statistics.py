"""How groups are compared, and what one of them is by itself. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from energyctl.analysis.compare.grouping import Side
from energyctl.analysis.compare.measures import parts_of


@dataclass(frozen=True)
class CompareOptions:
    """confidence: of all intervals. margin: the share up to which a difference does not matter, as
    0.05; None: none was stated. seed: of what is drawn at random. power: of plans."""

    confidence: float = 0.95
    margin: float | None = None
    seed: int = 0
    power: float = 0.8

    @property
    def alpha(self) -> float:
        return round(1.0 - self.confidence, 12)


@dataclass(frozen=True)
class Estimate:
    """A figure and its interval; missing: why there is no interval, or no figure."""

    value: float | None
    low: float | None = None
    high: float | None = None
    method: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class Summary:
    """One group. geometric_mean: None where a value is not above 0. sd: with n - 1; None of a
    single value. band: mean half-width of what the meters may be off by, None where not known."""

    name: str
    n: int
    mean: float
    geometric_mean: float | None
    median: float
    sd: float | None
    least: float
    most: float
    band: float | None


def summary(side: Side, measure: str, values: Sequence[float]) -> Summary:
    """values: the measure's, of those runs that are compared."""
    column = parts_of(measure).band
    bands = [None if column is None else row.get(column) for row in side.rows]
    known = [band for band in bands if band is not None]
    return Summary(
        name=side.name,
        n=len(values),
        mean=fmean(values),
        geometric_mean=math.exp(fmean(map(math.log, values))) if min(values) > 0 else None,
        median=median(values),
        sd=stdev(values) if len(values) > 1 else None,
        least=min(values),
        most=max(values),
        band=fmean(known) if known and len(known) == len(bands) else None,
    )
