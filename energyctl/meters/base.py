"""What every source of energy offers to the sampler."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from energyctl.energy import Domain


class Reading(NamedTuple):
    """One value of one domain: joules of a counter, or watts.

    time: time.monotonic() in the middle of the read. value: None where the read failed, with
    `reason`.
    """

    domain: str
    time: float
    value: float | None
    reason: str | None = None


@dataclass(frozen=True)
class GpuState:
    """Facts about one GPU now; None where the device does not tell. time: time.monotonic()."""

    gpu: int
    name: str
    time: float
    temperature_celsius: float | None = None
    memory_temperature_celsius: float | None = None
    utilization_percent: float | None = None
    memory_utilization_percent: float | None = None
    power_watts: float | None = None


class Meter(Protocol):
    """A source. `read` is called by one thread at a time, `environment` by another beside it.

    unavailable: why the source has no domains on this machine, and what to do; None: it has.
    """

    name: str
    unavailable: str | None

    def domains(self) -> Sequence[Domain]:
        """All that the source knows of, also what it cannot read (`Domain.missing`)."""
        ...

    def read(self) -> Sequence[Reading]:
        """One reading of each readable domain. A failed read is a Reading with its reason."""
        ...

    def environment(self) -> Sequence[GpuState]:
        """State of its GPUs now; empty for other sources."""
        ...

    def close(self) -> None: ...


def readings_of(meter: Meter) -> Sequence[Reading]:
    """What it reads; a source that raises gives failed readings, so that the others go on."""
    try:
        return meter.read()
    except Exception as error:
        reason, now = f"{meter.name}: {error or type(error).__name__}", time.monotonic()
        return [Reading(d.name, now, None, reason) for d in meter.domains()]


def states_of(meter: Meter) -> Sequence[GpuState]:
    """Its GPUs' states; none where it raises."""
    try:
        return meter.environment()
    except Exception:
        return ()
