"""A figure with its uncertainty, or the reason why there is none. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Figure:
    """A figure and the half-width of its band; missing: why there is none. unit: of work."""

    value: float | None = None
    uncertainty: float | None = None
    missing: str | None = None
    unit: str | None = None


def added_up(parts: Iterable[float]) -> float:
    """Their sum; where that is more than numbers hold no number, of which :func:`sound` makes
    none."""
    try:
        return math.fsum(parts)
    except (OverflowError, ValueError):
        return math.nan


def scaled(parts: Sequence[float | None], factor: float = 1.0) -> float | None:
    """Their sum times a factor; None where one is not known."""
    known = [part for part in parts if part is not None]
    return added_up(known) * factor if len(known) == len(parts) else None


def sound(figure: Figure, *, ratio: bool = False) -> Figure:
    """The same, or none, where a result holds numbers that no run has: a ratio is above 0."""
    value, band = figure.value, figure.uncertainty
    if value is None:
        return figure
    if not math.isfinite(value) or (ratio and value <= 0):
        return Figure(missing="the result has numbers that cannot be")
    if band is not None and not (math.isfinite(band) and band >= 0):
        return replace(figure, uncertainty=None)
    return figure
