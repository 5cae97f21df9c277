"""A GPU's counter, read each millisecond."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from dataclasses import replace
from math import inf
from statistics import median
from types import TracebackType

from energyctl.energy import CounterSeries, Domain
from energyctl.meters.acceptance.estimators import Staircase
from energyctl.meters.base import Source, readings_of
from energyctl.system.threads import start_thread

LOOK_SECONDS = 0.001
CALLS = 10_000


class CounterWatch:
    """Reads a counter in a thread of its own, while the block lasts, and locates its steps.

    Nobody else may read the source meanwhile.
    """

    def __init__(self, source: Source, domain: Domain) -> None:
        self._source = source
        self._series = CounterSeries(replace(domain, delay_seconds=None))
        self._calls: deque[float] = deque(maxlen=CALLS)
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def __enter__(self) -> CounterWatch:
        self._thread = start_thread(self._look, "counter-watch")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopping.is_set():
            for reading in readings_of(self._source):
                if reading.domain == self._series.domain.name:
                    with self._lock:
                        self._series.locate_step(reading.time, reading.value, reading.seconds)
                        self._calls.append(reading.seconds)
            time.sleep(LOOK_SECONDS)

    @property
    def call_seconds(self) -> float:
        """How long a read usually takes."""
        with self._lock:
            return median(self._calls) if self._calls else inf

    def staircase(self, since: float = -inf) -> Staircase:
        """The steps that were located from an instant of the monotonic clock on."""
        with self._lock:
            steps = self._series.steps
            first = bisect_left(steps.times, since)
            shown = range(first, len(steps.times))
            followed = [i > 0 and steps.adjacent(i - 1) for i in shown]
            return Staircase(steps.times[first:].tolist(), steps.after[first:].tolist(), followed)
