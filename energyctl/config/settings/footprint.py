"""What a kWh is in CO2e, and what it costs: factors that the user states. None is built in, since
that of a grid changes by place and hour."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from energyctl.config.jsonfile.validation import Name, Strict

LARGEST = 1e6
Factor = Annotated[float, Field(ge=0, le=LARGEST, allow_inf_nan=False)]


def _shape(value: Any) -> str:
    return "<object>" if isinstance(value, dict | Strict) else "<number>"


class Co2e(Strict):
    """Grams of CO2e for each kWh."""

    value: Factor
    source: Name | None = None
    """Where it comes from, in words: it is shown wherever the factor is used."""


class Price(Strict):
    """The price of a kWh."""

    value: Factor
    currency: Annotated[Name, Field(max_length=8)] | None = None
    """As EUR."""
    source: Name | None = None
    """Where it comes from, in words: it is shown wherever the price is used."""


Co2eGiven = Annotated[
    Annotated[Factor, Tag("<number>")] | Annotated[Co2e, Tag("<object>")], Discriminator(_shape)
]
PriceGiven = Annotated[
    Annotated[Factor, Tag("<number>")] | Annotated[Price, Tag("<object>")], Discriminator(_shape)
]
