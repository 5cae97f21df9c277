"""The power behind all stand-ins: a square wave of Unix time, so every energy is known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor


@dataclass(frozen=True)
class Square:
    """`high` watts in the first half of each period, `low` in the second; periods from Unix 0."""

    low: float
    high: float
    period: float = 1.0

    def joules(self, start: float, end: float) -> float:
        """Exact energy between two Unix times."""
        return self._since_zero(end) - self._since_zero(start)

    def _since_zero(self, time: float) -> float:
        periods = floor(time / self.period)
        inside = time - periods * self.period
        half = self.period / 2
        whole = periods * half * (self.low + self.high)
        return whole + min(inside, half) * self.high + max(0.0, inside - half) * self.low

    def staircase(self, epoch: float, step: float, time: float) -> float:
        """What a counter shows that started at `epoch` and moves each `step` seconds."""
        return self.joules(epoch, epoch + floor((time - epoch) / step) * step)
