"""Samples and phases in, joules with their uncertainty out. Reads no file and no clock.

A sampler feeds one `Series` per `Domain`; a `Recording` of them answers for the energy of any
interval. What cannot be known is None with a reason, never 0.
"""

from __future__ import annotations

from energyctl.energy.baseline import Baseline, EnergyAboveBaseline, above, baseline_of, doubtful
from energyctl.energy.counter_series import CounterSeries
from energyctl.energy.domain import (
    CAUSES,
    Domain,
    DomainEnergy,
    Energy,
    Phase,
    Quantity,
    SamplerStatistics,
    count_once,
)
from energyctl.energy.power_series import PowerSeries
from energyctl.energy.recording import Recording, Ticks, series_for
from energyctl.energy.schema import Kind
from energyctl.energy.series import Series, Span

__all__ = [
    "CAUSES",
    "Baseline",
    "CounterSeries",
    "Domain",
    "DomainEnergy",
    "Energy",
    "EnergyAboveBaseline",
    "Kind",
    "Phase",
    "PowerSeries",
    "Quantity",
    "Recording",
    "SamplerStatistics",
    "Series",
    "Span",
    "Ticks",
    "above",
    "baseline_of",
    "count_once",
    "doubtful",
    "series_for",
]
