"""What one NVIDIA GPU tells: its source of energy, its state, how it is split.

Each fact is asked for by itself, so that one that a GPU does not have loses no other.

nvmlDeviceGetTotalEnergyConsumption counts millijoules since the driver was loaded (Volta and
later). Where a GPU has no counter, its power is integrated: the instant reading where the driver
has it (NVML_FI_DEV_POWER_INSTANT, driver 530), else nvmlDeviceGetPowerUsage.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import pynvml

from energyctl.energy import Check, Domain
from energyctl.meters.base import CLOCKS_SECONDS, GpuState, Reading, timed_reading
from energyctl.meters.busy import DeviceLook
from energyctl.meters.nvidia_presence import board_part
from energyctl.meters.nvml import clocks
from energyctl.meters.nvml.module import MODULE_SCOPE, is_module
from energyctl.meters.nvml.retries import NEVER, Patience
from energyctl.meters.nvml.sample_cursor import SampleCursor
from energyctl.meters.self_test import Look

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
ON_BOARD = "(nvgpu)"  # so ends the name of a Jetson's own GPU
GA100_DEVICES = range(0x2080, 0x2100)  # PCI device ids (pci.ids: A100, A30, A800)

Figure = tuple[Domain, Callable[[Any], float]]
"""Of a GPU's energy: joules or watts, and what reads them by its handle."""


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
    lesser: str | None = None  # why a better source is not used
    average: Domain | None = None  # its averaged power, where that checks an instant one
    averaging_seconds: float = 0.0  # of nvmlDeviceGetPowerUsage
    figures: list[Figure] = field(default_factory=list)  # lesser ones of its energy
    absent: set[str] = field(default_factory=set)  # facts that it does not have
    clocks_asked: float = -inf  # time.monotonic()
    samples: SampleCursor = field(default_factory=SampleCursor)
    accounts: Mapping[int, Any] = field(default_factory=dict)  # of accounting.py, by pid
    accounts_asked: float = -inf  # time.monotonic()

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

    def device(self) -> DeviceLook | None:
        """None where its utilisation is not told."""
        rates = self.utilization_rates()
        return rates and DeviceLook(float(rates.gpu), self.ask("sm clock", clocks.sm_mhz))

    def utilization_rates(self) -> Any:
        """Percents of its last sample period; None where they are not told."""
        return self.ask("utilization", pynvml.nvmlDeviceGetUtilizationRates)

    def state(self) -> GpuState:
        before = time.monotonic()
        utilization = self.utilization_rates()
        return GpuState(
            gpu=self.index,
            name=self.name,
            time=before,
            temperature_celsius=self.ask("temperature", _temperature),
            memory_temperature_celsius=self.ask("memory temperature", _memory_temperature),
            utilization_percent=None if utilization is None else float(utilization.gpu),
            memory_utilization_percent=None if utilization is None else float(utilization.memory),
            power_watts=self.ask("power", average_watts),
            averaging_seconds=self.averaging_seconds,
            **self._clocks(before),
        )

    def _clocks(self, now: float) -> clocks.Clocks:
        """Each few seconds: so many more questions are most of what a look costs."""
        if now - self.clocks_asked < 0.9 * CLOCKS_SECONDS:
            return {}
        self.clocks_asked = now
        return {
            "sm_mhz": self.ask("sm clock", clocks.sm_mhz),
            "memory_mhz": self.ask("memory clock", clocks.memory_mhz),
            "performance_state": self.ask("performance state", clocks.performance_state),
            "limits": clocks.limits(self.ask),
        }

    def look(self) -> Look:
        """For the self-test of its counter."""
        joules = self.read()[0]
        if self.is_module:
            watts = self._beside("module power", lambda handle: _scoped_watts(handle, MODULE_SCOPE))
            return Look(joules.time, joules.value, watts, None)
        instant = self._beside("instant power", _instant_watts)
        average = self._beside("power", average_watts)
        if self.averaging_seconds:
            return Look(joules.time, joules.value, instant, average)
        return Look(joules.time, joules.value, average if instant is None else instant, None)

    def _beside(self, fact: str, ask: Callable[[Any], float]) -> float | None:
        """A power reading that its counter can be held against."""
        watts = self.ask(fact, ask)
        return watts if watts is not None and self.domain.believes(watts) else None

    @property
    def is_module(self) -> bool:
        """Its counter is of more than itself."""
        return (self.domain.part or "").startswith("module/")

    def judge_counter(self, check: Check, patience: Patience) -> None:
        """Keeps the verdict on its counter; one that is refused gives way to integrated power."""
        if check.verdict == "refused":
            self.take_best(patience, check.words)
        self.domain = replace(self.domain, checks=(check,))

    def take_best(self, patience: Patience, *why: str) -> None:
        """Takes the best figure that is left and answers; `why` not those before it."""
        reasons = [*why]
        while self.figures:
            domain, value = self.figures.pop(0)
            try:
                patience.ask(value, self.handle)
            except pynvml.NVMLError as error:
                reasons.append(str(error))
                continue
            self.domain, self.value = domain, value
            if reasons and domain.quantity == "power":
                self.lesser = (
                    f"GPU {self.index} ({self.name}) is metered by its power, which is less "
                    f"accurate than by an energy counter: {reasons[0]}"
                )
            if self.figures and self.averaging_seconds and domain.quantity == "power":
                self._check_by_average()
            return
        missing = (
            f"GPU {self.index} ({self.name}) reports neither energy nor power: {reasons[-1]}; "
            f"{_cure(self.index)}"
        )
        self.value = None
        part = board_part() if self.name.endswith(ON_BOARD) else self.domain.part
        self.domain = Domain(f"gpu-{self.index}", "gpu", "nvml", part=part, missing=missing)

    def _check_by_average(self) -> None:
        """Instant power gets its average beside it.

        The sensor sees a part of the time only (25 ms of each 100 ms on A100 and H100; Yang,
        Adamek, Armour), so a load with a period may show at the same place of it each time. The
        average over a second is blurred, but not so blind: by what the two disagree, either may be
        off.
        """
        with contextlib.suppress(pynvml.NVMLError):
            average_watts(self.handle)
            name, (average, _) = f"{self.domain.name}-average", self.figures.pop()
            self.average = replace(average, name=name, kind="other", in_total=False)
            self.domain = replace(self.domain, check=name)


def text(value: str | bytes) -> str:
    """Old versions of the module return bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def open_gpu(index: int, uuid: str, patience: Patience, *, in_module: bool = False) -> Gpu:
    """The GPU with the best source that it has. in_module: it is known to be a part of one."""
    label, name = f"gpu-{index}", "GPU"
    try:
        handle = patience.ask(pynvml.nvmlDeviceGetHandleByIndex, index)
        with contextlib.suppress(pynvml.NVMLError):
            name = text(patience.ask(pynvml.nvmlDeviceGetName, handle))
    except pynvml.NVMLError as error:
        missing = f"GPU {index} cannot be opened: {error}; {_cure(index)}"
        return Gpu(index, name, uuid, None, Domain(label, "gpu", "nvml", missing=missing), None)
    mig = tuple(handle for handle, _ in mig_devices(handle))
    averaging = _averaging_seconds(handle)
    part = f"gpu/{uuid}" if uuid else None
    most_watts = _most_watts(handle, patience)
    counter = replace(COUNTER, name=label, part=part, max_watts=most_watts)
    if in_module or is_module(lambda scope: _scoped_watts(handle, scope)):
        module = f"module/{uuid or index}"
        counter = replace(counter, name=f"module-{index}", part=module, max_watts=None)
    instant = replace(POWER, name=label, part=part, max_watts=most_watts)
    average = replace(instant, averaging_seconds=averaging)
    gpu = Gpu(index, name, uuid, handle, instant, None, mig, averaging_seconds=averaging)
    gpu.figures = [(counter, _joules), (instant, _instant_watts), (average, average_watts)]
    gpu.take_best(patience)
    return gpu


def _cure(index: int) -> str:
    return f'leave it out with "gpus" if it does not matter (nvidia-smi -i {index} may tell more)'


def _most_watts(handle: Any, patience: Patience) -> float | None:
    """Twice the highest power limit that can be set; None where the GPU does not tell."""
    try:
        _, highest = patience.ask(pynvml.nvmlDeviceGetPowerManagementLimitConstraints, handle)
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


def _scoped_watts(handle: Any, scope: int) -> float:
    return _field(handle, (pynvml.NVML_FI_DEV_POWER_INSTANT, scope)) / 1000


def average_watts(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000


def _field(handle: Any, field_id: int | tuple[int, int]) -> float:
    """One field value, by id or (id, scope); NVMLError where it is not to be had."""
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
