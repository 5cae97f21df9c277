"""Samples and phases in, joules with their uncertainty out. Reads no file and no clock.

A sampler feeds one `Series` per `Domain`; a `Recording` of them answers for the energy of any
interval. What cannot be known is None with a reason, never 0.
"""

from __future__ import annotations

from energyctl.energy.acceptance import Acceptance
from energyctl.energy.baseline import Baseline, EnergyAboveBaseline, above, baseline_of, doubtful
from energyctl.energy.block_power import Block, deviation, equal_blocks, joined
from energyctl.energy.checks import Band, Check, against_power
from energyctl.energy.counter_series import CounterSeries
from energyctl.energy.device_states import CpuClocks, DeviceStates, GpuClocks
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
from energyctl.energy.schema import Kind, Limit
from energyctl.energy.series import Series, Span
from energyctl.energy.told_power import ToldPower

__all__ = [
    "CAUSES",
    "Acceptance",
    "Band",
    "Baseline",
    "Block",
    "Check",
    "CounterSeries",
    "CpuClocks",
    "DeviceStates",
    "Domain",
    "DomainEnergy",
    "Energy",
    "EnergyAboveBaseline",
    "GpuClocks",
    "Kind",
    "Limit",
    "Phase",
    "PowerSeries",
    "Quantity",
    "Recording",
    "SamplerStatistics",
    "Series",
    "Span",
    "Ticks",
    "ToldPower",
    "above",
    "against_power",
    "baseline_of",
    "count_once",
    "deviation",
    "doubtful",
    "equal_blocks",
    "joined",
    "series_for",
]
