"""NVIDIA GPUs through the driver's library (module `pynvml` of nvidia-ml-py).

nvmlDeviceGetTotalEnergyConsumption counts millijoules since the driver was loaded (Volta and
later). Where a GPU has no counter, its power is integrated: the instant reading where the driver
has it (NVML_FI_DEV_POWER_INSTANT, driver 530), else nvmlDeviceGetPowerUsage, which from Ampere on
(except GA100) is the mean over the last second.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pynvml

from energyctl.energy import Domain
from energyctl.meters.base import GpuState, Reading, Source, Wanted
from energyctl.meters.selection import Known, named, visible

# Steps of 20 to 100 ms have been seen; the sampler measures the real ones.
COUNTER_UPDATE_SECONDS = 0.1
COUNTER_RESOLUTION_JOULES = 0.001
# NVML documents +/- 5 % for the power reading of Fermi and Kepler and nothing for later ones.
POWER_UNCERTAINTY = 0.05


@dataclass
class _Gpu:
    index: int
    name: str
    uuid: str
    handle: Any
    domain: Domain
    value: Callable[[Any], float] | None
    state_errors: set[str] = field(default_factory=set)  # fields that this GPU does not have


def open_source(wanted: Wanted) -> NvmlSource:
    """SettingsError for a GPU in `wanted.gpus` that is not there."""
    return NvmlSource(lambda known: _wanted(known, wanted.gpus))


def _wanted(known: Known, gpus: Sequence[int | str] | None) -> Sequence[int]:
    if gpus is not None:
        return named(known, gpus)
    value = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [index for index, _ in known] if value is None else visible(known, value)


class NvmlSource(Source):
    """The GPUs of `select(gpus)`; all of them by default. No driver: `unavailable` says so."""

    name = "nvml"

    def __init__(
        self, select: Callable[[Sequence[tuple[int, str]]], Sequence[int]] | None = None
    ) -> None:
        """select: from (index, UUID) of each GPU there is to the indices that are wanted."""
        self.unavailable: str | None = None
        self._gpus: list[_Gpu] = []
        self._unreadable: tuple[Domain, ...] = ()
        self._started = False
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self.unavailable = f"no NVIDIA driver to ask (libnvidia-ml.so.1): {error}"
            if gpus_evident():
                self._unreadable = _unreadable(f"there is a GPU, but NVML says: {error}")
            if select is not None:
                select([])
            return
        self._started = True
        try:
            self._find(select)
        except pynvml.NVMLError as error:
            self.unavailable = f"the NVIDIA driver does not list its GPUs: {error}"
            self._unreadable = _unreadable(self.unavailable)
        except BaseException:
            self.close()
            raise

    def _find(self, select: Callable[[Sequence[tuple[int, str]]], Sequence[int]] | None) -> None:
        count = pynvml.nvmlDeviceGetCount()
        known = [(index, _uuid(index)) for index in range(count)]
        wanted = range(count) if select is None else select(known)
        self._gpus = [_open(index, known[index][1]) for index in wanted]
        if not count:
            self.unavailable = "the NVIDIA driver knows of no GPU"
        elif not self._gpus:
            self.unavailable = "no GPU was asked for (gpus, CUDA_VISIBLE_DEVICES)"

    def domains(self) -> Sequence[Domain]:
        return tuple(gpu.domain for gpu in self._gpus) or self._unreadable

    def read(self) -> Sequence[Reading]:
        readings = []
        for gpu in self._gpus:
            if gpu.value is None:
                continue
            value, reason, before = None, None, time.monotonic()
            try:
                value = gpu.value(gpu.handle)
            except pynvml.NVMLError as error:
                reason = f"GPU {gpu.index} ({gpu.name}): {error}"
            after = time.monotonic()
            readings.append(
                Reading(gpu.domain.name, (before + after) / 2, value, reason, after - before)
            )
        return readings

    def environment(self) -> Sequence[GpuState]:
        return tuple(_state(gpu) for gpu in self._gpus)

    def close(self) -> None:
        if self._started:
            self._started = False
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()


def gpus_evident() -> bool:
    """Whether the kernel's NVIDIA driver has a GPU, whatever NVML says.

    Each GPU has a folder below /proc/driver/nvidia/gpus (README of the NVIDIA Linux driver).
    """
    return any(Path("/proc/driver/nvidia/gpus").glob("*"))


def _unreadable(reason: str) -> tuple[Domain, ...]:
    """A domain for GPUs that draw power and cannot be asked, so that no total is without them."""
    return (Domain("gpu", "gpu", "nvml", missing=reason),)


def _uuid(index: int) -> str:
    try:
        return _text(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(index)))
    except pynvml.NVMLError:
        return ""


def _text(value: str | bytes) -> str:
    """Old versions of the module return bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _open(index: int, uuid: str) -> _Gpu:
    """The GPU with the best source that it has."""
    label, name = f"gpu-{index}", "GPU"
    cure = f'leave it out with "gpus" if it does not matter (nvidia-smi -i {index} may tell more)'
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        with contextlib.suppress(pynvml.NVMLError):
            name = _text(pynvml.nvmlDeviceGetName(handle))
    except pynvml.NVMLError as error:
        missing = f"GPU {index} cannot be opened: {error}; {cure}"
        return _Gpu(index, name, uuid, None, Domain(label, "gpu", "nvml", missing=missing), None)
    failure: Exception | None = None
    for domain, value in (
        (_counter_domain(label, uuid), _joules),
        (_power_domain(label, uuid), _instant_watts),
        (_power_domain(label, uuid), _average_watts),
    ):
        try:
            value(handle)
        except pynvml.NVMLError as error:
            failure = error
        else:
            return _Gpu(index, name, uuid, handle, domain, value)
    missing = f"GPU {index} ({name}) tells neither energy nor power: {failure}; {cure}"
    return _Gpu(index, name, uuid, handle, Domain(label, "gpu", "nvml", missing=missing), None)


def _counter_domain(label: str, uuid: str) -> Domain:
    return Domain(
        label,
        "gpu",
        "nvml energy counter",
        resolution_joules=COUNTER_RESOLUTION_JOULES,
        update_seconds=COUNTER_UPDATE_SECONDS,
        part=f"gpu/{uuid}" if uuid else None,
    )


def _power_domain(label: str, uuid: str) -> Domain:
    return Domain(
        label,
        "gpu",
        "nvml power",
        quantity="power",
        resolution_watts=0.001,
        relative_uncertainty=POWER_UNCERTAINTY,
        part=f"gpu/{uuid}" if uuid else None,
    )


def _joules(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000


def _instant_watts(handle: Any) -> float:
    return _field(handle, pynvml.NVML_FI_DEV_POWER_INSTANT) / 1000


def _average_watts(handle: Any) -> float:
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


def _state(gpu: _Gpu) -> GpuState:
    before = time.monotonic()
    utilization = _ask(gpu, "utilization", pynvml.nvmlDeviceGetUtilizationRates)
    return GpuState(
        gpu=gpu.index,
        name=gpu.name,
        time=before,
        temperature_celsius=_ask(gpu, "temperature", _temperature),
        memory_temperature_celsius=_ask(gpu, "memory temperature", _memory_temperature),
        utilization_percent=None if utilization is None else float(utilization.gpu),
        memory_utilization_percent=None if utilization is None else float(utilization.memory),
        power_watts=_ask(gpu, "power", _average_watts),
    )


def _temperature(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))


def _memory_temperature(handle: Any) -> float | None:
    """None also for 0: so some GPUs without that sensor answer."""
    return _field(handle, pynvml.NVML_FI_DEV_MEMORY_TEMP) or None


def _ask(gpu: _Gpu, fact: str, ask: Callable[[Any], Any]) -> Any:
    """None where the GPU does not tell; not asked again where it never will."""
    if gpu.handle is None or fact in gpu.state_errors:
        return None
    try:
        return ask(gpu.handle)
    except pynvml.NVMLError as error:
        if error.value in (pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_FUNCTION_NOT_FOUND):
            gpu.state_errors.add(fact)
        return None
