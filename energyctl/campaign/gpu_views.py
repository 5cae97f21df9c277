"""GPUs as they are shown while a run lasts, from the looks at their states."""

from __future__ import annotations

from collections.abc import Sequence

from energyctl.campaign.observer import GpuView
from energyctl.meters.base import GpuState


class GpuViews:
    """Remembers clocks and limits, which some looks only tell."""

    def __init__(self) -> None:
        self._clocks: dict[int, tuple[float | None, Sequence[str] | None]] = {}

    def of(self, states: Sequence[GpuState]) -> list[GpuView]:
        for gpu in states:
            if gpu.sm_mhz is not None or gpu.limits is not None:
                self._clocks[gpu.gpu] = gpu.sm_mhz, gpu.limits
        return [
            GpuView(
                f"gpu-{gpu.gpu}",
                gpu.utilization_percent,
                gpu.temperature_celsius,
                gpu.memory_utilization_percent,
                *self._clocks.get(gpu.gpu, (None, None)),
            )
            for gpu in states
        ]
