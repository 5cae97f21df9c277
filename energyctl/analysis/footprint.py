"""What runs used in kWh, and what that is in CO2e and money, by factors that the user states. Pure.

No factor is built in: that of a grid changes by place and hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from energyctl.text import count, number

if TYPE_CHECKING:
    from energyctl.results.api import Run

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Used:
    """joules: of all runs and phases that were metered, idle and cool-down included.

    measured: no part of it is an estimate. lacking: runs of which a part is not known.
    """

    joules: float
    measured: bool
    lacking: int


def used(runs: Sequence[Run]) -> Used:
    """Each joule once: of the domains that are in the total."""
    joules, lacking = 0.0, 0
    for run in runs:
        known, whole = _of_run(run)
        joules, lacking = joules + known, lacking + (not whole)
    measured = all(run.energy.measured for run in runs if run.energy and _of_run(run)[0])
    return Used(joules, measured, lacking)


def _of_run(run: Run) -> tuple[float, bool]:
    """Joules, and whether all of them are known. A run without phases was imported: its training
    alone was metered."""
    energy = run.energy
    if energy is None:
        return 0.0, not run.phases
    if not run.phases:
        return energy.total_joules or 0.0, energy.total_joules is not None
    counted = [domain.name for domain in energy.domains if domain.in_total]
    found = [phase.joules.get(name) for phase in run.phases for name in counted]
    return math.fsum(one for one in found if one is not None), bool(found) and None not in found


def footprint_line(
    joules: float,
    measured: bool,
    grams_per_kwh: float | None,
    price_per_kwh: float | None,
    currency: str = "",
    *,
    lacking: int = 0,
) -> str:
    """One line to be quoted: energy, CO2e and cost, and what is in the sum.

    lacking: as in :class:`Used`.
    """
    kwh = joules / JOULES_PER_KWH
    of = "measured energy" if measured else "energy, a part of it estimated"
    parts = []
    if grams_per_kwh is not None:
        parts.append(f"{_mass(kwh * grams_per_kwh)} CO2e at {number(grams_per_kwh)} g/kWh")
    if price_per_kwh is not None:
        unit = f" {currency}" if currency else ""
        cost = f"{_money(kwh * price_per_kwh)}{unit}"
        parts.append(f"{cost} at {_money(price_per_kwh)}{unit} per kWh")
    factors = f": {', '.join(parts)}" if parts else ""
    left = f"; of {count(lacking, 'run')} a part is not known and not in it" if lacking else ""
    return (
        f"These runs used {number(kwh, 3)} kWh of {of}{factors}. In it: all phases that were "
        "metered, idle and cool-down included; not in it: what no meter here sees, such as power "
        f"supplies, fans and disks{left}."
    )


def _mass(grams: float) -> str:
    return f"{number(grams / 1e3, 3)} kg" if grams >= 1e3 else f"{number(grams, 3)} g"


def _money(amount: float) -> str:
    """To the hundredth, and small amounts to two digits."""
    return f"{amount:.2f}" if amount >= 0.1 else number(amount, 2)
