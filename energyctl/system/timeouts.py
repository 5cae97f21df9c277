"""Calls into drivers, and into code of others, that may never return.

Each is made in a thread that gets no signals: they reach the main thread, whose wait they
interrupt.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar, cast

from energyctl.system.threads import start_thread

DRIVER_SECONDS = 60.0
"""For NVML to begin: with many GPUs whose driver is not kept loaded it takes many seconds."""

PART_SECONDS = 0.5

T = TypeVar("T")


def _ignore(result: object) -> None:
    """Leaves a late result to the garbage collector."""


class CallTimeout(Exception):
    """A call has not returned in its time. seconds: since it was made."""

    def __init__(self, message: str, seconds: float = 0.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class _Call:
    """A call under way, and what came of it."""

    def __init__(self, function: Callable[[], Any], discard: Callable[[Any], object]) -> None:
        self._function, self._discard = function, discard
        self._outcome: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._abandoned = False
        self.returned = False

    def make(self) -> None:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = self._function(), None
        except BaseException as error:
            outcome = None, error
        self.returned = True
        self._outcome.put(outcome)
        if self._abandoned:
            self._drop()

    def outcome(self, seconds: float) -> tuple[Any, BaseException | None]:
        """Result and error. Raises Empty where there is none within `seconds`.

        Waits in short parts: a signal in the instant before a wait begins does not interrupt it,
        and Python looks at it only once that wait is over.
        """
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > PART_SECONDS:
            with contextlib.suppress(Empty):
                return self._outcome.get(timeout=PART_SECONDS)
        return self._outcome.get(timeout=max(0.0, left))

    def abandon(self) -> None:
        """Nobody waits any more: what comes, or has just come, is discarded."""
        self._abandoned = True
        self._drop()

    def _drop(self) -> None:
        """In whichever thread finds it."""
        with contextlib.suppress(Empty):
            result, error = self._outcome.get_nowait()
            if error is None:
                self._discard(result)


class TimeLimitedCaller:
    """Makes one call at a time in a thread of its own, which lives until :meth:`close`.

    cpu_seconds: CPU time of that thread so far.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.cpu_seconds = 0.0
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._turn = threading.Lock()  # one call at a time: the next one waits for its answer
        self._last: _Call | None = None
        self._called_monotonic = 0.0
        start_thread(self._serve, f"{name}-call")

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call.make()
            self.cpu_seconds = time.thread_time()

    @property
    def hangs(self) -> bool:
        """Whether the last call has not returned."""
        return self._last is not None and not self._last.returned

    def call(
        self, function: Callable[[], T], seconds: float, discard: Callable[[T], object] = _ignore
    ) -> T:
        """What `function` returns or raises; CallTimeout where it does neither within `seconds`,
        and at once while an earlier call hangs.

        discard: called with a result that comes when nobody waits for it any more.
        """
        with self._turn:
            if self.hangs:
                waited = time.monotonic() - self._called_monotonic
                raise CallTimeout(f"{self._name} has not answered for {waited:.0f} s", waited)
            self._last, self._called_monotonic = _Call(function, discard), time.monotonic()
            self._calls.put(self._last)
            try:
                result, error = self._last.outcome(seconds)
            except Empty:
                self._last.abandon()
                text = f"{self._name} has not answered for {seconds:g} s"
                raise CallTimeout(text, seconds) from None
            except BaseException:
                self._last.abandon()
                raise
            if error is not None:
                raise error
            return cast(T, result)

    def close(self) -> None:
        """Ends the thread, once the call in it returns."""
        self._calls.put(None)


_hanging: dict[str, TimeLimitedCaller] = {}


def call_within(
    seconds: float, name: str, function: Callable[[], T], discard: Callable[[T], object] = _ignore
) -> T:
    """One call as by :class:`TimeLimitedCaller`; of one name, no second one while one hangs."""
    if name in _hanging and _hanging[name].hangs:
        raise CallTimeout(f"{name} does not answer since an earlier call")
    caller = TimeLimitedCaller(name)
    try:
        return caller.call(function, seconds, discard)
    except CallTimeout:
        _hanging[name] = caller
        raise
    finally:
        caller.close()
