"""Facts about GPUs and their driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from energyctl.meters import nvml_module
from energyctl.meters.amd_presence import cards, pci_root
from energyctl.system.timeouts import DRIVER_SECONDS, CallTimeout, call_within

T = TypeVar("T")


def gpu_facts() -> list[dict[str, Any]] | None:
    """Index, name, UUID, driver, VBIOS, power limit (W), persistence and accounting mode of
    each NVIDIA GPU.

    None where there is no driver, or none that answers.
    """
    return of_each_gpu(gpu_fact)


def of_each_gpu(ask: Callable[[Any, int], T]) -> list[T] | None:
    """What *ask* says of each NVIDIA GPU, by the module, which has been started, and its index.

    None where there is no driver, or none that answers.
    """
    if nvml_module.problem():
        return None
    try:
        return call_within(DRIVER_SECONDS, "nvml", lambda: _of_each_gpu(ask))
    except CallTimeout:
        return None


def amd_gpu_facts() -> list[dict[str, Any]] | None:
    """Likewise of each AMD GPU; None where there is none, or none that answers."""
    root = pci_root()
    if not cards(root):
        return None
    from energyctl.meters.amdsmi import facts, library  # nothing of it where there is no such GPU

    try:
        return call_within(DRIVER_SECONDS, "amdsmi", lambda: facts.gpu_facts(root))
    except (CallTimeout, library.AmdError):
        return None


def _of_each_gpu(ask: Callable[[Any, int], T]) -> list[T] | None:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        count = pynvml.nvmlDeviceGetCount()
        return [ask(pynvml, index) for index in range(count)]
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def gpu_fact(nvml: Any, index: int) -> dict[str, Any]:
    """Of one GPU, by the module, which has been started."""

    def ask(function: Any, *arguments: Any) -> Any:
        try:
            value = function(*arguments)
        except nvml.NVMLError:
            return None
        return value.decode() if isinstance(value, bytes) else value

    handle = ask(nvml.nvmlDeviceGetHandleByIndex, index)
    limit = ask(nvml.nvmlDeviceGetPowerManagementLimit, handle)
    mode = ask(nvml.nvmlDeviceGetPersistenceMode, handle)
    accounting = ask(nvml.nvmlDeviceGetAccountingMode, handle)
    return {
        "index": index,
        "name": ask(nvml.nvmlDeviceGetName, handle),
        "uuid": ask(nvml.nvmlDeviceGetUUID, handle),
        "driver": ask(nvml.nvmlSystemGetDriverVersion),
        "vbios": ask(nvml.nvmlDeviceGetVbiosVersion, handle),
        "power_limit_watts": None if limit is None else limit / 1000,
        "persistence_mode": None if mode is None else bool(mode),
        "accounting_mode": None if accounting is None else bool(accounting),
    }
