"""Whether there is an NVIDIA GPU, whatever the driver's library says."""

from __future__ import annotations

from pathlib import Path

from energyctl.meters.hwmon.jetson import GPU_PART

# README of the NVIDIA Linux driver: each GPU has a folder there.
KERNEL = Path("/proc/driver/nvidia/gpus")
DEVICES = Path("/dev")
PCI = Path("/sys/bus/pci/devices")
NVIDIA, DISPLAY = "0x10de", "0x03"  # pci.ids: the vendor, the base class of GPUs
# Documentation/ABI/testing/sysfs-firmware-ofw: what board this is, as strings that end with 0.
BOARD, JETSON = Path("/proc/device-tree/compatible"), "nvidia,tegra"


def evidence() -> str | None:
    """The first thing that shows a GPU: one that draws power, whether or not it can be asked.

    /dev/dxg is the GPU of the Windows around WSL.
    """
    nodes = [*KERNEL.glob("*"), *DEVICES.glob("nvidia*"), *DEVICES.glob("dxg")]
    devices = (device for device in PCI.glob("*") if _is_gpu(device))
    found = next(iter(nodes), None) or next(devices, None)
    return None if found is None else str(found)


def board_part() -> str | None:
    """The part that the GPU is of the board that this machine is; None: it is a card."""
    try:
        names = BOARD.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return GPU_PART if any(name.startswith(JETSON) for name in names) else None


def _is_gpu(device: Path) -> bool:
    try:
        vendor, kind = ((device / name).read_text(encoding="ascii") for name in ("vendor", "class"))
    except OSError:
        return False
    return vendor.strip() == NVIDIA and kind.startswith(DISPLAY)
