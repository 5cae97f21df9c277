"""The power behind all stand-ins: waves of Unix time, so every energy is known in closed form.

`wave.h` is the same in C; a wave travels there as the text of its `spec`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import floor


class Wave(ABC):
    """Watts as a function of Unix time."""

    period: float
    phase: float

    @property
    @abstractmethod
    def spec(self) -> str:
        """What `parse` and the C side read."""

    @property
    @abstractmethod
    def highest(self) -> float:
        """Watts that it never exceeds."""

    @abstractmethod
    def _watts(self, inside: float) -> float:
        """At `inside` seconds of a period."""

    @abstractmethod
    def _joules(self, inside: float) -> float:
        """From the start of a period to `inside` seconds of it."""

    def watts(self, time: float) -> float:
        return self._watts(self._split(time)[1])

    def joules(self, start: float, end: float) -> float:
        """Exact energy between two Unix times."""
        (first, inside), (last, until) = self._split(start), self._split(end)
        # Whole periods apart from the rest: a double of joules since 1970 has lost its microjoules.
        return (
            (last - first) * self._joules(self.period) + self._joules(until) - self._joules(inside)
        )

    def _split(self, time: float) -> tuple[int, float]:
        """(whole periods, seconds inside the next one)."""
        shifted = time - self.phase * self.period
        periods = floor(shifted / self.period)
        return periods, shifted - periods * self.period

    def staircase(self, epoch: float, step: float, time: float) -> float:
        """What a counter shows that started at `epoch` and moves each `step` seconds."""
        return self.joules(epoch, epoch + floor((time - epoch) / step) * step)


@dataclass(frozen=True)
class Constant(Wave):
    level: float
    period: float = 1.0
    phase: float = 0.0

    @property
    def spec(self) -> str:
        return f"constant {self.level!r}"

    @property
    def highest(self) -> float:
        return self.level

    def _watts(self, inside: float) -> float:
        return self.level

    def _joules(self, inside: float) -> float:
        return inside * self.level


@dataclass(frozen=True)
class Square(Wave):
    """`high` watts in the first `duty` of each period, `low` in the rest; `phase` periods late."""

    low: float
    high: float
    period: float = 1.0
    duty: float = 0.5
    phase: float = 0.0

    @property
    def spec(self) -> str:
        numbers = (self.low, self.high, self.period, self.duty, self.phase)
        return "square " + " ".join(map(repr, numbers))

    @property
    def highest(self) -> float:
        return max(self.low, self.high)

    def _watts(self, inside: float) -> float:
        return self.high if inside < self.duty * self.period else self.low

    def _joules(self, inside: float) -> float:
        busy = min(inside, self.duty * self.period)
        return busy * self.high + (inside - busy) * self.low


@dataclass(frozen=True)
class Ramp(Wave):
    """From `low` up to `high` in the first half of each period, and down again in the second."""

    low: float
    high: float
    period: float = 60.0
    phase: float = 0.0

    @property
    def spec(self) -> str:
        return "ramp " + " ".join(map(repr, (self.low, self.high, self.period, self.phase)))

    @property
    def highest(self) -> float:
        return max(self.low, self.high)

    def _watts(self, inside: float) -> float:
        share = 2 * inside / self.period
        return self.low + (self.high - self.low) * min(share, 2 - share)

    def _joules(self, inside: float) -> float:
        half = self.period / 2
        if inside <= half:
            return inside * (self.low + self._watts(inside)) / 2
        down = (inside - half) * (self.high + self._watts(inside)) / 2
        return half * (self.low + self.high) / 2 + down


def burst(low: float, high: float, phase: float = 0.0) -> Square:
    """`high` watts for 150 ms of each second."""
    return Square(low, high, 1.0, 0.15, phase)


def parse(spec: str) -> Wave:
    """The wave of a `spec`; ValueError for another text."""
    shape, *numbers = spec.split()
    shapes: dict[str, type[Wave]] = {"constant": Constant, "square": Square, "ramp": Ramp}
    if shape not in shapes:
        raise ValueError(f"no such wave: {spec}")
    return shapes[shape](*map(float, numbers))
