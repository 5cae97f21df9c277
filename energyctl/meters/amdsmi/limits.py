"""What holds the clocks of an AMD GPU down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from energyctl.energy import Limit
from energyctl.meters.amdsmi.library import number

SINCE: dict[str, Limit] = {
    "ppt_residency_acc": "power_cap",
    "socket_thm_residency_acc": "heat",
    "vr_thm_residency_acc": "heat",
    "hbm_thm_residency_acc": "heat",
    "prochot_residency_acc": "heat",
}
"""Sums of amdsmi_get_gpu_metrics_info that grow while that limit acts (MI300; Linux,
kgd_pp_interface.h, gpu_metrics_v1_6). amdsmi_get_violation_status compares two looks at them as
well, but waits for 100 ms in between."""

NOW = ("indep_throttle_status", "throttle_status")
"""Whether anything acts now; the module does not pass on what."""


class Limits:
    """Of one GPU, from look to look."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}

    def of(self, metrics: Mapping[str, Any]) -> tuple[Limit, ...] | None:
        """None where it is not told, and at the first look at sums."""
        told = {name: number(metrics.get(name)) for name in SINCE}
        sums = {name: total for name, total in told.items() if total is not None}
        if sums:
            before, self._sums = self._sums, sums
            grown = [SINCE[name] for name in sums if sums[name] > before.get(name, sums[name])]
            return tuple(dict.fromkeys(grown)) if before else None
        for name in NOW:
            acts = metrics.get(name)
            if isinstance(acts, bool) or number(acts) is not None:
                return ("slowdown",) if acts else ()
        return None
