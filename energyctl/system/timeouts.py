"""Calls into drivers, and into code of others, that may never return.

Each is made in a thread of its own that gets no signals: they reach the main thread, whose wait
they interrupt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from energyctl.system.threads import started

DRIVER_SECONDS = 60.0
"""For NVML to begin: with many GPUs whose driver is not kept loaded it takes many seconds."""

PART_SECONDS = 0.5

T = TypeVar("T")

_hanging: dict[str, threading.Thread] = {}


class Hangs(Exception):
    """A call has not returned in its time."""


class _Call(Generic[T]):
    def __init__(self, call: Callable[[], T], too_late: Callable[[T], None]) -> None:
        self._call, self._too_late = call, too_late
        self._settling = threading.Lock()  # guards what follows
        self._given_up = False
        self._results: list[T] = []
        self._error: BaseException | None = None
        self.returned = threading.Event()

    def make(self) -> None:
        try:
            result = self._call()
        except BaseException as error:
            self._error = error
        else:
            with self._settling:
                self._results.append(result)
                late = self._given_up
            if late:
                self._too_late(result)
        self.returned.set()

    def give_up(self) -> None:
        """Whichever of this and the return comes last gives the result back."""
        with self._settling:
            self._given_up, late = True, list(self._results)
        for result in late:
            self._too_late(result)

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results[0]


def _waited(event: threading.Event, seconds: float) -> bool:
    """As ``event.wait``, in short parts: a signal in the instant before a wait begins does not
    interrupt it, and Python looks at it only once that wait is over."""
    deadline = time.monotonic() + seconds
    while not event.wait(max(0.0, min(PART_SECONDS, deadline - time.monotonic()))):
        if time.monotonic() >= deadline:
            return event.is_set()
    return True


def within(
    seconds: float,
    name: str,
    call: Callable[[], T],
    *,
    too_late: Callable[[T], None] = lambda result: None,
) -> T:
    """What `call` returns or raises; Hangs where it does neither within `seconds`.

    Hangs at once while an earlier call of that name still hangs. too_late: called with a result
    that nobody waits for any more.
    """
    earlier = _hanging.get(name)
    if earlier is not None and earlier.is_alive():
        raise Hangs(f"{name} does not answer since an earlier call")
    made = _Call(call, too_late)
    thread = started(made.make, f"{name}-call")
    try:
        returned = _waited(made.returned, seconds)
    except BaseException:
        made.give_up()
        raise
    if returned:
        return made.result()
    _hanging[name] = thread
    made.give_up()
    raise Hangs(f"{name} has not answered for {seconds:g} s")
