"""NVIDIA Jetson: the rails that INA3221 monitors on its module measure.

Documentation/hwmon/ina3221.rst: `in{n}_input` is the voltage in millivolts, `curr{n}_input` the
current in milliamperes, `in{n}_label` the rail. Which rail holds which is told by the NVIDIA Jetson
Linux Developer Guide, "Power and Performance", for each module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from energyctl.energy import Domain, Kind
from energyctl.meters.hwmon.sensors import Device, Sensor, open_sensor

DRIVER = "ina3221"
GPU_PART = "board/gpu"
"""The part (`Domain.part`) that a Jetson's GPU is: NVML lists it, and may not tell its power."""


@dataclass(frozen=True)
class Rail:
    """What a rail feeds. part: as in `Domain`."""

    kind: Kind
    part: str


# The whole module's input: VDD_IN of Orin NX, Orin Nano, Xavier NX, TX2; POM_5V_IN of Nano, TX1.
INPUTS = ("VDD_IN", "POM_5V_IN")
INPUT = Rail("other", GPU_PART)
# Modules without one: the rails that together are the module.
RAILS = {
    # AGX Orin. VIN_SYS_5V0 holds VDDQ_VDD2_1V8AO.
    "VDD_GPU_SOC": Rail("gpu", GPU_PART),
    "VDD_CPU_CV": Rail("cpu", "package-0"),
    "VIN_SYS_5V0": Rail("other", "board/5v"),
    # AGX Xavier (Design Guide DG-09840-001, figure 5-14: six taps beside each other). Its GPU may
    # be off, and then truly draws nothing.
    "GPU": Rail("other", GPU_PART),
    "CPU": Rail("cpu", "package-0"),
    "SOC": Rail("other", "board/soc"),
    "CV": Rail("other", "board/cv"),
    "VDDRQ": Rail("other", "board/ddr"),
    "SYS5V": Rail("other", "board/5v"),
}
# Parts of those, or of the carrier board.
BESIDE = (
    "VDDQ_VDD2_1V8AO",
    "VDD_CPU_GPU_CV", "VDD_SOC", "VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_SYS_CPU", "VDD_SYS_DDR",
    "POM_5V_GPU", "POM_5V_CPU",
    "VDD_MUX", "VDD_5V0_IO_SYS", "VDD_3V3_SYS", "VDD_3V3_IO_SLP", "VDD_1V8_IO", "VDD_M2_IN",
    "CVB_ATX_12V", "CVB_ATX_3V3", "CVB_ATX_5V",
)  # fmt: skip
NOT_CONNECTED = "NC"
# Texas Instruments, INA3221 (SBOS576): a unit is 40 uV across the shunt and 8 mV on the bus; the
# offset is up to two units, the gain off by up to 0.25 %. The shunts of Jetsons are of 1 %.
SHUNT_MICROVOLTS, BUS_VOLTS, OFFSET_UNITS, GAIN = 40.0, 0.008, 2, 0.0125
SHUNT_MICROOHMS = 5000  # of most modules, where it is not told
# Twice what the largest module draws (Jetson Thor: 130 W).
MAX_WATTS = 260.0
# The monitor converts one channel after the other; where it does not tell how long that takes.
UPDATE_SECONDS = 0.01


def open_rails(found: Sequence[Device]) -> tuple[list[Sensor], list[str]]:
    """The rails, those in the total first, and a warning where one is not known."""
    channels = [
        (device, channel, _label(device, channel))
        for device in found
        if device.name == DRIVER
        for (channel,) in device.numbered(r"curr([123])_input")
        if device.number(f"in{channel}_enable") != 0
    ]
    channels = [one for one in channels if one[2] != NOT_CONNECTED]
    labels = [label for _, _, label in channels]
    inputs = {label: INPUT for label in INPUTS if label in labels}
    counted = inputs or RAILS
    sensors = [_open(*one, counted.get(one[2])) for one in channels]
    unknown = [label for label in labels if label not in (*INPUTS, *RAILS, *BESIDE)]
    return sorted(sensors, key=lambda s: not s.domain.in_total), _warnings(unknown)


def _label(device: Device, channel: int) -> str:
    label = device.text(f"in{channel}_label") or f"{DRIVER}-{device.address}-{channel}"
    return re.sub(r"[^\w.:-]+", "-", label)


def _warnings(unknown: Sequence[str]) -> list[str]:
    if not unknown:
        return []
    return [
        f"it is not known what the rails {', '.join(unknown)} ({DRIVER}) feed: they are shown"
        " beside the total, not in it"
    ]


def _open(device: Device, channel: int, label: str, rail: Rail | None) -> Sensor:
    volts = (device.number(f"in{channel}_input") or 0) / 1000
    shunt = device.number(f"shunt{channel}_resistor") or SHUNT_MICROOHMS
    seconds = (device.number("update_interval") or 0) / 1000 or UPDATE_SECONDS
    domain = Domain(
        label,
        rail.kind if rail else "other",
        f"hwmon {DRIVER}",
        in_total=rail is not None,
        quantity="power",
        max_watts=MAX_WATTS,
        resolution_watts=(1 + 2 * OFFSET_UNITS) * SHUNT_MICROVOLTS / shunt * volts,
        update_seconds=seconds,
        averaging_seconds=seconds,
        relative_uncertainty=GAIN + (BUS_VOLTS / 2 / volts if volts else 0.0),
        part=rail.part if rail else None,
    )
    paths = [device.folder / f"curr{channel}_input", device.folder / f"in{channel}_input"]
    always = rail is INPUT
    return open_sensor(domain, paths, lambda numbers: _watts(numbers, always))


def _watts(numbers: Sequence[int], always_draws: bool) -> float:
    """ValueError where nothing can be connected."""
    milliamperes, millivolts = numbers
    if not millivolts:
        raise ValueError("it has no voltage")
    if always_draws and milliamperes <= 0:
        raise ValueError(f"it tells {milliamperes} mA, and the module always draws some")
    return milliamperes * millivolts / 1e6
