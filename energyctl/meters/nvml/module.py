"""GPUs whose energy counter is of a whole module, its CPU and memory included: GH200 and its kin.

Seen on GH200 (github.com/ml-energy/zeus issue 172); not documented.
"""

from __future__ import annotations

from collections.abc import Callable

import pynvml

# nvml.h: NVML_POWER_SCOPE_MODULE of NVML_FI_DEV_POWER_INSTANT, "e.g. GPU + CPU of a superchip".
MODULE_SCOPE = 1
NO_SCOPE = 99


def is_module(scoped_watts: Callable[[int], float]) -> bool:
    """Whether a GPU is a part of such a module. scoped_watts: its power by NVML's scope.

    A driver that answers for a scope that there is not does not look at the scope.
    """
    return _told(scoped_watts, MODULE_SCOPE) and not _told(scoped_watts, NO_SCOPE)


def _told(scoped_watts: Callable[[int], float], scope: int) -> bool:
    try:
        return scoped_watts(scope) > 0
    except pynvml.NVMLError:
        return False
