"""What one NVIDIA GPU tells: its source of energy, its state, how it is split.

Each fact is asked for by itself, so that one that a GPU does not have loses no other.

nvmlDeviceGetTotalEnergyConsumption counts millijoules since the driver was loaded (Volta and
later). Where a GPU has no counter, its power is integrated: the instant reading where the driver
has it (NVML_FI_DEV_POWER_INSTANT, driver 530), else nvmlDeviceGetPowerUsage.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pynvml

from energyctl.energy import Domain
from energyctl.meters.base import GpuState, Reading, timed_reading

# Steps of 20 to 100 ms have been seen; the sampler measures the real ones.
COUNTER = Domain("gpu", "gpu", "nvml energy counter", resolution_joules=0.001, update_seconds=0.1)
# Power readings of all GPUs since Volta move every 20 to 100 ms (Yang, Adamek, Armour,
# "Part-time Power Measurements: nvidia-smi's Lack of Attention", 2023). NVML documents +/- 5 % for
# those of Fermi and Kepler and nothing for later ones.
POWER = Domain(
    "gpu",
    "gpu",
    "nvml power",
    quantity="power",
    resolution_watts=0.001,
    update_seconds=0.1,
    relative_uncertainty=0.05,
)
# nvmlDeviceGetPowerUsage, NVML API reference: "on Ampere (except GA100) or newer GPUs, the API
# returns power averaged over 1 sec interval", before that the instant power.
AVERAGE_SECONDS = 1.0
NEVER = (pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
GA100_DEVICES = range(0x2080, 0x2100)  # PCI device ids (pci.ids: A100, A30, A800)


@dataclass
class Gpu:
    """A GPU with the best source that it has; handle: None where it cannot be opened."""

    index: int
    name: str
    uuid: str
    handle: Any
    domain: Domain
    value: Callable[[Any], float] | None
    mig: tuple[Any, ...] = ()  # handles of its MIG devices
    average: Domain | None = None  # its averaged power, where that checks an instant one
    absent: set[str] = field(default_factory=set)  # facts that it does not have
    last_sample: int = 0  # of its processes' utilization: microseconds of Unix time

    @property
    def domains(self) -> tuple[Domain, ...]:
        return (self.domain,) if self.average is None else (self.domain, self.average)

    def read(self) -> list[Reading]:
        """Joules of its counter, or watts."""
        if self.value is None:
            return []
        readings = [self._reading(self.domain, self.value)]
        if self.average is not None:
            readings.append(self._reading(self.average, average_watts))
        return readings

    def _reading(self, domain: Domain, ask: Callable[[Any], float]) -> Reading:
        failure = f"GPU {self.index} ({self.name})"
        return timed_reading(domain.name, failure, lambda: ask(self.handle), pynvml.NVMLError)

    def ask(self, fact: str, ask: Callable[[Any], Any]) -> Any:
        """None where the GPU does not tell; not asked again where it never will."""
        if self.handle is None or fact in self.absent:
            return None
        try:
            return ask(self.handle)
        except pynvml.NVMLError as error:
            if error.value in NEVER:
                self.absent.add(fact)
            return None

    def state(self) -> GpuState:
        before = time.monotonic()
        utilization = self.ask("utilization", pynvml.nvmlDeviceGetUtilizationRates)
        return GpuState(
            gpu=self.index,
            name=self.name,
            time=before,
            temperature_celsius=self.ask("temperature", _temperature),
            memory_temperature_celsius=self.ask("memory temperature", _memory_temperature),
            utilization_percent=None if utilization is None else float(utilization.gpu),
            memory_utilization_percent=None if utilization is None else float(utilization.memory),
            power_watts=self.ask("power", average_watts),
        )


def text(value: str | bytes) -> str:
    """Old versions of the module return bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def open_gpu(index: int, uuid: str) -> Gpu:
    """The GPU with the best source that it has."""
    label, name = f"gpu-{index}", "GPU"
    cure = f'leave it out with "gpus" if it does not matter (nvidia-smi -i {index} may tell more)'
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        with contextlib.suppress(pynvml.NVMLError):
            name = text(pynvml.nvmlDeviceGetName(handle))
    except pynvml.NVMLError as error:
        missing = f"GPU {index} cannot be opened: {error}; {cure}"
        return Gpu(index, name, uuid, None, Domain(label, "gpu", "nvml", missing=missing), None)
    mig = tuple(handle for handle, _ in mig_devices(handle))
    failure: Exception | None = None
    averaging = _averaging_seconds(handle)
    part = f"gpu/{uuid}" if uuid else None
    counter = replace(COUNTER, name=label, part=part, max_watts=_most_watts(handle))
    instant = replace(POWER, name=label, part=part, max_watts=counter.max_watts)
    average = replace(instant, averaging_seconds=averaging)
    for domain, value in (
        (counter, _joules),
        (instant, _instant_watts),
        (average, average_watts),
    ):
        try:
            value(handle)
        except pynvml.NVMLError as error:
            failure = error
            continue
        gpu = Gpu(index, name, uuid, handle, domain, value, mig)
        return _checked(gpu, average) if domain is instant and averaging else gpu
    missing = f"GPU {index} ({name}) reports neither energy nor power: {failure}; {cure}"
    domain = Domain(label, "gpu", "nvml", part=part, missing=missing)
    return Gpu(index, name, uuid, handle, domain, None, mig)


def _checked(gpu: Gpu, average: Domain) -> Gpu:
    """Instant power with its average beside it.

    The sensor sees a part of the time only (25 ms of each 100 ms on A100 and H100; Yang, Adamek,
    Armour), so a load with a period may show at the same place of it each time. The average over a
    second is blurred, but not so blind: by what the two disagree, either may be off.
    """
    with contextlib.suppress(pynvml.NVMLError):
        average_watts(gpu.handle)
        name = f"{gpu.domain.name}-average"
        gpu.average = replace(average, name=name, kind="other", in_total=False)
        gpu.domain = replace(gpu.domain, check=name)
    return gpu


def _most_watts(handle: Any) -> float | None:
    """Twice the highest power limit that can be set; None where the GPU does not tell."""
    try:
        _, highest = pynvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
    except pynvml.NVMLError:
        return None
    return 2 * highest / 1000 or None


def mig_devices(handle: Any) -> Iterator[tuple[Any, str]]:
    """(handle, UUID) of each MIG device that the GPU is split into; none where MIG is off."""
    try:
        now, _ = pynvml.nvmlDeviceGetMigMode(handle)
        most = pynvml.nvmlDeviceGetMaxMigDeviceCount(handle) if now else 0
    except pynvml.NVMLError:
        return
    for place in range(most):
        with contextlib.suppress(pynvml.NVMLError):  # most places are empty
            device = pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place)
            yield device, text(pynvml.nvmlDeviceGetUUID(device))


def _averaging_seconds(handle: Any) -> float:
    """Of nvmlDeviceGetPowerUsage; a GPU that does not say what it is, is taken for a new one."""
    try:
        architecture = pynvml.nvmlDeviceGetArchitecture(handle)
        if architecture == pynvml.NVML_DEVICE_ARCH_AMPERE:
            device = pynvml.nvmlDeviceGetPciInfo(handle).pciDeviceId >> 16
            return 0.0 if device in GA100_DEVICES else AVERAGE_SECONDS
    except pynvml.NVMLError:
        return AVERAGE_SECONDS
    return 0.0 if architecture < pynvml.NVML_DEVICE_ARCH_AMPERE else AVERAGE_SECONDS


def _joules(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000


def _instant_watts(handle: Any) -> float:
    return _field(handle, pynvml.NVML_FI_DEV_POWER_INSTANT) / 1000


def average_watts(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000


def _field(handle: Any, field_id: int) -> float:
    """One field value; NVMLError where the GPU or the driver does not have it."""
    (result,) = pynvml.nvmlDeviceGetFieldValues(handle, [field_id])
    if result.nvmlReturn != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(result.nvmlReturn)
    attribute = {
        pynvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
        pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
        pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
    }.get(result.valueType, "uiVal")
    return float(getattr(result.value, attribute))


def _temperature(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))


def _memory_temperature(handle: Any) -> float | None:
    """None also for 0: so some GPUs without that sensor answer."""
    return _field(handle, pynvml.NVML_FI_DEV_MEMORY_TEMP) or None
