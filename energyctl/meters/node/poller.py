"""The thread that asks one meter, so that nobody waits for its answers."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Sequence

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
        self._closing = threading.Event()
        self._first = threading.Event()
        self.failure: str | None = None
        """Why the first question had no answer."""
        self.cpu_seconds = 0.0
        self._thread = start_thread(self._run, f"meter-{device.domain.name}")

    def wait_for_first(self, deadline: float) -> None:
        """Until the first question is answered, or has failed; monotonic seconds."""
        if not self._first.wait(max(0.0, deadline - time.monotonic())):
            limit = self.device.limit_seconds
            self.failure = f"{self.device.place}: no answer within {limit:g} s"

    def readings(self) -> Sequence[Reading]:
        """Those since the call before, in the order of time."""
        fetched = []
        while self._readings:
            fetched.append(self._readings.popleft())
        return fetched

    def end(self) -> None:
        """Asks no more; returns at once."""
        self._closing.set()
        self.device.cancel()

    def wait_for_end(self) -> None:
        """After :meth:`end`; no longer than a second, though a name may take longer to resolve."""
        self._thread.join(JOIN_SECONDS)

    def _run(self) -> None:
        while not self._closing.is_set():
            began = time.monotonic()
            reading = self._ask(began)
            if not self._closing.is_set():
                self._readings.append(reading)
            self._first.set()
            self.cpu_seconds = time.thread_time()
            pause = self.device.poll_seconds * random.uniform(*UNEVEN)
            self._closing.wait(max(0.0, began + pause - time.monotonic()))
        self.device.close()

    def _believed(self, value: float) -> float:
        """A machine that runs us draws power: where a meter tells 0 W, it is another's, or off."""
        if value == 0 and self.device.domain.quantity == "power":
            raise NoAnswer(f"{self.device.place}: told 0 W, and a machine that runs draws power")
        return value

    def _ask(self, began: float) -> Reading:
        value = reason = None
        try:
            value = self._believed(self.device.ask())
        except NoAnswer as error:
            reason = str(error)
        except Exception as error:  # what it answered surprised us: the next may not
            reason = f"{self.device.place}: {error!r}"
        if not self._first.is_set():
            self.failure = reason
        ended = time.monotonic()
        return Reading(self.device.domain.name, (began + ended) / 2, value, reason, ended - began)
