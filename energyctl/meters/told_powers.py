"""The power that GPUs tell beside their counters, taken from their states."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from math import inf

from energyctl.energy import Domain, ToldPower
from energyctl.meters.base import GpuState

# So many states after the begin of a phase are taken for this, as often as it is sampled but at
# uneven distances: a load with a period would else be seen at the same place of it each time.
# Later each fifth: another wake-up costs as much as a sample.
FIRST_LOOKS, LATER = 12, 5
LEAST_PACE_SECONDS = 0.5


class ToldPowers:
    """Beside those counters. due: when to take the states for it (monotonic)."""

    def __init__(self, counters: Iterable[Domain], interval_seconds: float) -> None:
        self.due = inf
        self._counters = {domain.name: domain for domain in counters}
        self._told: dict[str, ToldPower] = {}
        self._pace = max(interval_seconds, LEAST_PACE_SECONDS)
        self._first_looks = 0

    def edge(self, now: float) -> None:
        """A phase begins."""
        if self._counters:
            self._first_looks = FIRST_LOOKS
            self.due = min(self.due, now + self._pace * random.random())

    def add(self, states: Sequence[GpuState], offset: float, now: float) -> None:
        """The states that were due. offset: from monotonic to Unix time."""
        first = {f"gpu-{state.gpu}": state for state in reversed(states)}
        for name in self._counters.keys() & first.keys():
            state = first[name]
            if state.power_watts and self._counters[name].believes(state.power_watts):
                told = self._told.setdefault(name, ToldPower(state.averaging_seconds))
                told.add(state.time + offset, state.power_watts)
        self._first_looks -= 1
        pace = self._pace if self._first_looks > 0 else LATER * self._pace
        self.due = now + pace * random.uniform(0.5, 1.5)

    def so_far(self) -> dict[str, ToldPower]:
        return {name: told.copy() for name, told in self._told.items()}
