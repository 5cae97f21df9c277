"""The levels of a factor in words, as tables on a terminal and a page have them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from energyctl.analysis.grid_factors import FactorLevel, GridFactor
from energyctl.analysis.interference.means import Mean, figures
from energyctl.text import ENERGY_UNITS, energy_unit

if TYPE_CHECKING:
    from energyctl.analysis.compare import Comparison

NOTE = (
    "Geometric means over what all levels have: blocks, and values of other factors. Intervals (95 "
    "%) are over blocks that are alike; changes are those of comparisons. On the front: no other "
    "level takes as little energy and time, by the means."
)


@dataclass(frozen=True)
class FactorTable:
    """A row for each level. head: in lines; the first column is the level. spare: places of columns
    that may be left out, in that order."""

    head: Sequence[Sequence[str]]
    rows: Sequence[Sequence[str]]
    spare: Sequence[int] = (6, 3, 7)


def factor_table(factor: GridFactor) -> FactorTable:
    joules = energy_unit(level.joules.value for level in factor.levels)
    longest = max(level.seconds.value or 0.0 for level in factor.levels)
    seconds, scale = ("h", 3600.0) if longest >= 7200 else ("s", 1.0)
    estimated = ", estimated" * (not all(level.measured for level in factor.levels))
    named, _, last = factor.words.rpartition(" ")
    head = [
        [named, last] if named else [last],
        ["runs"],
        ["energy", f"({joules}{estimated})"],
        ["95 % interval", f"({joules})"],
        ["energy", f"against {factor.base}"],
        ["time", f"({seconds})"],
        ["95 % interval", f"({seconds})"],
        ["time", f"against {factor.base}"],
        ["on the", "front"],
    ]
    return FactorTable(head, [_row(level, ENERGY_UNITS[joules], scale) for level in factor.levels])


def _row(level: FactorLevel, joules: float, seconds: float) -> list[str]:
    return [
        level.name,
        _runs(level),
        *_mean(level.joules, joules),
        _change(level.energy),
        *_mean(level.seconds, seconds),
        _change(level.time),
        "yes" if level.front else "no",
    ]


def _runs(level: FactorLevel) -> str:
    """``5``; ``4 of 5`` where not all are in the means."""
    every = len(level.runs)
    return f"{every}" if level.used == every else f"{level.used} of {every}"


def _mean(mean: Mean, scale: float) -> tuple[str, str]:
    value, *edges = figures(mean, scale) or [""]
    return value, " to ".join(edges)


def _change(found: Comparison | None) -> str:
    """``-11.23 % (-11.70 to -10.76 %)``; empty of the level that others are compared with."""
    from energyctl.analysis.compare.cells import change_text, scale_of

    return "" if found is None else change_text(found, scale_of([found]))
