"""A source whose driver may hang, kept from hanging whoever asks it.

A call into a GPU driver can block for good (a GPU that fell off the bus). It is made in a thread
of its own; where it does not return in time the reading has failed, with that reason, and until
it does return nothing is asked again. The other sources, the phases and a Ctrl-C go on.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

from energyctl.energy import Domain
from energyctl.meters.base import (
    GpuProcess,
    GpuState,
    Reading,
    Source,
    SourceWrapper,
    Untold,
    Utilization,
)
from energyctl.system.threads import started

LIMIT_SECONDS = 2.0

T = TypeVar("T")


class _Hangs(Exception):
    """The call has not returned."""


class _Caller(Generic[T]):
    """Makes one call at a time in its own thread, which lives until :meth:`end`."""

    def __init__(self, call: Callable[[], T], name: str) -> None:
        self._call = call
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._answered = threading.Event()
        self._answered.set()
        self._result: T | None = None
        self._error: Exception | None = None
        self._since = 0.0
        self.cpu_seconds = 0.0
        self._turn = threading.Lock()  # one asker at a time; the next one waits for its answer
        started(self._serve, name)

    def _serve(self) -> None:
        while self._asked.get():
            try:
                self._result, self._error = self._call(), None
            except Exception as error:
                self._result, self._error = None, error
            self.cpu_seconds = time.thread_time()
            self._answered.set()

    def ask(self) -> T:
        """The call's result; _Hangs where it, or one before it, does not return in time."""
        with self._turn:
            if not self._answered.is_set():
                raise _Hangs
            self._answered.clear()
            self._since = time.monotonic()
            self._asked.put(True)
            if not self._answered.wait(LIMIT_SECONDS):
                raise _Hangs
            if self._error is not None:
                raise self._error
            return self._result  # type: ignore[return-value]

    @property
    def waiting_seconds(self) -> float:
        return time.monotonic() - self._since

    @property
    def hangs(self) -> bool:
        return not self._answered.is_set()

    def end(self) -> None:
        self._asked.put(False)


class Bounded(SourceWrapper):
    """*source*, each call of which returns within :data:`LIMIT_SECONDS`."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self._domains = tuple(source.domains())
        self._source_cpu_seconds = 0.0
        self._read = _Caller(self._read_source, f"{source.name}-read")
        self._environment = _Caller(source.environment, f"{source.name}-environment")
        self._processes = _Caller(source.processes, f"{source.name}-processes")
        self._utilization = _Caller(source.utilization, f"{source.name}-utilization")
        self._callers = self._read, self._environment, self._processes, self._utilization

    def domains(self) -> Sequence[Domain]:
        return self._domains

    def read(self) -> Sequence[Reading]:
        try:
            return self._read.ask()
        except _Hangs:
            now, reason = time.monotonic(), self._hangs(self._read)
            return [Reading(d.name, now, None, reason) for d in self._domains if d.missing is None]

    def _read_source(self) -> Sequence[Reading]:
        try:
            return self.source.read()
        finally:
            with contextlib.suppress(Exception):  # of a plug-in: it costs no reading
                self._source_cpu_seconds = self.source.cpu_seconds

    def environment(self) -> Sequence[GpuState]:
        try:
            return self._environment.ask()
        except _Hangs:
            return ()

    def processes(self) -> Sequence[GpuProcess]:
        try:
            return self._processes.ask()
        except _Hangs:
            raise Untold(self._hangs(self._processes)) from None

    def utilization(self) -> Utilization:
        try:
            return self._utilization.ask()
        except _Hangs:
            raise Untold(self._hangs(self._utilization)) from None

    def _hangs(self, caller: _Caller[T]) -> str:
        return f"{self.name} has not answered for {caller.waiting_seconds:.0f} s: the driver hangs"

    @property
    def cpu_seconds(self) -> float:
        """Of the callers' threads, and of the source's own up to its last read."""
        return self._source_cpu_seconds + sum(caller.cpu_seconds for caller in self._callers)

    def close(self) -> None:
        """Closes the source, unless a call hangs in it: closing would hang as well."""
        for caller in self._callers:
            caller.end()
        if not any(caller.hangs for caller in self._callers):
            self.source.close()
