"""An estimate of CPU power, for machines whose CPU packages cannot be measured.

power = logical CPUs x (0.74 W + utilization x (3.5 W - 0.74 W))

A convention, not a measurement: these are the averages for cloud servers' CPUs, per virtual CPU
(a hardware thread), that Cloud Carbon Footprint uses for AWS. A laptop's thread draws half of
that under load, a desktop's more than twice, so the stated band is as wide as the figure itself.
In a container or virtual machine, /proc/stat tells about the CPUs that are seen there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from energyctl.energy import Domain
from energyctl.meters.base import OpenRequest, Reading, Source
from energyctl.meters.parts import holds

IDLE_WATTS = 0.74
BUSY_WATTS = 3.5
RELATIVE_UNCERTAINTY = 1.0
NAME = "cpu"
# proc(5): fields of the line "cpu" that are time spent at work. `guest` is contained in `user`;
# time stolen by other machines is not ours.
USER, NICE, SYSTEM, IRQ, SOFTIRQ = 0, 1, 2, 5, 6


def open_source(request: OpenRequest) -> CpuEstimate | None:
    """None where a CPU package is measured, or a whole with its CPU."""
    measured = any(part.startswith("package") or holds(part, "cpu") for part in request.measured)
    return None if measured else CpuEstimate()


class CpuEstimate(Source):
    """Counts estimated joules from busy CPU seconds, so that no sampling interval loses any."""

    name = "estimate"
    quick = True

    def __init__(self, stat: Path = Path("/proc/stat")) -> None:
        self.unavailable: str | None = None
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")
        self._descriptor: int | None = None
        try:
            self._descriptor = os.open(stat, os.O_RDONLY | os.O_CLOEXEC)
            self._cpus, _ = self._busy_seconds()
        except (OSError, ValueError, IndexError) as error:
            self.close()
            self.unavailable = f"no estimate of CPU power: reading {stat} failed: {error}"

    def domains(self) -> Sequence[Domain]:
        if self.unavailable:
            return ()
        return (
            Domain(
                name=NAME,
                kind="cpu",
                source="estimate",
                measured=False,
                relative_uncertainty=RELATIVE_UNCERTAINTY,
            ),
        )

    def read(self) -> Sequence[Reading]:
        if self.unavailable:
            return ()
        now = time.monotonic()
        try:
            _, busy = self._busy_seconds()
        except (OSError, ValueError, IndexError) as error:
            return (Reading(NAME, now, None, f"reading /proc/stat failed: {error}"),)
        joules = IDLE_WATTS * self._cpus * now + (BUSY_WATTS - IDLE_WATTS) * busy
        return (Reading(NAME, now, joules),)

    def _busy_seconds(self) -> tuple[int, float]:
        """(logical CPUs, their seconds at work since boot)."""
        if self._descriptor is None:
            raise OSError("it is closed")
        # A pread of the head is enough: the lines "cpu…" come first.
        lines = os.pread(self._descriptor, 1 << 16, 0).split(b"\n")
        ticks = [int(field) for field in lines[0].split()[1:]]
        cpus = sum(1 for line in lines[1:] if line.startswith(b"cpu"))
        busy = sum(ticks[i] for i in (USER, NICE, SYSTEM, IRQ, SOFTIRQ))
        return cpus, busy / self._ticks_per_second

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
