"""What was foreign in an interval, as the result holds it and as a warning says it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, cast

from energyctl.results.schema import CpuProcessJson, ForeignJson, GpuProcessJson
from energyctl.system.host import process_facts
from energyctl.text import printable

MAX_CORES, MAX_SHARE = 0.25, 0.02
"""Foreign CPU time warns above this many cores, and this share of the logical CPUs."""

MOST_PROCESSES = 5  # named in a result
MOST_NAMED = 3  # named in a warning
_LONGEST_COMMAND = 100


class CpuProcess(NamedTuple):
    """A foreign process and the CPU seconds that it, and the children it reaped, spent."""

    pid: int
    user: str | None
    command: str | None
    cpu_seconds: float

    def to_json(self) -> CpuProcessJson:
        return cast(CpuProcessJson, self._asdict())


@dataclass(frozen=True)
class GpuProcess:
    """A process with a context on a GPU; memory_bytes: the most that was seen.

    attributed: False where its pid tells nothing here, so that it may be one of ours.
    """

    gpu: int
    pid: int
    user: str | None
    command: str | None
    memory_bytes: int | None
    attributed: bool = True

    def to_json(self) -> GpuProcessJson:
        return cast(GpuProcessJson, asdict(self))


@dataclass(frozen=True)
class ForeignLoad:
    """Foreign load over an interval; None with the reason, by key, in `missing`.

    astray: of each GPU that is not metered, a process of ours that was on it.
    """

    seconds: float | None = None
    cpu_seconds: float | None = None
    processes: Sequence[CpuProcess] | None = None
    gpu_processes: Sequence[GpuProcess] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    astray: Sequence[GpuProcess] = ()

    @property
    def cpu_cores(self) -> float | None:
        """The mean."""
        if self.cpu_seconds is None or not self.seconds:
            return None
        return self.cpu_seconds / self.seconds

    def to_json(self) -> ForeignJson:
        gpus = self.gpu_processes
        return {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "cpu_cores": self.cpu_cores,
            "processes": None if self.processes is None else [p.to_json() for p in self.processes],
            "gpu_processes": None if gpus is None else [p.to_json() for p in gpus],
            "missing": dict(self.missing),
        }

    def warnings(self, when: str) -> list[str]:
        """A line for CPU time above the limits, one for each process on a metered GPU, and one for
        each GPU that ours are on and that is not metered."""
        lines = []
        cores, limit = self.cpu_cores, max(MAX_CORES, MAX_SHARE * (os.cpu_count() or 1))
        if cores is not None and cores > limit:
            lines.append(
                f"foreign load {when}: other processes used "
                f"{cores:.2f} CPU cores on average{self._named()}"
            )
        for process in self.gpu_processes or ():
            if process.attributed:
                lines.append(f"foreign process on GPU {process.gpu} {when}: {_words(process)}")
        lines += [
            f"a training used GPU {process.gpu}, which is not metered, {when}: its energy there is "
            f"in no figure: {_words(process)}"
            for process in self.astray
        ]
        return lines

    def _named(self) -> str:
        seconds = self.seconds or 1.0
        named = [
            f"pid {p.pid} ({p.user or 'unknown user'}, {p.cpu_seconds / seconds:.2f} cores)"
            f" {p.command or ''}".rstrip()
            for p in (self.processes or ())[:MOST_NAMED]
        ]
        return f": {'; '.join(named)}" if named else " (they have all ended)"


def unknown(why: str, seconds: float | None = None) -> ForeignLoad:
    """Nothing of it is known."""
    keys = ("seconds", "cpu_seconds", "cpu_cores", "processes", "gpu_processes")
    return ForeignLoad(seconds, missing={k: why for k in keys if k != "seconds" or seconds is None})


def user_and_command(pid: int) -> tuple[str | None, str | None]:
    """Of a process; its command in one line, cut. None where it has ended."""
    facts = process_facts(pid)
    return facts["user"], printable(facts["command"] or "")[:_LONGEST_COMMAND] or None


def _words(process: GpuProcess) -> str:
    memory = process.memory_bytes
    size = "" if memory is None else f", {memory / 2**20:,.0f} MiB"
    return f"pid {process.pid} ({process.user or 'unknown user'}{size}) {process.command or ''}"
