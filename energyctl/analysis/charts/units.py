"""The unit that an axis of energies is labelled in; the rows stay in joules."""

from __future__ import annotations

from collections.abc import Iterable

from energyctl.results.tables import Row

FACTORS = {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9}


def energy_unit(rows: Iterable[Row], name: str = "joules") -> str:
    """The unit in which the greatest figure of column *name* is read easily."""
    greatest = max((abs(row.get(name) or 0.0) for row in rows), default=0.0)
    fitting = [unit for unit, factor in FACTORS.items() if greatest >= 2 * factor]
    return fitting[-1] if fitting else "J"


def in_unit(unit: str) -> str:
    """A Vega expression: an axis value in joules, in *unit*."""
    return f"format(datum.value / {FACTORS[unit]:.0f}, ',.12~g')"
