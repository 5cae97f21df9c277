"""Facts about the host and its processes."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path
from typing import Any

from energyctl.system.governor import governors


def _cpu_model() -> str | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return None


def facts() -> dict[str, Any]:
    """What a reader of a result needs to know of the host; None where it cannot be had."""
    import psutil

    release: dict[str, str] = {}
    with contextlib.suppress(OSError):
        release = platform.freedesktop_os_release()
    return {
        "python": platform.python_version(),
        "hostname": platform.node(),
        "os": release.get("PRETTY_NAME"),
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "logical_cpus": psutil.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "governors": sorted(set(governors().values())) or None,
    }


def process_facts(pid: int) -> dict[str, Any]:
    """User and command of a process; None where it is of another pid namespace, or has ended.

    The name in brackets where it has no command, as ps(1) shows it.
    """
    import psutil

    facts: dict[str, Any] = {"user": None, "command": None}
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        facts["user"] = process.username()
        facts["command"] = f"[{process.name()}]"  # of a zombie, whose command cannot be asked for
        facts["command"] = " ".join(process.cmdline()).strip() or facts["command"]
    return facts
