"""Sensors of the kernel's class hwmon that tell the energy or power of GPUs, CPUs and modules.

Which of them are used, and what they count, is in the files beside this one: Intel GPUs, NVIDIA
Grace and its superchips, NVIDIA Jetson. Nothing is opened of any other device.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from energyctl.energy import Domain
from energyctl.meters.base import OpenRequest, Reading, Source, doubts
from energyctl.meters.hwmon import grace, intel, jetson
from energyctl.meters.hwmon.sensors import Sensor, devices


def open_source(request: OpenRequest) -> HwmonSource | None:
    """None where there is no such sensor."""
    source = HwmonSource(request)
    return source if source.domains() or source.unavailable else None


class HwmonSource(Source):
    """Descriptors of the sensors' files stay open.

    A read of an ACPI power meter asks the firmware, and one of an INA3221 waits for its next
    conversion, which may take milliseconds.
    """

    name = "hwmon"
    quick = True

    def __init__(self, request: OpenRequest) -> None:
        self.unavailable: str | None = None
        found = devices(request.hwmon_root)
        meters = grace.power_meters(found)
        asked = request.gpus is None or bool(request.gpus)
        rails, warnings = jetson.open_rails(found)
        sockets = grace.open_sockets(meters, request.measured, gpus=not request.no_gpu)
        # "gpus" names GPUs of the NVIDIA driver: where it does, no other was asked for.
        cards = intel.open_cards(found, in_total=request.gpus is None) if asked else []
        self._sensors: list[Sensor] = [*cards, *sockets, *rails]
        doubted = [line for card in cards for line in doubts(card.domain.name, card.domain)]
        self.warnings = [*warnings, *grace.warnings(meters, request.measured), *doubted]
        if not meters:
            self.unavailable = grace.no_meters(request.hwmon_root)

    def domains(self) -> Sequence[Domain]:
        return tuple(sensor.domain for sensor in self._sensors)

    def read(self) -> Sequence[Reading]:
        return [sensor.read() for sensor in self._sensors if sensor.files]

    def read_of(self, names: Set[str]) -> Sequence[Reading]:
        asked = [sensor for sensor in self._sensors if sensor.domain.name in names]
        return [sensor.read() for sensor in asked if sensor.files]

    def close(self) -> None:
        for sensor in self._sensors:
            sensor.close()
