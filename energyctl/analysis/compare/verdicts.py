"""What may be said of an effect: verdicts, with corrections for several comparisons. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from energyctl.analysis.compare.contrasts import Effect, below

Verdict = Literal[
    "more than the margin",
    "less by more than the margin",
    "differs, within the margin",
    "differs",
    "alike within the margin",
    "no more than the margin",
    "open",
    "too few",
    "confounded with time",
]


@dataclass(frozen=True)
class MarginPs:
    """One-sided p of what may be said of an effect beside a margin; None where it has no p.

    at_most: that it is below +margin. at_least: above -margin. more: above +margin. less: below
    -margin.
    """

    at_most: float | None
    at_least: float | None
    more: float | None
    less: float | None


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Adjusted for how many are known [Holm 1979, Scandinavian Journal of Statistics 6:65-70]."""
    known = sorted((p, index) for index, p in enumerate(ps) if p is not None)
    adjusted, largest = list[float | None]([None] * len(ps)), 0.0
    for rank, (p, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[index] = largest
    return adjusted


def margin_ps(found: Effect, margin: float) -> tuple[float | None, float | None]:
    """One-sided p that the effect is below +margin, and that it is above -margin."""
    if found.p is None or found.error is None or found.freedom is None:
        return None, None
    at_most = below((found.mean - margin) / found.error, found.freedom)
    return at_most, below((-found.mean - margin) / found.error, found.freedom)


def holm_margins(effects: Sequence[Effect], margin: float) -> list[MarginPs]:
    """Each effect's four one-sided p, with Holm's correction over the effects for each of them."""
    ps = [margin_ps(found, margin) for found in effects]
    at_most, at_least = [p for p, _ in ps], [p for _, p in ps]
    columns = (at_most, at_least, _opposite(at_most), _opposite(at_least))
    return [MarginPs(*row) for row in zip(*map(holm, columns), strict=True)]


def _opposite(ps: Sequence[float | None]) -> list[float | None]:
    return [None if p is None else 1 - p for p in ps]


def verdict(
    found: Effect,
    p_adjusted: float | None,
    alpha: float,
    margin: float | None,
    margins: MarginPs | None = None,
) -> Verdict:
    """By the two-sided p as it is corrected, and by one-sided ones where there is a margin, on the
    scale of the effect. margins: those of a family, corrected; without, those of this effect alone.
    """
    if found.p is None or p_adjusted is None:
        return "open" if found.error == 0 else "too few"
    differs = p_adjusted <= alpha
    if margin is not None:
        beside = _beside_margin(margins or holm_margins([found], margin)[0], alpha, differs)
        if beside is not None:
            return beside
    return "differs" if differs else "open"


def _beside_margin(ps: MarginPs, alpha: float, differs: bool) -> Verdict | None:
    at_most, at_least, more, less = (
        p is not None and p < alpha for p in (ps.at_most, ps.at_least, ps.more, ps.less)
    )
    if more:
        return "more than the margin"
    if less:
        return "less by more than the margin"
    if at_most and at_least:
        return "differs, within the margin" if differs else "alike within the margin"
    return "no more than the margin" if at_most and not differs else None
