"""NVIDIA Grace and its superchips: the power that ACPI power meters tell of each socket.

NVIDIA Grace Performance Tuning Guide, "Power Telemetry": the driver acpi_power_meter has a device
for each of these, named by `power1_oem_info`:

- "Module Power Socket N": all of a superchip with a GPU, memories and regulators included
- "Grace Power Socket N": the CPU's socket
- "CPU Power Socket N", "SysIO Power Socket N": two rails of it

`power1_average` is in microwatts, the mean over `power1_average_interval` milliseconds (50 or
1000; Documentation/hwmon/acpi_power_meter.rst). Firmware (github.com/NVIDIA/edk2-nvidia, the SSDT
of TH500) tells 0xFFFFFFFF milliwatts where it has no reading. Of some versions it asks the sensor
once in 50 ms for all meters of a socket, and tells for the others what it knew: what is in the
total is read first, and 0 W is no reading.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from energyctl.energy import Domain
from energyctl.meters.hwmon.sensors import Device, Sensor, open_sensor

LABEL = re.compile(r"(Module|Grace|CPU|SysIO) Power Socket (\d+)")
ORDER = ("Module", "Grace", "CPU", "SysIO")  # each holds what stands behind it, but the last two
NONE_MICROWATTS = 0xFFFFFFFF * 1000
# Where no cap is stated: twice what a superchip of two GPUs draws (GB300), and a socket of Grace.
MAX_WATTS = {"Module": 7000.0, "Grace": 1000.0, "CPU": 1000.0, "SysIO": 500.0}
# How often the sensor behind the meters looks.
SENSOR_SECONDS = 0.05
# The sensor tells milliwatts, which never stay the same for so long.
STILL_SECONDS = 10.0
CURE = (
    "the kernel needs CONFIG_SENSORS_ACPI_POWER and, on its command line, "
    "acpi_power_meter.force_cap_on=y"
)
# Documentation/ABI/testing/sysfs-devices-soc; DCGM knows Grace by the same.
SOC_ID, GRACE = "devices/soc0/soc_id", "jep106:036b:0241"


@dataclass(frozen=True)
class Meter:
    """One power meter of a socket."""

    device: Device
    channel: int
    label: str  # of ORDER
    socket: int


def power_meters(found: Sequence[Device]) -> list[Meter]:
    """Those of Grace's sockets, in the order in which they hold each other."""
    meters = []
    for device in found:
        for place in (device, Device(device.folder / "device")):
            for (channel,) in place.numbered(r"power(\d+)_oem_info"):
                match = LABEL.match(place.text(f"power{channel}_oem_info") or "")
                if match:
                    meters.append(Meter(place, channel, match[1], int(match[2])))
    unique = {(meter.socket, ORDER.index(meter.label)): meter for meter in reversed(meters)}
    return [unique[key] for key in sorted(unique)]


def has_modules(found: Sequence[Device]) -> bool:
    """Whether there are superchips with a GPU: Grace by itself has no meter of a module."""
    return any(meter.label == "Module" for meter in power_meters(found))


def no_meters(root: Path) -> str | None:
    """What to do on a Grace whose power the kernel does not tell; None: it is none."""
    try:
        soc = (root.parents[1] / SOC_ID).read_text(encoding="ascii").strip()
    except (OSError, ValueError, IndexError):
        return None
    return f"the power of this NVIDIA Grace is not told: {CURE}" if soc == GRACE else None


def open_sockets(meters: Sequence[Meter], measured: Collection[str], *, gpus: bool) -> list[Sensor]:
    """Those in the total first.

    measured: the parts that sources before can read. gpus: whether GPUs are asked for.
    """
    counted = {meter: _in_total(meter, meters, measured, gpus) for meter in meters}
    ordered = sorted(meters, key=lambda meter: not counted[meter])
    sensors: list[Sensor] = []
    for meter in ordered:
        if sensors:
            time.sleep(SENSOR_SECONDS)  # each tells of its own sensor
        sensors.append(_open(meter, counted[meter]))
    return sensors


def warnings(meters: Sequence[Meter], measured: Collection[str]) -> list[str]:
    """Where GPUs are metered by whole modules, but not all of these."""
    modules = sum(part.startswith("module/") for part in measured)
    sockets = sorted({meter.socket for meter in meters if meter.label == "Module"})
    if not 0 < modules < len(sockets):
        return []
    return [
        f"{modules} of this machine's {len(sockets)} modules are metered, by their GPUs: the CPUs"
        " of the others are not in the total (grace-power-N is beside it)"
    ]


def _in_total(meter: Meter, meters: Sequence[Meter], measured: Collection[str], gpus: bool) -> bool:
    """Whether the meter is the one that counts its socket's joules.

    The counter of a GPU that is of the whole module has them already. Else the module counts,
    unless the GPU's part is measured apart, or asked not to be: then Grace does.
    """
    if any(part.startswith("module/") for part in measured):
        return False
    gpu_apart = not gpus or any(part.startswith("gpu/") for part in measured)
    labels = [other.label for other in meters if other.socket == meter.socket]
    if gpu_apart:
        labels = [label for label in labels if label != "Module"]
    if not {"Module", "Grace"} & set(labels):
        return meter.label in labels
    return bool(labels) and meter.label == labels[0]


def _open(meter: Meter, in_total: bool) -> Sensor:
    device, channel = meter.device, meter.channel
    seconds = (device.number(f"power{channel}_average_interval") or 0) / 1000
    capped = (device.number(f"power{channel}_cap_max") or 0) / 1e6
    domain = Domain(
        f"{meter.label.lower()}-power-{meter.socket}",
        "cpu" if in_total and meter.label != "Module" else "other",
        "hwmon acpi power",
        in_total=in_total,
        quantity="power",
        max_watts=2 * capped or MAX_WATTS[meter.label],
        resolution_watts=0.001,
        update_seconds=SENSOR_SECONDS,
        averaging_seconds=seconds,
        relative_uncertainty=_inaccuracy(device.text(f"power{channel}_accuracy")),
        part=_part(meter),
    )
    path = device.folder / f"power{channel}_average"
    if not path.exists():
        return Sensor(replace(domain, missing=f"the kernel shows no {path}: {CURE}"), Watts())
    return open_sensor(domain, [path], Watts())


def _part(meter: Meter) -> str:
    """A socket has its memory, so it is more than a package."""
    if meter.label == "Module":
        return f"module/socket-{meter.socket}"
    part = f"socket/grace-{meter.socket}"
    return part if meter.label == "Grace" else f"{part}/{meter.label.lower()}"


def _inaccuracy(text: str | None) -> float:
    """Of a file such as "99.5%"; nothing where it states none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text or "")
    return max(0.0, 1 - float(match[1]) / 100) if match else 0.0


class Watts:
    """Of what a meter tells, in microwatts. ValueError where that is no reading."""

    def __init__(self) -> None:
        self._before = 0
        self._since = 0.0

    def __call__(self, numbers: Sequence[int]) -> float:
        (microwatts,) = numbers
        if microwatts == 0:
            raise ValueError(f"it tells 0 W, and a socket always draws some power: {CURE}")
        if microwatts >= NONE_MICROWATTS:
            raise ValueError("the firmware has no reading")
        now = time.monotonic()
        if microwatts != self._before:
            self._before, self._since = microwatts, now
        elif now - self._since > STILL_SECONDS and microwatts % 1_000_000:
            raise ValueError(f"it has told the same for {now - self._since:.0f} s: it stands still")
        return microwatts / 1e6
