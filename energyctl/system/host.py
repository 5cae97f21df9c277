"""Facts about host and drivers."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path
from typing import Any

from energyctl.system.governor import governors


def _cpu_model() -> str | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return None


def facts() -> dict[str, Any]:
    """What a reader of a result needs to know of the machine; None where it cannot be had."""
    import psutil

    import energyctl

    release: dict[str, str] = {}
    with contextlib.suppress(OSError):
        release = platform.freedesktop_os_release()
    return {
        "energyctl": energyctl.__version__,
        "python": platform.python_version(),
        "hostname": platform.node(),
        "os": release.get("PRETTY_NAME"),
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "logical_cpus": psutil.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "governors": sorted(set(governors().values())) or None,
        "gpus": gpu_facts(),
    }


def gpu_facts() -> list[dict[str, Any]] | None:
    """Index, name, UUID, driver, power limit (W) and persistence mode of each GPU.

    None where there is no driver, or none that answers.
    """
    from energyctl.system.timeouts import DRIVER_SECONDS, Hangs, within

    try:
        return within(DRIVER_SECONDS, "nvml", _gpu_facts)
    except Hangs:
        return None


def _gpu_facts() -> list[dict[str, Any]] | None:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        count = pynvml.nvmlDeviceGetCount()
        return [_gpu_fact(pynvml, index) for index in range(count)]
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _gpu_fact(nvml: Any, index: int) -> dict[str, Any]:
    def ask(function: Any, *arguments: Any) -> Any:
        try:
            value = function(*arguments)
        except nvml.NVMLError:
            return None
        return value.decode() if isinstance(value, bytes) else value

    handle = ask(nvml.nvmlDeviceGetHandleByIndex, index)
    limit = ask(nvml.nvmlDeviceGetPowerManagementLimit, handle)
    mode = ask(nvml.nvmlDeviceGetPersistenceMode, handle)
    return {
        "index": index,
        "name": ask(nvml.nvmlDeviceGetName, handle),
        "uuid": ask(nvml.nvmlDeviceGetUUID, handle),
        "driver": ask(nvml.nvmlSystemGetDriverVersion),
        "power_limit_watts": None if limit is None else limit / 1000,
        "persistence_mode": None if mode is None else bool(mode),
    }


def process_facts(pid: int) -> dict[str, Any]:
    """User and command of a process; None where it is of another pid namespace, or has ended."""
    import psutil

    facts: dict[str, Any] = {"user": None, "command": None}
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        facts["command"] = " ".join(process.cmdline()) or process.name()
        facts["user"] = process.username()
    return facts
