"""When a background load counts as loaded: a figure over time → is it still trending? Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

RELATIVE_TOLERANCE = 0.10
"""A drift of less than this share of the mean, over the window, is steady."""

ABSOLUTE_TOLERANCE = {"cores": 0.1, "watts": 5.0, "percent": 5.0}
"""Drifts that are nothing, whatever the mean, by the unit in a figure's name."""

FEWEST = 5
"""Looks at the figures that a window has at least; fewer tell a trend from noise by luck."""

MOSTLY = 0.8
"""Share of a window's looks at which a figure has to be told; else it has just begun."""


class Trend(NamedTuple):
    """A figure over a window: its latest value and its mean, by how much it drifted over all of
    it, how much drift its noise explains, and at how many looks it was told."""

    latest: float
    mean: float
    drift: float
    noise: float
    looks: int


def trend(times: list[float], values: list[float]) -> tuple[float, float]:
    """Drift over the whole span of *times*, and twice its standard error, by least squares."""
    count = len(times)
    mean_time, mean = sum(times) / count, sum(values) / count
    spread = sum((t - mean_time) ** 2 for t in times)
    if count < 3 or spread == 0:
        return 0.0, math.inf
    pairs = list(zip(times, values, strict=True))
    slope = sum((t - mean_time) * (v - mean) for t, v in pairs) / spread
    rest = sum((v - mean - slope * (t - mean_time)) ** 2 for t, v in pairs)
    error = math.sqrt(rest / (count - 2) / spread)
    span = times[-1] - times[0]
    return slope * span, 2 * error * span


@dataclass
class Steadiness:
    """Watches figures (name → value; names end in ``cores``, ``watts`` or ``percent``).

    :meth:`moving` names a figure that still trends over the last ``seconds``: its drift is both
    larger than the tolerance and larger than its noise explains. None means steady; that can be
    said only once the window is full, and every figure has been told for most of it.
    """

    seconds: float
    _window: deque[tuple[float, Mapping[str, float]]] = field(default_factory=deque)

    def add(self, time: float, figures: Mapping[str, float]) -> None:
        self._window.append((time, figures))
        while len(self._window) > FEWEST and time - self._window[1][0] >= self.seconds:
            self._window.popleft()

    def restart(self) -> None:
        """Forgets what was seen: a job was not there, so the window begins anew."""
        self._window.clear()

    @property
    def span_seconds(self) -> float:
        return self._window[-1][0] - self._window[0][0] if self._window else 0.0

    def moving(self) -> str | None:
        if self.span_seconds < self.seconds or len(self._window) < FEWEST:
            return "not watched for long enough yet"
        trends = self.trends()
        for name, seen in trends.items():
            unit = name.rsplit(" ", 1)[-1]
            tolerance = max(RELATIVE_TOLERANCE * abs(seen.mean), ABSOLUTE_TOLERANCE.get(unit, 0.0))
            if seen.looks < MOSTLY * len(self._window):
                return f"{name} was seen only recently (now {seen.latest:.3g})"
            if abs(seen.drift) > tolerance and abs(seen.drift) > seen.noise:
                return f"{name} drifts by {seen.drift:+.2g} (now {seen.latest:.3g})"
        return None if trends else "waiting for the first figures"

    def trends(self) -> dict[str, Trend]:
        """Of each figure that is told now, over the window."""
        names = self._window[-1][1] if self._window else {}
        return {name: self._trend(name) for name in names}

    def _trend(self, name: str) -> Trend:
        told = [(time, figures[name]) for time, figures in self._window if name in figures]
        values = [value for _, value in told]
        drift, noise = trend([time for time, _ in told], values)
        return Trend(values[-1], sum(values) / len(values), drift, noise, len(values))
