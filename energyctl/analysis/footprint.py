"""What runs used in kWh, and what that is in CO2e and money, by factors that the user states. Pure.

No factor is built in: that of a grid changes by place and hour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from energyctl.results.tables.footprint import JOULES_PER_KWH as JOULES_PER_KWH
from energyctl.results.tables.footprint import StatedFactors, metered, stated
from energyctl.results.tables.part import Part
from energyctl.text import count, first_of, number, with_uncertainty

if TYPE_CHECKING:
    from energyctl.results.api import Run

MOST_CAMPAIGNS = 3


@dataclass(frozen=True)
class Used:
    """joules: of all runs and phases that were metered, idle and cool-down included.

    uncertainty_joules: half-width of its band; None: not known. measured: no part of it is an
    estimate. lacking: runs of which a part is not known.
    """

    joules: float
    uncertainty_joules: float | None
    measured: bool
    lacking: int


def used(runs: Sequence[Run]) -> Used:
    """Each joule once: of the domains that are in the total."""
    found = [metered(Part(run.result)) for run in runs]
    bands = [one.uncertainty_joules for one in found if one.joules]
    return Used(
        math.fsum(one.joules for one in found),
        None if None in bands else math.fsum(band for band in bands if band is not None),
        all(one.measured for one in found if one.joules),
        sum(not one.whole for one in found),
    )


@dataclass(frozen=True)
class Footprint:
    """Of runs with the same factors, and what they used (:class:`Used`). The band is of the energy
    alone: factors have none.

    runs: how many. campaigns: theirs, where there are runs with other factors.
    """

    factors: StatedFactors
    joules: float
    uncertainty_joules: float | None
    runs: int
    measured: bool = True
    lacking: int = 0
    campaigns: tuple[str, ...] = ()

    @property
    def kwh(self) -> str:
        """``1.240 ± 0.012``; without a band three digits."""
        return self._scaled(1 / JOULES_PER_KWH)

    @property
    def co2e(self) -> str | None:
        """``471.2 ± 4.6 g``, ``12.4 kg``."""
        grams_per_kwh = self.factors.co2e_grams_per_kwh
        if grams_per_kwh is None:
            return None
        grams = grams_per_kwh / JOULES_PER_KWH
        if self.joules * grams >= 1e3:
            return f"{self._scaled(grams / 1e3)} kg"
        return f"{self._scaled(grams)} g"

    @property
    def cost(self) -> str | None:
        """``0.3720 ± 0.0036 EUR``; without a band to the hundredth."""
        price = self.factors.price_per_kwh
        if price is None:
            return None
        per_joule = price / JOULES_PER_KWH
        band = self.uncertainty_joules
        amount = money(self.joules * per_joule) if band is None else self._scaled(per_joule)
        return f"{amount}{self.unit}"

    @property
    def unit(self) -> str:
        return f" {self.factors.currency}" if self.factors.currency else ""

    @property
    def factors_bandless(self) -> bool:
        """Whether a band is shown beside factors that have none."""
        return self.uncertainty_joules is not None and (self.co2e or self.cost) is not None

    @property
    def sources(self) -> list[str]:
        """In words, of each factor that has one."""
        known = (self.factors.co2e_source, self.factors.price_source)
        return list(dict.fromkeys(source for source in known if source))

    def _scaled(self, factor: float) -> str:
        band = self.uncertainty_joules
        if band is None:
            return number(self.joules * factor, 3)
        return " ± ".join(with_uncertainty(self.joules * factor, band * factor))


def footprints(
    runs: Sequence[Run],
    grams_per_kwh: float | None = None,
    price: tuple[float, str] | None = None,
) -> list[Footprint]:
    """Of runs with the same factors one each; none where no factor is stated.

    grams_per_kwh, price (with its currency): stated now, in place of what the settings say.
    """
    groups: dict[StatedFactors, list[Run]] = {}
    for run in runs:
        factors = stated(Part(run.result))
        if grams_per_kwh is not None:
            factors = replace(factors, co2e_grams_per_kwh=grams_per_kwh, co2e_source=None)
        if price is not None:
            factors = replace(
                factors, price_per_kwh=price[0], currency=price[1] or None, price_source=None
            )
        groups.setdefault(factors, []).append(run)
    if set(groups) <= {StatedFactors()}:
        return []
    return [_of(factors, members, len(groups) > 1) for factors, members in groups.items()]


def _of(factors: StatedFactors, runs: Sequence[Run], beside: bool) -> Footprint:
    of = used(runs)
    return Footprint(
        factors,
        of.joules,
        of.uncertainty_joules,
        len(runs),
        of.measured,
        of.lacking,
        tuple(dict.fromkeys(run.campaign or "no campaign" for run in runs)) if beside else (),
    )


def brief(one: Footprint) -> str:
    """A line for the end of a campaign."""
    estimated = "" if one.measured else ", a part of it estimated"
    lacking = f"; of {count(one.lacking, 'run')} a part is not known" if one.lacking else ""
    of = f" of {first_of(one.campaigns, MOST_CAMPAIGNS)}" if one.campaigns else ""
    return f"all metered phases{of} took {one.kwh} kWh{estimated}{_factors(one)}{lacking}"


def sentence(one: Footprint) -> str:
    """One line to be quoted: energy, CO2e and cost, and what is in the sum."""
    who = "These runs"
    if one.campaigns:
        who = f"{count(one.runs, 'run')} of {first_of(one.campaigns, MOST_CAMPAIGNS)}"
    of = "measured energy" if one.measured else "energy, a part of it estimated"
    band = " The ± is of the energy alone; factors are taken as stated." * one.factors_bandless
    lacking = f"; of {count(one.lacking, 'run')} a part is not known and not in it"
    return (
        f"{who} used {one.kwh} kWh of {of}{_factors(one)}.{band} In it: all phases that were "
        "metered, idle and cool-down included; not in it: what no meter here sees, such as power "
        f"supplies, fans and disks{lacking if one.lacking else ''}."
    )


def _factors(one: Footprint) -> str:
    """``: 471 g CO2e at 380 g/kWh, as stated by the user (SOURCE)``."""
    parts = []
    if one.co2e is not None:
        parts.append(f"{one.co2e} CO2e at {number(one.factors.co2e_grams_per_kwh or 0.0)} g/kWh")
    if one.cost is not None:
        parts.append(f"{one.cost} at {money(one.factors.price_per_kwh or 0.0)}{one.unit} per kWh")
    if not parts:
        return ""
    sources = f" ({'; '.join(one.sources)})" if one.sources else ""
    return f": {', '.join(parts)}, as stated by the user{sources}"


def money(amount: float) -> str:
    """To the hundredth, and small amounts to two digits."""
    return f"{amount:.2f}" if amount >= 0.1 else number(amount, 2)
