"""Looks at the states of GPUs and CPUs, beside the samples of energy."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from copy import deepcopy
from math import inf

from energyctl.energy import CpuClocks, DeviceStates, GpuClocks
from energyctl.meters.base import CLOCKS_SECONDS, GpuState, Source, states_of
from energyctl.meters.cpu_state import CpuPackages
from energyctl.system.helper import cpu_root


class StateLooks:
    """Of the GPUs of *meters* and of all CPUs, between :meth:`begin` and :meth:`end`."""

    def __init__(self, meters: Sequence[Source]) -> None:
        self._meters = tuple(meters)
        self._cpus: CpuPackages | None = None
        self._cpus_asked = -inf  # monotonic
        self._states = DeviceStates()
        self._lock = threading.Lock()  # guards the states; never held while a driver is asked

    def begin(self) -> None:
        self._cpus = CpuPackages(cpu_root())

    def end(self) -> None:
        if self._cpus is not None:
            self._cpus.close()

    def take(self, offset: float) -> tuple[GpuState, ...]:
        """One look. offset: seconds to add to the monotonic time for Unix time."""
        gpus = tuple(state for meter in self._meters for state in states_of(meter))
        with self._lock:
            for gpu in gpus:
                clocks = gpu.sm_mhz, gpu.memory_mhz, gpu.performance_state, gpu.limits
                if any(fact is not None for fact in clocks):
                    looks = self._states.gpus.setdefault(f"gpu-{gpu.gpu}", GpuClocks())
                    looks.add(gpu.time + offset, *clocks)
            self._look_at_cpus(time.monotonic(), offset)
        return gpus

    def _look_at_cpus(self, now: float, offset: float) -> None:
        if self._cpus is None or now - self._cpus_asked < 0.9 * CLOCKS_SECONDS:
            return
        self._cpus_asked = now
        for name, cpu in self._cpus.states().items():
            self._states.cpus.setdefault(name, CpuClocks()).add(now + offset, *cpu)

    def so_far(self) -> DeviceStates:
        """A copy."""
        with self._lock:
            return deepcopy(self._states)
