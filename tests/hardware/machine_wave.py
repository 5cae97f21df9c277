"""A machine of known power, and a meter that shows it as meters do: late, rounded, averaged."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from math import floor
from random import Random


@dataclass(frozen=True)
class MachineWave:
    """Levels of power that change at `times` (seconds from 0); `joules` from the first on.

    Within a level a training goes up and down: `depth` of it for a tenth of each iteration.
    """

    times: tuple[float, ...]
    watts: tuple[float, ...]
    iteration_seconds: float = 0.43
    depth: float = 0.3
    _joules: list[float] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        spans = zip(self.times, self.times[1:], self.watts, strict=False)
        self._joules.extend(accumulate((w * (b - a) for a, b, w in spans), initial=0.0))

    def joules(self, time: float) -> float:
        i = max(0, bisect_right(self.times, time) - 1)
        flat = self._joules[i] + self.watts[i] * (time - self.times[i])
        return flat + self.watts[i] * self.depth * self._dips(time)

    def _dips(self, time: float) -> float:
        """Integral of a wave of mean 0: +1 for nine tenths of an iteration, -9 for the rest."""
        share = (time / self.iteration_seconds) % 1
        up = min(share, 0.9)
        return self.iteration_seconds * (up - 9 * (share - up)) / 9

    def mean_watts(self, start: float, end: float) -> float:
        return (self.joules(end) - self.joules(start)) / (end - start)


def machine(random: Random, seconds: float) -> MachineWave:
    """Idle, then loads that come and go, for *seconds*."""
    times, watts = [-200.0], [random.uniform(80, 150)]
    while times[-1] < seconds:
        times.append(max(0.0, times[-1]) + random.choice((5, 20, 60)) * random.uniform(0.5, 2))
        watts.append(random.choice((random.uniform(80, 150), random.uniform(200, 600))))
    return MachineWave(tuple(times), tuple(watts), random.uniform(0.2, 5), random.uniform(0, 0.3))


def training(start: float, end: float) -> MachineWave:
    """A machine that trains from start to end, and else is idle."""
    return MachineWave((-200.0, start, end), (100.0, 500.0, 100.0), depth=0.05)


@dataclass(frozen=True)
class Shown:
    """What a meter shows of a wave: new every `update` seconds, then `late` seconds old.

    averaging: a power is the mean over that before. unit: of what is shown, watts or joules.
    phase: of an update, how far the first one was at 0.
    """

    wave: MachineWave
    update: float
    late: float = 0.0
    averaging: float = 0.0
    unit: float = 0.0
    phase: float = 0.0

    def _seen(self, time: float) -> float:
        return (floor(time / self.update + self.phase) - self.phase) * self.update - self.late

    def told_at(self, time: float) -> float:
        """When it was told what it shows at an instant."""
        return self._seen(time) + self.late

    def watts(self, time: float) -> float:
        seen = self._seen(time)
        return self._rounded(self.wave.mean_watts(seen - max(self.averaging, 0.02), seen))

    def joules(self, time: float) -> float:
        return self._rounded(self.wave.joules(self._seen(time)))

    def _rounded(self, value: float) -> float:
        return floor(value / self.unit) * self.unit if self.unit else value


def questions(
    random: Random, until: float, poll_seconds: float, took_seconds: float
) -> list[tuple[float, float]]:
    """(instant in the middle, how long it took) of a poller's questions, from 100 s before 0."""
    asked, now = [], -100.0 + random.uniform(0, poll_seconds)
    while now < until:
        took = took_seconds * random.expovariate(1.0)
        asked.append((now + took / 2, took))
        now += max(took, poll_seconds * random.uniform(0.75, 1.25))
    return asked


Value = Callable[[float], float]
