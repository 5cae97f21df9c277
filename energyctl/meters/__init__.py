"""Sources of energy on this machine, and the sampling of them.

`open_meters` finds them, `energyctl.meters.sampler.Sampler` samples them. A source of another
package is a subclass of `Source` behind an entry point of the group `energyctl.meters`.
"""

from __future__ import annotations

from energyctl.meters.base import (
    GpuProcess,
    GpuState,
    NotReported,
    Opener,
    OpenRequest,
    ProcessUtilization,
    Reading,
    Source,
    Utilization,
)
from energyctl.meters.busy import Busy, BusyProcess, DeviceLook, GpuBusy
from energyctl.meters.capabilities import (
    Row,
    Together,
    describe,
    missing_kinds,
    together,
    why_null,
)
from energyctl.meters.csv_files import write_cpu_energy
from energyctl.meters.discovery import open_meters

# Names of earlier versions, for plug-ins.
Door, Wanted = Opener, OpenRequest

__all__ = [
    "Busy",
    "BusyProcess",
    "DeviceLook",
    "Door",
    "GpuBusy",
    "GpuProcess",
    "GpuState",
    "NotReported",
    "OpenRequest",
    "Opener",
    "ProcessUtilization",
    "Reading",
    "Row",
    "Source",
    "Together",
    "Utilization",
    "Wanted",
    "describe",
    "missing_kinds",
    "open_meters",
    "together",
    "why_null",
    "write_cpu_energy",
]
