"""Two ways to divide the dynamic joules of a domain between foreground and background. Pure.

`activity` goes by how busy each kept it, `work` by what each got done (docs/attribution.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from energyctl.energy.shares.model import Doubts, Estimate, Facts, half_width, sound

DIFFERENTIAL = 0.15
"""By so much the one's specific power may change more than the other's beside it, where no test on
the GPU says less."""

EXPONENTS = tuple(tenth / 10 for tenth in range(5, 31))
"""Specific power goes by the clock to one of these powers."""

OTHER_CHANGE = 0.10
"""By such a share of the dynamic joules both together may change by more than the clock."""

WORK_EXPONENTS = (0.5, 0.0, 1.0, 1.5, 2.0)
"""The same of the energy of a unit of work, which takes longer at a lower clock."""

LARGEST_CLOSURE = 0.15

LEAKAGE = 0.01
"""Share of the dynamic joules that comes with heat and is of neither more than of the other."""

CERTAIN = 3.0
"""Dynamic joules of fewer times what they may be off by say nothing of what they consist of."""


def by_activity(facts: Facts, exponent: float = 1.0) -> tuple[float, float]:
    """Joules of foreground and background, each by its specific power alone x how busy it was."""
    alone = facts.alone_dynamic_joules / facts.alone_busy if facts.alone_busy > 0 else 0.0
    load = facts.load_dynamic_watts / facts.load_busy if facts.load_busy > 0 else 0.0
    return (
        alone * facts.foreground_busy * facts.foreground_clock**exponent,
        load * facts.background_busy * facts.background_clock**exponent,
    )


def by_work(facts: Facts, exponent: float = 0.5) -> tuple[float, float]:
    """Joules that the work of each takes alone."""
    return (
        facts.alone_dynamic_joules * facts.foreground_clock**exponent,
        facts.load_dynamic_watts * facts.load_seconds * facts.background_clock**exponent,
    )


def closure(facts: Facts, *, clocks_differ: bool) -> float:
    """Share of the dynamic joules that the references do not explain."""
    return _closure(facts, _exponents(facts, clocks_differ)[0])


def _closure(facts: Facts, exponent: float) -> float:
    dynamic = facts.dynamic_joules
    return (dynamic - sum(by_activity(facts, exponent))) / dynamic if dynamic else 0.0


def _exponents(facts: Facts, clocks_differ: bool) -> list[float]:
    """Those that explain the dynamic joules, the best one first; where clocks do not differ, none
    matters."""
    if not clocks_differ:
        return [1.0]
    left = {exponent: abs(_closure(facts, exponent)) for exponent in EXPONENTS}
    best = min(EXPONENTS, key=lambda exponent: left[exponent])
    return [best, *(one for one in EXPONENTS if left[one] <= left[best] + OTHER_CHANGE)]


def activity(facts: Facts, doubts: Doubts, differential: float, clocks_differ: bool) -> Estimate:
    """The parts by activity, scaled to the measured dynamic joules."""
    exponents = _exponents(facts, clocks_differ)
    return _estimate(_scaled, by_activity, facts, doubts, differential, exponents)


def work(facts: Facts, doubts: Doubts, differential: float, clocks_differ: bool) -> Estimate:
    """Shapley's division: what both together take more or less than alone, each has half of."""
    exponents = WORK_EXPONENTS if clocks_differ else WORK_EXPONENTS[:1]
    return _estimate(_shapley, by_work, facts, doubts, differential, exponents)


def _scaled(dynamic: float, foreground: float, background: float) -> float:
    both = foreground + background
    return dynamic * foreground / both if both else 0.0


def _shapley(dynamic: float, foreground: float, background: float) -> float:
    return (foreground + dynamic - background) / 2


def nothing_dynamic(facts: Facts, doubts: Doubts, explained: float) -> Estimate | None:
    """Where the total hardly differs from idle and context, nor should: it may be of either. None
    elsewhere. explained: joules by the references."""
    dynamic = facts.dynamic_joules
    wide = half_width(lambda of: of.dynamic_joules, facts, doubts)
    if max(abs(dynamic), abs(explained)) > CERTAIN * wide:
        return None
    low, high = min(0.0, dynamic) - wide, max(0.0, dynamic) + wide
    return sound(Estimate(dynamic / 2, low, high, (high - low) / 2))


def _estimate(
    divide: Callable[[float, float, float], float],
    parts: Callable[[Facts, float], tuple[float, float]],
    facts: Facts,
    doubts: Doubts,
    differential: float,
    exponents: Sequence[float],
) -> Estimate:
    def foreground(of: Facts) -> float:
        return divide(of.dynamic_joules, *parts(of, exponents[0]))

    dynamic, (x, y) = facts.dynamic_joules, parts(facts, exponents[0])
    if (nothing := nothing_dynamic(facts, doubts, x + y)) is not None:
        return nothing
    middle, both, hull = foreground(facts), x + y, list[float]()
    for exponent in exponents:
        one, other = parts(facts, exponent)
        hull += [divide(dynamic, one, other), one, dynamic - other]
    apart = differential * abs(x * y / both * (dynamic / both)) if both else inf
    apart += LEAKAGE * abs(dynamic) / 2
    low, high = min(hull), max(hull)
    wide = half_width(foreground, facts, doubts) + apart
    rest = half_width(lambda of: of.dynamic_joules - foreground(of), facts, doubts) + apart
    return sound(Estimate(middle, low - wide, high + wide, max(high - middle, middle - low) + rest))
