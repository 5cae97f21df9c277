"""The figures of comparisons in words, as tables on a terminal, a page and in papers have them.

Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from energyctl.analysis.compare.comparison import WHAT, Comparison
from energyctl.analysis.compare.contrasts import Effect
from energyctl.analysis.compare.measures import estimates, is_energy, name_of
from energyctl.analysis.compare.sentences import p_text
from energyctl.analysis.compare.statistics import Summary
from energyctl.analysis.compare.study import Study
from energyctl.text import ENERGY_UNITS, count, energy_unit, number, with_uncertainty

UNKNOWN = "–"
ESTIMATES = "energies are estimates, in part"


class Scale(NamedTuple):
    """A unit for figures, and how many of the measure's own it is."""

    unit: str
    factor: float


@dataclass(frozen=True)
class ContrastTable:
    """A row per contrast of one measure. name: the measure's. texts: so many columns at the left
    are words, the last of them the condition; so is the last column. foot: what the figures are."""

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int
    foot: str


def contrast_tables(study: Study) -> list[ContrastTable]:
    """Of each measure, the main one first."""
    of = {name: [c for c in study.comparisons if c.measure == name] for name in study.measures}
    return [_table(name, found) for name, found in of.items() if found]


def _table(measure: str, found: Sequence[Comparison]) -> ContrastTable:
    first, scale = found[0], scale_of(found)
    trainings = len({one.training for one in found}) > 1
    level = f"{100 * first.options.confidence:g} %"
    designs = {one.sample.design for one in found}
    ratios = all(one.ratio is not None for one in found)
    unit = f" ({scale.unit})" if scale.unit else ""
    change = "ratio − 1" if ratios else "difference"
    head = [
        *(["training"] if trainings else []),
        "condition",
        f"{WHAT[first.sample.design]}s" if len(designs) == 1 else "n",
        f"mean of {first.a.name}{unit}",
        f"of the condition{unit}",
        f"{change} ({level} interval)",
        f"at most ({level}, one-sided)",
        "more in",
        "p (Holm)" if first.family_size > 1 else "p",
        "verdict",
    ]
    rows = [[*([one.training or ""] if trainings else []), *_row(one, scale)] for one in found]
    texts = 2 if trainings else 1
    return ContrastTable(name_of(measure), head, rows, texts, foot(found))


def _row(found: Comparison, scale: Scale) -> list[str]:
    return [
        found.b.name,
        size_text(found),
        mean_text(found, found.a, scale),
        mean_text(found, found.b, scale),
        change_text(found, scale),
        at_most_text(found, scale),
        more_in_text(found),
        p_cell(found.p_adjusted),
        found.verdict,
    ]


def size_text(found: Comparison) -> str:
    """``8``; of independent runs ``5 and 6``."""
    return f"{found.found.n}" if found.sample.blocks else f"{found.a.n} and {found.b.n}"


def more_in_text(found: Comparison) -> str:
    return UNKNOWN if found.more_in is None else f"{found.more_in} of {found.found.n}"


def p_cell(p: float | None) -> str:
    return UNKNOWN if p is None else p_text(p).removeprefix("p ").removeprefix("= ")


def foot(found: Sequence[Comparison]) -> str:
    """What the figures of these are, of one measure."""
    first = found[0]
    ratios = all(one.ratio is not None for one in found)
    means = "Geometric means" if ratios else "Means"
    sizes = {one.found.n for one in found if one.sample.blocks}
    what = WHAT[first.sample.design]
    over = f" over {count(sizes.pop(), what)}" if len(sizes) == 1 else ""
    values = "log ratios" if ratios else "differences"
    test = f"Student's t of the {what}s' {values}"
    if not first.sample.blocks:
        test = "Welch's t of the runs' logarithms" if ratios else "Welch's t"
    family, parts = first.family_size, f"; {ESTIMATES}" if any(map(estimated, found)) else ""
    holm = f"; p with Holm's correction over {family} comparisons" if family > 1 else ""
    return f"{means}{over}; intervals by {test}{holm}{_meters(found)}{parts}. ± is not used."


def estimated(found: Comparison) -> bool:
    """Whether a part of what is compared is an estimate, not measured."""
    sides = found.sample.a, found.sample.b
    return is_energy(found.measure) and any(estimates(side.rows) for side in sides)


def _meters(found: Sequence[Comparison]) -> str:
    """How far meters may move a ratio, the most of them."""
    if any(one.meter is None or one.a.mean <= 0 for one in found):
        return ""
    shares = [
        one.meter.whole / one.a.mean if one.meter.share is None else one.meter.share
        for one in found
        if one.meter is not None
    ]
    return f"; meters: within {number(100 * max(shares), 2)} %"


def scale_of(found: Iterable[Comparison]) -> Scale:
    """One for both sides of all comparisons of a measure."""
    sides = [(one.unit, side.mean) for one in found for side in (one.a, one.b)]
    unit, means = sides[0][0], [mean for _, mean in sides]
    if unit == "J":
        fitting = energy_unit(means)
        return Scale(fitting, ENERGY_UNITS[fitting])
    return Scale("h", 3600.0) if unit == "s" and max(means) >= 7200 else Scale(unit, 1.0)


def mean_text(found: Comparison, side: Summary, scale: Scale) -> str:
    """The geometric one where ratios are compared."""
    value = side.mean if found.ratio is None else side.geometric_mean
    return number((side.mean if value is None else value) / scale.factor)


def change_text(found: Comparison, scale: Scale) -> str:
    """``+3.52 % (+2.96 to +4.09 %)``; of a measure without ratios its difference."""
    value, *edges = changes(found, scale)
    unit = unit_of_change(found, scale)
    return f"{value}{unit}" + (f" ({edges[0]} to {edges[1]}{unit})" if edges else "")


def changes(found: Comparison, scale: Scale) -> list[str]:
    """Estimate and both ends of its interval, where it has one, without their unit."""
    effect = found.found
    if found.ratio is not None:
        return shares(effect)
    known = [one for one in (effect.mean, effect.low, effect.high) if one is not None]
    return [_signed(one / scale.factor, _half(found, scale)) for one in known]


def shares(found: Effect) -> list[str]:
    """The same of a log ratio, in per cent."""
    known = [one for one in (found.mean, found.low, found.high) if one is not None]
    percents = [100 * math.expm1(one) for one in known]
    half = None if len(percents) < 3 else (percents[2] - percents[1]) / 2
    return [_signed(one, half) for one in percents]


def at_most_text(found: Comparison, scale: Scale) -> str:
    if found.found.at_most is None:
        return UNKNOWN
    most = _signed(drawn(found, found.found.at_most, scale), _half(found, scale))
    return most + unit_of_change(found, scale)


def _signed(value: float, half: float | None) -> str:
    """To the place of the second digit of the interval's half."""
    text = with_uncertainty(value, half)[0]
    return text if text.startswith("-") else f"+{text}"


def unit_of_change(found: Comparison, scale: Scale) -> str:
    return " %" if found.ratio is not None else f" {scale.unit}".rstrip()


def drawn(found: Comparison, value: float, scale: Scale) -> float:
    """From the scale of what is found to per cent of the base; of a difference to its unit."""
    return 100 * math.expm1(value) if found.ratio is not None else value / scale.factor


def _half(found: Comparison, scale: Scale) -> float | None:
    effect: Effect = found.found
    if effect.low is None or effect.high is None:
        return None
    return (drawn(found, effect.high, scale) - drawn(found, effect.low, scale)) / 2
