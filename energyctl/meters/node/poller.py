"""The thread that asks one meter, so that nobody waits for its answers."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from energyctl.meters.base import Reading
from energyctl.meters.node.device import NoAnswer, NodeDevice
from energyctl.system.threads import start_thread

# Questions come at uneven distances: a load with a period would otherwise be seen at the same place
# of it each time.
UNEVEN = (0.75, 1.25)
# Readings that nobody has fetched: more than an hour of them.
MOST_WAITING = 5000
JOIN_SECONDS = 1.0


class Poller:
    """Runs until :meth:`end`, also where the meter does not answer."""

    def __init__(self, device: NodeDevice) -> None:
        self.device = device
        self._readings: deque[Reading] = deque(maxlen=MOST_WAITING)
        self._changed = threading.Condition()
        self._closing = False
        self._asked = -inf  # when the last question was that has ended; monotonic, as what follows
        self._called = inf  # when somebody wants the next one, however soon
        self._answered: float | None = None  # when the last one was that had an answer
        self._reported: float | None = None
        self.failure: str | None = None
        """Why the first question had no answer."""
        self.cpu_seconds = 0.0
        self._thread = start_thread(self._run, f"meter-{device.domain.name}")

    def wait_for_first(self, deadline: float) -> None:
        """Until the first question is answered, or has failed; monotonic seconds."""
        if not self._wait(lambda: self._asked > -inf, deadline):
            limit = self.device.limit_seconds
            self.failure = f"{self.device.place}: no answer within {limit:g} s"

    def call(self, instant: float) -> None:
        """Has it asked at `instant`, or as soon as a question under way has ended."""
        with self._changed:
            self._called = min(self._called, instant)
            self._changed.notify_all()

    def wait_for_answer(self, instant: float, deadline: float) -> None:
        """Until a question of `instant` or later has ended."""
        self._wait(lambda: self._closing or self._asked >= instant, deadline)

    @property
    def answered(self) -> bool:
        """Whether it ever did."""
        return self._answered is not None

    def _wait(self, done: Callable[[], bool], deadline: float) -> bool:
        with self._changed:
            return self._changed.wait_for(done, max(0.0, deadline - time.monotonic()))

    def readings(self) -> Sequence[Reading]:
        """Those since the call before, in the order of time."""
        fetched = []
        while self._readings:
            fetched.append(self._readings.popleft())
        return fetched

    def end(self) -> None:
        """Asks no more; returns at once."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.device.cancel()

    def wait_for_end(self) -> None:
        """After :meth:`end`; no longer than a second, though a name may take longer to resolve."""
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while not self._closing:
            began = time.monotonic()
            reading = self._ask(began)
            with self._changed:
                if reading is not None and not self._closing:
                    self._readings.append(reading)
                self._asked = began
                if began >= self._called:
                    self._called = inf
                self._changed.notify_all()
            self.cpu_seconds = time.thread_time()
            self._pause(began + self.device.poll_seconds * random.uniform(*UNEVEN))
        self.device.close()

    def _pause(self, until: float) -> None:
        with self._changed:
            while not self._closing:
                left = min(until, self._called) - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def _believed(self, value: float) -> float:
        """A machine that runs us draws power: where a meter tells 0 W, it is another's, or off."""
        if value == 0 and self.device.domain.quantity == "power":
            raise NoAnswer(f"{self.device.place}: told 0 W, and a machine that runs draws power")
        return value

    def _ask(self, began: float) -> Reading | None:
        """None where the meter says that it has told the same before."""
        value = reason = reported = None
        try:
            value = self._believed(self.device.ask())
            reported = self.device.reported_unix
        except NoAnswer as error:
            reason = str(error)
        except Exception as error:  # what it answered surprised us: the next may not
            reason = f"{self.device.place}: {error!r}"
        if self._asked == -inf:
            self.failure = reason
        ended = time.monotonic()
        middle, seconds = (began + ended) / 2, ended - began
        if reported is not None:
            first = began - self.device.domain.update_seconds
            before = first if self._answered is None else self._answered
            middle, seconds = placed(ended - time.time() + reported, before, ended)
        old = reported is not None and reported == self._reported
        if value is not None:
            self._answered, self._reported = began, reported
        return None if old else Reading(self.device.domain.name, middle, value, reason, seconds)


def placed(told: float, asked_before: float, answered: float) -> tuple[float, float]:
    """(instant, seconds around it) of a value that was new between two questions.

    told: the instant by the meter's own clock. Where it lies elsewhere, clocks differ, and the
    value is of any time between.
    """
    if asked_before <= told <= answered:
        return told, 0.0
    return (asked_before + answered) / 2, answered - asked_before
