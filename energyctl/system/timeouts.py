"""Calls into drivers, and into code of others, that may never return.

Each is made in a thread that gets no signals: they reach the main thread, whose wait they
interrupt.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from queue import SimpleQueue
from typing import Any, TypeVar

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


class TimeLimitedCaller:
    """Makes one call at a time in a thread of its own, which lives until :meth:`close`.

    cpu_seconds: CPU time of that thread so far.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.cpu_seconds = 0.0
        self._calls: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._turn = threading.Lock()  # one call at a time: the next one waits for its answer
        self._answer: Future[Any] | None = None  # to the last call
        self._called_monotonic = 0.0
        start_thread(self._serve, f"{name}-call")

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            function, answer = call
            try:
                answer.set_result(function())
            except BaseException as error:
                answer.set_exception(error)
            self.cpu_seconds = time.thread_time()

    @property
    def hangs(self) -> bool:
        """Whether the last call has not returned."""
        return self._answer is not None and not self._answer.done()

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
            answer: Future[T] = Future()
            self._answer, self._called_monotonic = answer, time.monotonic()
            self._calls.put((function, answer))
            try:
                if not _done(answer, seconds):
                    raise CallTimeout(f"{self._name} has not answered for {seconds:g} s", seconds)
            except BaseException:
                answer.add_done_callback(lambda late: late.exception() or discard(late.result()))
                raise
            return answer.result()

    def close(self) -> None:
        """Ends the thread, once the call in it returns."""
        self._calls.put(None)


def _done(answer: Future[Any], seconds: float) -> bool:
    """Waits in short parts: a signal in the instant before a wait begins does not interrupt it,
    and Python looks at it only once that wait is over."""
    deadline = time.monotonic() + seconds
    while not answer.done() and (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(FutureTimeout):
            answer.exception(min(PART_SECONDS, left))
    return answer.done()


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
