"""GPUs whose energy counter is of a whole module, its CPU and memory included: GH200 and its kin.

Seen on GH200 (github.com/ml-energy/zeus issue 172); not documented.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pynvml

HWMON = Path("/sys/class/hwmon")
# nvml.h: NVML_POWER_SCOPE_MODULE of NVML_FI_DEV_POWER_INSTANT, "e.g. GPU + CPU of a superchip".
MODULE_SCOPE = 1
NO_SCOPE = 99


def is_module(scoped_watts: Callable[[int], float]) -> bool:
    """Whether a GPU is a part of such a module. scoped_watts: its power by NVML's scope.

    A driver that answers for a scope that there is not does not look at the scope.
    """
    if _told(scoped_watts, MODULE_SCOPE) and not _told(scoped_watts, NO_SCOPE):
        return True
    return _has_module_socket()


def _told(scoped_watts: Callable[[int], float], scope: int) -> bool:
    try:
        return scoped_watts(scope) > 0
    except pynvml.NVMLError:
        return False


def _has_module_socket() -> bool:
    """Linux names the module's power so (NVIDIA Grace Performance Tuning Guide, "Power")."""
    for file in (*HWMON.glob("*/power*_oem_info"), *HWMON.glob("*/device/power*_oem_info")):
        try:
            if file.read_text(encoding="utf-8", errors="replace").startswith("Module Power"):
                return True
        except OSError:
            continue
    return False
