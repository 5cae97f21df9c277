"""Factors of a grid: how a difference depends on one (an interaction), and trends. Pure.

Each is a contrast: one value of each block, by Student's t of these values.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, NamedTuple

from energyctl.analysis.compare import contrasts, verdicts
from energyctl.analysis.compare.comparison import WHAT, Comparison
from energyctl.analysis.compare.contrasts import Effect
from energyctl.analysis.compare.samples import Block
from energyctl.analysis.compare.statistics import CompareOptions
from energyctl.analysis.compare.verdicts import Verdict
from energyctl.results.machine_settings import number_in

Kind = Literal["interaction", "trend of the ratio", "trend"]


class Turn(NamedTuple):
    """A level within the others at which a measure is least, or most."""

    level: str
    least: bool


@dataclass(frozen=True)
class FactorEffect:
    """What a factor does, on the scale of logarithms.

    kind: ``interaction``: the ratio of B to A at the second level over that at the first; ``trend
    of the ratio``, ``trend``: the exponent of a power law, of B to A or of the measure itself.
    groups: A and B; none of a trend. weights: of each level.
    """

    kind: Kind
    training: str | None
    measure: str
    factor: str
    groups: tuple[str, str] | None
    weights: Mapping[str, float]
    blocks: Sequence[str]
    effect: Effect
    p_flip: float | None
    options: CompareOptions
    p_adjusted: float | None
    family_size: int = 1
    turn: Turn | None = None
    """Of a trend: where it is shown to turn; then it is no power."""

    @property
    def simultaneous(self) -> tuple[float | None, float | None]:
        """The interval that holds together with those of the family."""
        return contrasts.simultaneous(self.effect, self.options.confidence, self.family_size)

    @property
    def verdict(self) -> Verdict:
        return verdicts.verdict(self.effect, self.p_adjusted, self.options.alpha, None)


def interactions(found: Comparison) -> list[FactorEffect]:
    """With each factor of the grid that the blocks have in all of its levels."""
    if found.ratio is None or not found.sample.blocks:
        return []
    blocks = found.sample.blocks
    names = sorted({name for block in blocks for cell in block.cells for name, _ in cell})
    return [one for name in names if (one := _interaction(found, name)) is not None]


def _interaction(found: Comparison, factor: str) -> FactorEffect | None:
    blocks = found.sample.blocks
    by_level = [_by_level(block, factor) for block in blocks]
    weights = weights_of(by_level[0])
    if weights is None or any(set(levels) != set(weights) for levels in by_level):
        return None
    kind: Kind = "interaction" if len(weights) == 2 else "trend of the ratio"
    groups = found.a.name, found.b.name
    values = [sum(w * levels[level] for level, w in weights.items()) for levels in by_level]
    of_blocks = {block.name: value for block, value in zip(blocks, values, strict=True)}
    return _effect(found, kind, factor, groups, weights, of_blocks)


def _by_level(block: Block, factor: str) -> dict[str, float]:
    """Mean log ratio of B to A at each level."""
    levels: dict[str, list[float]] = {}
    for cell, ratio in block.log_ratios().items():
        for name, level in cell:
            if name == factor:
                levels.setdefault(level, []).append(ratio)
    return {level: fmean(ratios) for level, ratios in levels.items()}


def weights_of(levels: Collection[str]) -> dict[str, float] | None:
    """Of two levels -1 and 1; of more numbers above 0 those of an exponent; else none."""
    try:
        numbers = {level: number_in(level) for level in levels}
    except ValueError:
        numbers = {}
    ordered = sorted(numbers, key=lambda level: numbers[level]) if numbers else sorted(levels)
    if len(ordered) == 2:
        return dict(zip(ordered, (-1.0, 1.0), strict=True))
    if len(ordered) < 3 or min(numbers.values(), default=0.0) <= 0:
        return None
    weights = contrasts.trend_weights([numbers[level] for level in ordered])
    return dict(zip(ordered, weights, strict=True))


def trend(factor: str, comparisons: Sequence[Comparison]) -> FactorEffect | None:
    """Over three levels or more of *factor*, which are the groups; comparisons: of each other one
    with the first, of one training and measure."""
    levels = [comparisons[0].a.name, *(one.b.name for one in comparisons)] if comparisons else []
    if len(levels) < 3 or any(one.ratio is None or not one.sample.blocks for one in comparisons):
        return None
    weights = weights_of(levels)
    if weights is None:
        return None
    ratios = [{b.name: b.log_ratio() for b in one.sample.blocks} for one in comparisons]
    values = {
        name: sum(weights[c.b.name] * of[name] for c, of in zip(comparisons, ratios, strict=True))
        for name in ratios[0]
        if all(name in of for of in ratios)
    }
    if not values:
        return None
    found = _effect(comparisons[0], "trend", factor, None, weights, values)
    base = dict.fromkeys(values, 0.0)
    of_levels = {levels[0]: base, **dict(zip(levels[1:], ratios, strict=True))}
    in_order = {level: [of_levels[level][name] for name in values] for level in weights}
    return replace(found, turn=turn_of(in_order, comparisons[0].options.alpha))


def turn_of(levels: Mapping[str, Sequence[float]], alpha: float) -> Turn | None:
    """Where the level at which a measure is least, or most, is within the others, and is shown to
    differ from both ends. levels: in their order, with one logarithm of each block."""
    names, means = list(levels), [fmean(of) for of in levels.values()]
    for least, place in ((True, means.index(min(means))), (False, means.index(max(means)))):
        name = names[place]
        ends = [
            contrasts.effect([a - b for a, b in zip(levels[end], levels[name], strict=True)])
            for end in (names[0], names[-1])
            if end != name
        ]
        tests = len(names) - 1  # the level was chosen among all of them
        if len(ends) == 2 and all(one.p is not None and one.p * tests <= alpha for one in ends):
            return Turn(name, least)
    return None


def _effect(
    of: Comparison,
    kind: Kind,
    factor: str,
    groups: tuple[str, str] | None,
    weights: Mapping[str, float],
    values: Mapping[str, float],
) -> FactorEffect:
    """values: by block."""
    options, found = of.options, list(values.values())
    effect = contrasts.effect(found, options.confidence, WHAT[of.sample.design])
    flip = contrasts.sign_flip(found, options.seed)
    return FactorEffect(
        kind, of.training, of.measure, factor, groups, weights, list(values), effect, flip,
        options, effect.p,
    )  # fmt: skip


def per_doubling(exponent: float) -> float:
    """The ratio that a power law makes of twice the level."""
    return math.exp(exponent * math.log(2))
