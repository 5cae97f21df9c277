"""Facts about AMD GPUs and their driver."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from energyctl.meters.amdsmi.device import watts_of
from energyctl.meters.amdsmi.known import KnownGpu, known_gpus
from energyctl.meters.amdsmi.library import AmdError, Library
from energyctl.meters.makers import first_amd_index


def gpu_facts(pci_root: Path) -> list[dict[str, Any]]:
    """As those of NVIDIA GPUs, without what AMD's do not have. Raises AmdError."""
    library = Library()
    try:
        known = known_gpus(library, pci_root, first_amd_index())
        return [_facts(library, gpu) for gpu in known if not gpu.integrated]
    finally:
        library.close()


def _facts(library: Library, gpu: KnownGpu) -> dict[str, Any]:
    def told(function: str) -> Mapping[str, Any]:
        try:
            return dict(library.ask(function, gpu.handle))
        except AmdError:
            return {}

    return {
        "index": gpu.index,
        "name": gpu.name,
        "uuid": gpu.uuid or None,
        "driver": told("amdsmi_get_gpu_driver_info").get("driver_version") or None,
        "vbios": told("amdsmi_get_gpu_vbios_info").get("version") or None,
        "power_limit_watts": watts_of(told("amdsmi_get_power_cap_info").get("power_cap")),
        "persistence_mode": None,
        "accounting_mode": None,
    }
