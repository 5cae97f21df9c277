"""Sources of energy on this machine, and the sampling of them.

`open_meters` finds them, `energyctl.meters.sampler.Sampler` samples them. A source of another
package is a subclass of `Source` behind an entry point of the group `energyctl.meters`.
"""

from __future__ import annotations

from energyctl.meters.base import Door, GpuProcess, GpuState, Reading, Source, Wanted
from energyctl.meters.capabilities import Row, describe, missing_kinds, why_null
from energyctl.meters.csv_files import write_cpu_energy
from energyctl.meters.discovery import open_meters

__all__ = [
    "Door",
    "GpuProcess",
    "GpuState",
    "Reading",
    "Row",
    "Source",
    "Wanted",
    "describe",
    "missing_kinds",
    "open_meters",
    "why_null",
    "write_cpu_energy",
]
