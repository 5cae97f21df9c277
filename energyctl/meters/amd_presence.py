"""AMD GPUs as the kernel lists them, whatever the driver's library says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from energyctl.meters.kernel_files import text

VENDOR = "0x1002"  # pci.ids
# Base classes: display controllers (Radeon, Instinct up to MI200), processing accelerators (MI300).
# Server boards have VGA consoles of that vendor, too: those only with the driver `amdgpu`.
DISPLAY, ACCELERATOR, NO_MONITOR = "0x03", "0x12", "0x0380"


def pci_root() -> Path:
    """ENERGYCTL_PCI takes the place of /sys/bus/pci/devices."""
    return Path(os.environ.get("ENERGYCTL_PCI") or "/sys/bus/pci/devices")


def cards(pci_root: Path) -> list[str]:
    """PCI addresses of the GPUs that draw power of their own; pci_root: /sys/bus/pci/devices."""
    return [device.name for device in _gpus(pci_root) if not is_integrated(device)]


def _gpus(pci_root: Path) -> Iterator[Path]:
    for device in sorted(pci_root.glob("*")):
        if text(device / "vendor") != VENDOR:
            continue
        kind = text(device / "class") or ""
        driven = (device / "driver").resolve().name == "amdgpu"
        if kind.startswith((ACCELERATOR, NO_MONITOR)) or (driven and kind.startswith(DISPLAY)):
            yield device


def is_integrated(device: Path) -> bool:
    """Whether it is a part of a CPU, whose package counter has its energy.

    Those alone, but for MI300A, tell the voltage "vddnb" (Linux, amdgpu_pm.c,
    hwmon_attributes_visible).
    """
    return any(text(label) == "vddnb" for label in device.glob("hwmon/hwmon*/in1_label"))
