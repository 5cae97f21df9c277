"""Domains of known power, read on a simulated clock as the sampler reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from random import Random

from energyctl.energy import CounterSeries, Domain, Series, series_for
from energyctl.meters.sampler import (
    EDGE_STEPS,
    EDGE_WATCH_SECONDS,
    START_STEPS,
    START_WATCH_SECONDS,
)
from energyctl.meters.schedule import ReadSchedule, longer_seconds

# A call into a driver, and how much later than wanted a thread wakes, on an idle machine.
READ_SECONDS, LATE_SECONDS = 2e-4, 2e-4
# From the first sample to the first edge: `Sampler.wait_until_located`.
BEFORE_SECONDS = 0.45
INTERVAL_SECONDS = 1.0


class SimulatedSampler:
    """Reads `values`, what each domain shows at an instant, into `series`.

    read_seconds: of one call. epoch: added to the clock's seconds in the series' time stamps.
    """

    def __init__(
        self,
        values: Mapping[Domain, Callable[[float], float]],
        random: Random,
        *,
        read_seconds: float = READ_SECONDS,
        epoch: float = 0.0,
    ) -> None:
        self.series: dict[str, Series] = {domain.name: series_for(domain) for domain in values}
        self._values = {domain.name: value for domain, value in values.items()}
        self._schedule = ReadSchedule(self.series, [self.series.keys()])
        self._random, self._read_seconds, self._epoch = random, read_seconds, epoch
        self._now = 0.0

    def run(self, edges: Sequence[float], before: float | None = None) -> None:
        """From `before` the first edge on; the edges begin phases, the last one ends it all.

        before None: as long as `Sampler.wait_until_located` takes.
        """
        round_seconds = len(self.series) * self._read_seconds
        self._now = edges[0] - (before or BEFORE_SECONDS + longer_seconds(round_seconds))
        self._sample()
        self._schedule.edge(self._now, START_STEPS, START_WATCH_SECONDS)
        deadline, coming = self._now + INTERVAL_SECONDS, list(edges)
        while coming or self._schedule.watching:
            due = self._schedule.next_due(self._now, self._epoch + self._now)
            wake = min(due, deadline if coming else inf)
            if coming and coming[0] <= max(wake, self._now):
                self._now = max(self._now, coming.pop(0))
                self._schedule.edge(self._now, EDGE_STEPS, EDGE_WATCH_SECONDS)
                self._sample()
                continue
            self._now = max(self._now, wake) + LATE_SECONDS * self._random.expovariate(1.0)
            names = self._schedule.due(self._now, self._epoch + self._now)
            if coming and self._now >= deadline:
                deadline += INTERVAL_SECONDS
                self._sample()
            elif names:
                self._poll(names)

    def _sample(self) -> None:
        self._schedule.sampled(self._now)
        for name, series in self.series.items():
            series.append(*self._read(name))

    def _poll(self, names: set[str]) -> None:
        for name, series in self.series.items():
            if name not in names:
                continue
            time, value, reason, seconds = self._read(name)
            if not isinstance(series, CounterSeries):
                series.append(time, value, reason, seconds)
            elif series.locate_step(time, value, seconds):
                self._schedule.located(name)

    def _read(self, name: str) -> tuple[float, float, None, float]:
        """Time stamp, value, no failure, how long it took; the clock goes on by that."""
        took = self._read_seconds * self._random.uniform(0.6, 1.4)
        value = self._values[name](self._now + self._random.random() * took)
        stamp = self._epoch + self._now + took / 2
        self._now += took
        return stamp, value, None, took
