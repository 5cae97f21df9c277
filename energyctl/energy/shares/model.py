"""What the energy of one domain is divided by, and the band of a figure that is made of it. Pure.

The power of a domain with two trainings on it (docs/attribution.md):

    P = idle + context (while a program holds it) + specific power of each x how busy it keeps it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import hypot, isfinite


@dataclass(frozen=True)
class Facts:
    """Of one domain, in joules, watts and seconds; `busy`: while a kernel ran (of a CPU: CPU time),
    `context`: while a context was open.

    Together: the training beside the background. alone_…: the run alone. load_…: the load alone;
    its busy and context are shares of its time (of a CPU: cores). load_seconds: what the work that
    the background did beside the training takes alone. …_clock: clock together ÷ alone.
    """

    joules: float
    seconds: float
    idle_watts: float
    context_watts: float
    foreground_context: float
    background_context: float
    both_context: float
    alone_joules: float
    alone_seconds: float
    alone_idle_watts: float
    alone_context: float
    load_watts: float
    load_context: float
    foreground_busy: float = 0.0
    background_busy: float = 0.0
    alone_busy: float = 0.0
    load_busy: float = 0.0
    load_seconds: float = 0.0
    foreground_clock: float = 1.0
    background_clock: float = 1.0

    @property
    def idle_joules(self) -> float:
        return self.idle_watts * self.seconds

    @property
    def context_joules(self) -> float:
        any_context = self.foreground_context + self.background_context - self.both_context
        return self.context_watts * any_context

    @property
    def foreground_context_joules(self) -> float:
        """Its share: half of the time in which both hold a context, all of that of its own."""
        return self.context_watts * (self.foreground_context - self.both_context / 2)

    @property
    def dynamic_joules(self) -> float:
        """What kernels drew: the total without idle and context."""
        return self.joules - self.idle_joules - self.context_joules

    @property
    def alone_dynamic_joules(self) -> float:
        idle = self.alone_idle_watts * self.alone_seconds
        return self.alone_joules - idle - self.context_watts * self.alone_context

    @property
    def load_dynamic_watts(self) -> float:
        return self.load_watts - self.idle_watts - self.context_watts * self.load_context


@dataclass(frozen=True)
class Doubts:
    """By how much facts may be off, by name. apart: by chance, each by itself. at_once: each of
    these moves its facts together, and all of them add up. other_loads: the same facts of the load
    alone before the training, and after it.
    """

    apart: Mapping[str, float] = field(default_factory=dict)
    at_once: tuple[Mapping[str, float], ...] = ()
    other_loads: tuple[Mapping[str, float], ...] = ()


def half_width(of: Callable[[Facts], float], facts: Facts, doubts: Doubts) -> float:
    """Of the band of a figure, by moving the facts as far as they may be off."""
    by_chance = [_swing(of, facts, {name: width}) for name, width in doubts.apart.items()]
    moved = [_swing(of, facts, widths) for widths in doubts.at_once]
    loads = [of(replace(facts, **load)) for load in doubts.other_loads]
    drift = (max(loads) - min(loads)) / 2 if loads else 0.0
    return hypot(*by_chance) + sum(moved) + drift


def _swing(of: Callable[[Facts], float], facts: Facts, widths: Mapping[str, float]) -> float:
    """Half of what a figure moves by, from all of them below to all of them above."""
    edges = [
        of(replace(facts, **{name: getattr(facts, name) + sign * w for name, w in widths.items()}))
        for sign in (-1, 1)
    ]
    return abs(edges[1] - edges[0]) / 2


@dataclass(frozen=True)
class Estimate:
    """The foreground's part of the dynamic joules, and the band that holds it; what is left is the
    background's, with the half-width of its band. missing: why there is none."""

    foreground: float = 0.0
    low: float = 0.0
    high: float = 0.0
    background_wide: float = 0.0
    missing: str | None = None

    @property
    def is_known(self) -> bool:
        return self.missing is None

    @property
    def wide(self) -> float:
        """Half-width of the foreground's band, as it is published."""
        return max(self.high - self.foreground, self.foreground - self.low)

    def meets(self, other: Estimate) -> bool:
        return abs(self.foreground - other.foreground) <= self.wide + other.wide


def sound(estimate: Estimate) -> Estimate:
    """The same, or none, where its facts have numbers that no run has."""
    if all(
        map(isfinite, (estimate.foreground, estimate.low, estimate.high, estimate.background_wide))
    ):
        return estimate
    return Estimate(missing="the result has numbers that cannot be")
