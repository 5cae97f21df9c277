"""What every source of energy offers to the sampler."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from energyctl.energy import Domain, Limit
from energyctl.meters.busy import Busy, DeviceLook

CLOCKS_SECONDS = 3.0
"""How often clocks, and what holds them down, are asked for at most: questions cost CPU time."""


class Reading(NamedTuple):
    """One value of one domain: joules of a counter, or watts.

    time: time.monotonic() in the middle of the read. value: None where the read failed, with
    `reason`. seconds: how long the read took; within them the value may be of any instant.
    """

    domain: str
    time: float
    value: float | None
    reason: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class GpuState:
    """Facts about one GPU now; None where the device does not tell. time: time.monotonic().

    power_watts is the mean over averaging_seconds before that; 0: it is of that instant.
    performance_state: 0 for P0, the fastest. limits: what holds its clocks down. Clocks and what
    follows them may be told at some looks only.
    """

    gpu: int
    name: str
    time: float
    temperature_celsius: float | None = None
    memory_temperature_celsius: float | None = None
    utilization_percent: float | None = None
    memory_utilization_percent: float | None = None
    power_watts: float | None = None
    averaging_seconds: float = 0.0
    sm_mhz: float | None = None
    memory_mhz: float | None = None
    performance_state: int | None = None
    limits: tuple[Limit, ...] | None = None


class GpuProcess(NamedTuple):
    """A process that has a context on a GPU; memory_bytes: None where the driver does not tell."""

    gpu: int
    pid: int
    memory_bytes: int | None


class ProcessUtilization(NamedTuple):
    """How busy one process kept the SMs of one GPU of late.

    time: time.monotonic() of the driver's sample. sm_percent: its mean over the `seconds` before
    that. seconds: None where the driver has one answer for each process, the mean since the call
    before; time is then of the last sample in which it was busy.
    """

    gpu: int
    pid: int
    time: float
    sm_percent: float
    seconds: float | None = None


class Utilization(NamedTuple):
    """Processes that were busy since the call before, on the *gpus* that tell: others were idle.

    missing: GPUs that do not tell, with the reason of each.
    """

    processes: Sequence[ProcessUtilization] = ()
    gpus: Sequence[int] = ()
    missing: Mapping[int, str] = {}


class NotReported(Exception):
    """A source cannot tell who is on its GPUs, or not on all of them.

    processes: those of the GPUs of which it can tell.
    """

    def __init__(self, reason: str, processes: Sequence[GpuProcess] = ()) -> None:
        super().__init__(reason)
        self.processes = tuple(processes)


class Source(ABC):
    """A source of energy figures. One call of each method is made at a time, but `read`,
    `environment`, `processes`, `unmetered_processes`, `utilization`, `busy` and
    `devices` may be called beside each other from several threads.

    name: as in the entry point. unavailable: why it has no domains here, and what to do; None: it
    has some, or has nothing to do with this machine. warnings: what else a reader of its figures
    should know.
    """

    name: str
    unavailable: str | None = None
    warnings: Sequence[str] = ()
    quick: bool = False  # its calls read files of the kernel: they return at once, and never hang

    @property
    def cpu_seconds(self) -> float:
        """CPU time of threads of its own."""
        return 0.0

    @abstractmethod
    def domains(self) -> Sequence[Domain]:
        """All that the source knows of, also what it cannot read (`Domain.missing`)."""

    @abstractmethod
    def read(self) -> Sequence[Reading]:
        """One reading of each readable domain. A failed read is a Reading with its reason."""

    def read_of(self, names: Set[str]) -> Sequence[Reading]:
        """Readings of these domains at least. A source that has to ask for each by itself leaves
        out the others: where its calls are slow, the time of each is known the better."""
        return self.read()

    def read_after(self, time: float) -> Sequence[Reading]:
        """Readings that tell of all up to `time` (monotonic), which is now or before, of a source
        whose figures come late: it waits for them, for some seconds at most."""
        return ()

    def environment(self) -> Sequence[GpuState]:
        """State of its GPUs now; empty for other sources."""
        return ()

    def processes(self) -> Sequence[GpuProcess]:
        """Who is on its GPUs now; empty for other sources. NotReported where it cannot tell."""
        if any(domain.kind == "gpu" for domain in self.domains()):
            raise NotReported(f"{self.name} does not report the processes on its GPUs")
        return ()

    def unmetered_processes(self) -> Sequence[GpuProcess]:
        """Who is on those GPUs that it could meter and was not asked to, as far as they tell."""
        return ()

    def utilization(self) -> Utilization:
        """How busy each process was on its GPUs since the last call, of the last few seconds at
        most; empty for other sources. NotReported where no GPU tells."""
        if any(domain.kind == "gpu" for domain in self.domains()):
            raise NotReported(f"{self.name} does not report the utilisation of its GPUs by process")
        return Utilization()

    def busy(self) -> Busy:
        """How long kernels of each process ran on its GPUs so far; empty for other sources.
        NotReported where no GPU tells."""
        if any(domain.kind == "gpu" for domain in self.domains()):
            raise NotReported(f"{self.name} does not report how long processes keep its GPUs busy")
        return Busy()

    def devices(self) -> Mapping[int, DeviceLook]:
        """How busy each GPU is, by the index of those that tell."""
        return {}

    def close(self) -> None:  # noqa: B027
        """Gives back what it holds; a source that holds nothing needs none."""


class SourceWrapper(Source):
    """*source* as it is: a subclass overrides what it changes, all the rest is passed on."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.name, self.unavailable = source.name, source.unavailable
        self.quick, self.warnings = source.quick, source.warnings

    @property
    def cpu_seconds(self) -> float:
        return self.source.cpu_seconds

    def domains(self) -> Sequence[Domain]:
        return self.source.domains()

    def read(self) -> Sequence[Reading]:
        return self.source.read()

    def read_of(self, names: Set[str]) -> Sequence[Reading]:
        return self.source.read_of(names)

    def read_after(self, time: float) -> Sequence[Reading]:
        return self.source.read_after(time)

    def environment(self) -> Sequence[GpuState]:
        return self.source.environment()

    def processes(self) -> Sequence[GpuProcess]:
        return self.source.processes()

    def unmetered_processes(self) -> Sequence[GpuProcess]:
        return self.source.unmetered_processes()

    def utilization(self) -> Utilization:
        return self.source.utilization()

    def busy(self) -> Busy:
        return self.source.busy()

    def devices(self) -> Mapping[int, DeviceLook]:
        return self.source.devices()

    def close(self) -> None:
        self.source.close()


HIDDEN = ("-1", "none", "void", "NoDevFiles")
"""Ways to say in CUDA_VISIBLE_DEVICES that CUDA shall see no GPU."""


@dataclass(frozen=True)
class OpenRequest:
    """What a source is asked for when it is opened; an entry point gets it.

    gpus: indices or UUIDs; None: those in CUDA_VISIBLE_DEVICES, without it all.
    powercap_root, perf_root, pci_root: /sys/class/powercap, /sys/bus/event_source/devices and
        /sys/bus/pci/devices, or what stands in for them.
    measured: the parts (`Domain.part`) that a source opened before can read.
    hwmon_root, pm_counters_root: /sys/class/hwmon and /sys/cray/pm_counters, likewise.
    """

    gpus: Sequence[int | str] | None
    powercap_root: Path
    perf_root: Path
    measured: frozenset[str] = frozenset()
    pci_root: Path = Path("/sys/bus/pci/devices")
    hwmon_root: Path = Path("/sys/class/hwmon")
    pm_counters_root: Path = Path("/sys/cray/pm_counters")

    @property
    def no_gpu(self) -> bool:
        """Whether it asks for no GPU at all."""
        if self.gpus is not None:
            return not self.gpus
        shown = os.environ.get("CUDA_VISIBLE_DEVICES")
        return shown is not None and shown.split(",")[0].strip() in ("", *HIDDEN)


Opener = Callable[[OpenRequest], Source | None]
"""What an entry point of the group `energyctl.meters` names: opens a source; or None."""


def timed_reading(
    domain: str, failure: str, read: Callable[[], float], *errors: type[Exception]
) -> Reading:
    """Joules or watts by `read`, whose *errors* make it a failed reading, with that reason."""
    value, reason, before = None, None, time.monotonic()
    try:
        value = read()
    except errors as error:
        reason = f"{failure}: {error}"
    after = time.monotonic()
    return Reading(domain, (before + after) / 2, value, reason, after - before)


def readings_of(source: Source, names: Set[str] | None = None) -> Sequence[Reading]:
    """What it reads, of the domains *names* at least, each value None or a finite number.

    A source that raises, or returns what is none, gives failed readings, so that the others go on.
    """
    return _sound(source, lambda: source.read() if names is None else source.read_of(names))


def readings_after(source: Source, time: float) -> Sequence[Reading]:
    """What it reads of up to `time` (`Source.read_after`), likewise."""
    return _sound(source, lambda: source.read_after(time))


def _sound(source: Source, read: Callable[[], Sequence[Reading]]) -> Sequence[Reading]:
    try:
        readings = read()
        return readings if source.quick else [_checked(source, r) for r in readings]
    except Exception as error:
        reason, now = f"{source.name}: {error or type(error).__name__}", time.monotonic()
        return [Reading(d.name, now, None, reason) for d in source.domains() if not d.missing]


def _checked(source: Source, reading: Reading) -> Reading:
    domain, moment, value, reason, seconds = reading
    if value is None:
        return Reading(domain, float(moment), None, reason or "the read failed", seconds)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        return Reading(
            domain, float(moment), None, f"{source.name} read {value!r}, which is no number"
        )
    return Reading(domain, float(moment), float(value), reason, seconds)


def doubts(what: str, domain: Domain) -> list[str]:
    """A warning for each check that the counter of *what* did not pass when it was opened."""
    doubted = [check for check in domain.checks if check.verdict == "doubted"]
    return [f"the energy of {what} may be wrong: {check.words}" for check in doubted]


def states_of(source: Source) -> Sequence[GpuState]:
    """Its GPUs' states; none where it raises."""
    try:
        return source.environment()
    except Exception:
        return ()
