"""A GPU with a counter and power readings of a known load, on a simulated clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import floor
from random import Random

from energyctl.energy import DomainEnergy, Recording, ToldPower
from energyctl.meters import GpuState
from energyctl.meters.self_test import Look
from energyctl.meters.told_powers import ToldPowers
from hardware.simulated import EPOCH, GPU, Counter, Load, Shown, read_as_sampled

Broken = Callable[[float, float], float]
"""What a counter tells of the joules that it should, and the time of the reading."""


@dataclass
class Clock:
    """Seconds that pass where somebody sleeps or reads."""

    now: float
    random: Random

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds) + 2e-4 * self.random.expovariate(1.0)


@dataclass(frozen=True)
class Told(Shown):
    """A counter that is wrong in its own way."""

    broken: Broken

    def at(self, time: float) -> float:
        return self.broken(super().at(time), time)


@dataclass
class SimulatedGpu:
    """averaging_seconds: of its averaged power; 0: it has only the instant one, which is the mean
    over 25 ms. Both move each 100 ms, and are off by `noise`, a share of them."""

    load: Load
    counter: Shown
    clock: Clock
    averaging_seconds: float = 1.0
    noise: float = 0.0
    instant_seconds: float = 0.025
    update_seconds: float = 0.1

    def look(self) -> Look:
        self.clock.sleep(5e-4 * self.clock.random.random())
        now = self.clock.now
        average = self._power(now, self.averaging_seconds) if self.averaging_seconds else None
        return Look(now, self.counter.at(now), self._power(now, self.instant_seconds), average)

    def _power(self, now: float, window: float) -> float:
        last = floor(now / self.update_seconds) * self.update_seconds
        watts = (self.load.joules(last) - self.load.joules(last - window)) / window
        return watts * (1 + self.noise * self.clock.random.uniform(-1, 1))

    def told(self, start: float, end: float) -> dict[str, ToldPower]:
        """What a sampler has heard of its power between two instants, sampling each second."""
        random.seed(self.clock.random.random())
        told = ToldPowers([GPU], 1.0)
        told.edge(start)
        while (now := told.due) < end:
            watts = self._power(now, self.averaging_seconds or self.instant_seconds)
            state = GpuState(
                0, "", now, power_watts=watts, averaging_seconds=self.averaging_seconds
            )
            told.add([state], EPOCH, now)
        return told.so_far()


def metered(gpu: SimulatedGpu, start: float, end: float) -> DomainEnergy:
    """A run, as a sampler meters it once a second."""
    series = read_as_sampled(GPU, gpu.counter, [start, end], gpu.clock.random)
    told = gpu.told(start, end)
    recording = Recording((GPU,), {GPU.name: series}, (), 1.0, told=told)
    return recording.energy(EPOCH + start, EPOCH + end).domains[0]


def shown(
    load: Load,
    counter: Counter,
    seconds: float,
    random: Random,
    broken: Broken | None = None,
) -> Shown:
    right = counter.shown(load, seconds, GPU.resolution_joules, random)
    return right if broken is None else Told(right.times, right.joules, broken)
