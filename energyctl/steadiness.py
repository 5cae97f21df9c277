"""When a background load counts as loaded: a figure over time → is it still trending? Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

RELATIVE_TOLERANCE = 0.10
"""A drift of less than this share of the mean, over the window, is steady."""

ABSOLUTE_TOLERANCE = {"cores": 0.1, "watts": 5.0, "percent": 5.0}
"""Drifts that are nothing, whatever the mean, by the unit in a figure's name."""

FEWEST = 5
"""Looks at the figures that a window has at least; fewer tell a trend from noise by luck."""


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
    said only once the window is full.
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
            return "waiting for a full window"
        times = [time for time, _ in self._window]
        for name in self._window[-1][1]:
            values = [figures.get(name, 0.0) for _, figures in self._window]
            drift, noise = trend(times, values)
            unit = name.rsplit(" ", 1)[-1]
            level = abs(sum(values) / len(values))
            tolerance = max(RELATIVE_TOLERANCE * level, ABSOLUTE_TOLERANCE.get(unit, 0.0))
            if abs(drift) > tolerance and abs(drift) > noise:
                return f"{name} drifts by {drift:+.2g} (now {values[-1]:.3g})"
        return None

    def latest(self) -> dict[str, float]:
        return dict(self._window[-1][1]) if self._window else {}
