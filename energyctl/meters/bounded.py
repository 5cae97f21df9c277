"""A source whose driver may hang, kept from hanging whoever asks it.

A call into a GPU driver can block for good (a GPU that fell off the bus). Where it does not return
in time the reading has failed, with that reason, and until it does return nothing is asked again.
The other sources, the phases and a Ctrl-C go on.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TypeVar

from energyctl.energy import Domain
from energyctl.meters.base import (
    GpuProcess,
    GpuState,
    NotReported,
    Reading,
    Source,
    SourceWrapper,
    Utilization,
)
from energyctl.meters.busy import Busy, DeviceLook
from energyctl.system.timeouts import CallTimeout, TimeLimitedCaller

LIMIT_SECONDS = 2.0

METHODS = (
    "read", "environment", "processes", "unmetered_processes", "utilization", "busy",
    "devices",
)  # fmt: skip

T = TypeVar("T")


class TimeLimitedSource(SourceWrapper):
    """*source*, each call of which returns within :data:`LIMIT_SECONDS`."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._domains = tuple(source.domains())
        self._source_cpu_seconds = 0.0
        # A thread for each method: they may be called beside each other.
        self._callers = {method: TimeLimitedCaller(source.name) for method in METHODS}

    def domains(self) -> Sequence[Domain]:
        return self._domains

    def read(self) -> Sequence[Reading]:
        return self._within_limit(self._domains, self.source.read)

    def read_of(self, names: Set[str]) -> Sequence[Reading]:
        asked = [d for d in self._domains if d.name in names]
        return self._within_limit(asked, lambda: self.source.read_of(names))

    def read_after(self, time: float) -> Sequence[Reading]:
        return self._call("read", lambda: self.source.read_after(time))

    def _within_limit(
        self, asked: Sequence[Domain], read: Callable[[], Sequence[Reading]]
    ) -> Sequence[Reading]:
        def with_cpu_seconds() -> Sequence[Reading]:
            with contextlib.suppress(Exception):  # of a plug-in: it costs no reading
                self._source_cpu_seconds = self.source.cpu_seconds
            return read()

        try:
            return self._call("read", with_cpu_seconds)
        except NotReported as error:
            now, reason = time.monotonic(), str(error)
            return [Reading(d.name, now, None, reason) for d in asked if d.missing is None]

    def environment(self) -> Sequence[GpuState]:
        try:
            return self._call("environment", self.source.environment)
        except NotReported:
            return ()

    def processes(self) -> Sequence[GpuProcess]:
        return self._call("processes", self.source.processes)

    def unmetered_processes(self) -> Sequence[GpuProcess]:
        return self._call("unmetered_processes", self.source.unmetered_processes)

    def utilization(self) -> Utilization:
        return self._call("utilization", self.source.utilization)

    def busy(self) -> Busy:
        return self._call("busy", self.source.busy)

    def devices(self) -> Mapping[int, DeviceLook]:
        try:
            return self._call("devices", self.source.devices)
        except NotReported:
            return {}

    def _call(self, name: str, method: Callable[[], T]) -> T:
        """NotReported where it does not return in time."""
        try:
            return self._callers[name].call(method, LIMIT_SECONDS)
        except CallTimeout as error:
            reason = f"{self.name} has not answered for {error.seconds:.0f} s: the driver hangs"
            raise NotReported(reason) from None
        except SystemExit as error:  # of a plug-in: it must not end the thread of who asks
            raise RuntimeError(repr(error)) from error

    @property
    def cpu_seconds(self) -> float:
        """Of the callers' threads, and of the source's own up to its last read."""
        return self._source_cpu_seconds + sum(c.cpu_seconds for c in self._callers.values())

    def close(self) -> None:
        """Closes the source, unless a call hangs in it: closing would hang as well."""
        for caller in self._callers.values():
            caller.close()
        if not any(caller.hangs for caller in self._callers.values()):
            self.source.close()
