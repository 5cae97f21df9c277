"""The clocks of an NVIDIA GPU, and what holds them down."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypedDict

import pynvml

from energyctl.energy import Limit

REASONS: dict[Limit, int] = {
    "power_cap": pynvml.nvmlClocksThrottleReasonSwPowerCap,
    "heat": pynvml.nvmlClocksThrottleReasonSwThermalSlowdown
    | pynvml.nvmlClocksThrottleReasonHwThermalSlowdown,
    "power_brake": pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown,
}
"""Bits of the clocks' event reasons (NVML API reference, nvmlClocksEventReasons)."""


class Clocks(TypedDict, total=False):
    """As GpuState has them; nothing at a look that does not ask for them."""

    sm_mhz: float | None
    memory_mhz: float | None
    performance_state: int | None
    limits: tuple[Limit, ...] | None


def sm_mhz(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM))


def memory_mhz(handle: Any) -> float:
    return float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM))


def performance_state(handle: Any) -> int | None:
    state = int(pynvml.nvmlDeviceGetPerformanceState(handle))
    return None if state == pynvml.NVML_PSTATE_UNKNOWN else state


def limits(ask: Callable[[str, Callable[[Any], Any]], Any]) -> tuple[Limit, ...] | None:
    """By the name that the question has since driver 535, else by the one before."""
    reasons = ask("event reasons", pynvml.nvmlDeviceGetCurrentClocksEventReasons)
    if reasons is None:
        reasons = ask("throttle reasons", pynvml.nvmlDeviceGetCurrentClocksThrottleReasons)
    return None if reasons is None else limits_of(reasons)


@cache
def limits_of(reasons: int) -> tuple[Limit, ...]:
    """A slowdown by the hardware has a bit of its own, beside that of its cause where it tells."""
    acting = [limit for limit, bits in REASONS.items() if reasons & bits]
    unnamed = reasons & pynvml.nvmlClocksThrottleReasonHwSlowdown
    if unnamed and not {"heat", "power_brake"} & set(acting):
        acting.append("slowdown")
    return tuple(acting)
