"""Intel GPUs: the energy that the drivers xe (Linux 6.5) and i915 (6.2) count of discrete cards.

Documentation/ABI/testing/sysfs-driver-intel-xe-hwmon and -i915-hwmon: `energy1_input` is of the
card, `energy2_input` of the package on it, in microjoules. What one card shows depends on it and on
the driver: only the package's for an Arc A770 under xe. A card has one folder named "xe" or
"i915"; "i915_gt0" and the like are its parts. Integrated GPUs have none: RAPL's package has them.

The drivers add up a 32-bit register (2^-14 J) when they are read, drivers/gpu/drm/xe/xe_hwmon.c:
read less often than each 4.36 minutes at 1000 W, a turn of the register is lost. A read wakes a
card that sleeps. A failed read of a Battlemage's telemetry is told as 0.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from energyctl.energy import Check, Domain
from energyctl.meters.hwmon.sensors import Device, Sensor, open_sensor
from energyctl.meters.kernel_counters import RESOLUTION_JOULES, UPDATE_SECONDS
from energyctl.meters.self_test import Look, self_test

# By driver: the labels of its channels, where it tells none.
LABELS = {"xe": ("card", "pkg"), "i915": ("device", "pkg")}
# Where no limit is stated: twice what the largest draws (Data Center GPU Max 1550: 600 W).
MAX_WATTS = 1200.0
# How often a counter moves is not documented. One that moves between most looks is as fine as
# RAPL's; any other may be as coarse as this, and the sampler measures its real steps.
LOOKS, LOOK_SECONDS, MOST = 40, 0.001, 0.5
COARSE_SECONDS = 0.1


def open_cards(found: Sequence[Device], *, in_total: bool) -> list[Sensor]:
    """Of each card its counters: the first is in the total, unless none is to be."""
    sensors: list[Sensor] = []
    for device in found:
        if device.name in LABELS:
            sensors += _counters(device, device.name, in_total)
    readable = [sensor for sensor in sensors if sensor.files]
    _measure_pace(readable)
    for sensor, check in zip(readable, self_test([_Counter(s) for s in readable]), strict=True):
        _judge(sensor, check)
    return sensors


def _counters(device: Device, driver: str, in_total: bool) -> list[Sensor]:
    address = device.address
    sensors: list[Sensor] = []
    for (channel,) in device.numbered(r"energy([12])_input"):
        label = device.text(f"energy{channel}_label") or LABELS[driver][channel - 1]
        counted = in_total and not sensors
        name, part = f"{driver}-{address}", f"gpu/{address}"
        domain = Domain(
            name if not sensors else f"{name}-{label}",
            "gpu" if counted else "other",
            f"hwmon {driver} {label}",
            in_total=counted,
            resolution_joules=RESOLUTION_JOULES,
            max_watts=_most_watts(device),
            part=part if not sensors else f"{part}/{label}",
        )
        path = device.folder / f"energy{channel}_input"
        sensors.append(open_sensor(domain, [path], _joules))
    return sensors


def _joules(numbers: Sequence[int]) -> float:
    return numbers[0] / 1e6


def _most_watts(device: Device) -> float:
    """Twice the highest limit that is stated, since short bursts go over it."""
    stated = [
        device.number(f"power{channel}_{limit}") or 0
        for limit in ("rated_max", "max", "cap")
        for (channel,) in device.numbered(rf"power(\d)_{limit}")
    ]
    return 2 * max(stated, default=0) / 1e6 or MAX_WATTS


def _measure_pace(readable: Sequence[Sensor]) -> None:
    """Looks densely whether the counters are fine."""
    if not readable:
        return
    looks = []
    for _ in range(LOOKS):
        looks.append([sensor.read().value for sensor in readable])
        time.sleep(LOOK_SECONDS)
    for sensor, values in zip(readable, zip(*looks, strict=True), strict=True):
        fine = sum(a != b for a, b in pairwise(values)) > MOST * LOOKS
        pace = UPDATE_SECONDS if fine else COARSE_SECONDS
        sensor.domain = replace(sensor.domain, update_seconds=pace)


@dataclass(frozen=True)
class _Counter:
    """A card for the self-test: it tells no power that its counter could be held against."""

    sensor: Sensor
    averaging_seconds: float = 0.0

    def look(self) -> Look:
        reading = self.sensor.read()
        return Look(reading.time, reading.value, None, None)


def _judge(sensor: Sensor, check: Check) -> None:
    """Keeps the verdict; nothing stands in for a counter that is refused."""
    most = sensor.domain.max_watts
    if most and check.counter_watts and check.counter_watts > 2 * most:
        check = Check("start", "refused", "limit", check.counter_watts, most)
    sensor.domain = replace(sensor.domain, checks=(check,))
    if check.verdict == "refused":
        cure = f'if it does not matter, "leave_out": ["{sensor.domain.name}"] in the settings'
        sensor.refuse(f"{check.words}; {cure}")
