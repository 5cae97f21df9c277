"""What a run took in kWh, all of its metered phases together, and what that is in CO2e and money by
the factors that its settings stated. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

from energyctl.results.tables.columns import Row
from energyctl.results.tables.part import Part

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class StatedFactors:
    """Factors as the user stated them, each with its source in words; None: not stated."""

    co2e_grams_per_kwh: float | None = None
    co2e_source: str | None = None
    price_per_kwh: float | None = None
    currency: str | None = None
    price_source: str | None = None


@dataclass(frozen=True)
class Metered:
    """Energy of all phases, of what is in the total.

    whole: no part of it is unknown. uncertainty_joules: half-width of its band; None: not known.
    measured: no part of it is an estimate.
    """

    joules: float
    uncertainty_joules: float | None
    whole: bool
    measured: bool


def metered(result: Part) -> Metered:
    """Each joule once. A run without phases was imported: its training alone was metered."""
    energy = result.part("energy")
    phases = list(result.parts("phases"))
    measured = energy.flag("measured") is not False
    if not energy.names():
        return Metered(0.0, None, False, measured)
    if not phases:
        joules = energy.number("total_joules")
        return Metered(
            joules or 0.0, energy.number("uncertainty_joules"), joules is not None, measured
        )
    counted = [str(one.text("name")) for one in energy.parts("domains") if one.flag("in_total")]
    found, bands = list[float | None](), list[float | None]()
    for phase in phases:
        joules_of, bands_of = phase.numbers("joules"), phase.numbers("uncertainty_joules")
        found += [joules_of.get(name) for name in counted]
        bands += [bands_of.get(name) for name in counted if joules_of.get(name) is not None]
    return Metered(
        fsum(one for one in found if one is not None),
        None if None in bands else fsum(one for one in bands if one is not None),
        bool(found) and None not in found,
        measured,
    )


def stated(result: Part) -> StatedFactors:
    """By the settings of its campaign, which the result holds."""
    factors = result.part("footprint_factors")
    co2e, price = factors.part("co2e_grams_per_kwh"), factors.part("price_per_kwh")
    return StatedFactors(
        co2e.number("value"),
        co2e.text("source"),
        price.number("value"),
        price.text("currency"),
        price.text("source"),
    )


def footprint_row(result: Part) -> Row:
    """Its columns of the table of runs."""
    of, factors = metered(result), stated(result)
    kwh = of.joules / JOULES_PER_KWH if of.whole else None
    band = of.uncertainty_joules
    return {
        "metered_kwh": kwh,
        "metered_uncertainty_kwh": None if kwh is None or band is None else band / JOULES_PER_KWH,
        "co2e_grams": _times(kwh, factors.co2e_grams_per_kwh),
        "co2e_grams_per_kwh": factors.co2e_grams_per_kwh,
        "co2e_source": factors.co2e_source,
        "cost": _times(kwh, factors.price_per_kwh),
        "price_per_kwh": factors.price_per_kwh,
        "currency": factors.currency,
        "price_source": factors.price_source,
    }


def _times(kwh: float | None, factor: float | None) -> float | None:
    return None if kwh is None or factor is None else kwh * factor
