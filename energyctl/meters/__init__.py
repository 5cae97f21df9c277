"""Sources of energy on this machine, and the sampling of them.

`open_meters` finds them, `energyctl.meters.sampler.Sampler` samples them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from energyctl.meters.base import GpuState, Meter, Reading
from energyctl.meters.bounded import Bounded
from energyctl.meters.estimate import CpuEstimate
from energyctl.meters.files import write_cpu_energy
from energyctl.meters.nvml import NvmlMeter
from energyctl.meters.powercap import PowercapMeter
from energyctl.meters.selection import Known, named, visible
from energyctl.meters.survey import Row, describe, missing_kinds, why_null

__all__ = [
    "GpuState",
    "Meter",
    "Reading",
    "Row",
    "describe",
    "missing_kinds",
    "open_meters",
    "why_null",
    "write_cpu_energy",
]

POWERCAP_ROOT = Path("/sys/class/powercap")


def open_meters(
    *,
    gpus: Sequence[int | str] | None = None,
    powercap_root: Path = POWERCAP_ROOT,
) -> tuple[list[Meter], list[str]]:
    """All sources of this machine, and a warning for each thing that cannot be measured.

    gpus: indices or UUIDs; None: those in CUDA_VISIBLE_DEVICES, without it all. SettingsError
    for one that does not exist. CPU power is estimated only where no package can be measured.
    The environment variable ENERGYCTL_POWERCAP takes the place of /sys/class/powercap (for
    containers that see the host's /sys elsewhere). The caller closes the meters.
    """
    if powercap_root == POWERCAP_ROOT:
        powercap_root = Path(os.environ.get("ENERGYCTL_POWERCAP") or POWERCAP_ROOT)
    meters: list[Meter] = [Bounded(NvmlMeter(lambda known: _wanted(known, gpus)))]
    powercap = PowercapMeter(powercap_root)
    meters.insert(0, powercap)
    if not powercap.measures_packages:
        meters.append(CpuEstimate())
    return meters, _warnings(meters)


def _wanted(known: Known, gpus: Sequence[int | str] | None) -> Sequence[int]:
    if gpus is not None:
        return named(known, gpus)
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [index for index, _ in known] if value is None else visible(known, value)


def _warnings(meters: Sequence[Meter]) -> list[str]:
    """One line per reason, with all domains that it hits."""
    hit: dict[str, list[str]] = {}
    domains = [d for meter in meters for d in meter.domains()]
    for domain in domains:
        if domain.missing is not None:
            hit.setdefault(domain.missing, []).append(domain.name)
    lines = [f"not measured: {', '.join(names)}: {reason}" for reason, names in hit.items()]
    if any(not d.measured for d in domains):
        reason = meters[0].unavailable or "no CPU package can be read"
        lines.append(f"CPU energy is estimated, not measured: {reason}")
    return lines
