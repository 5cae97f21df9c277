"""What several trainings say together, each compared with itself. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from energyctl.analysis.compare import contrasts, verdicts
from energyctl.analysis.compare.comparison import Comparison
from energyctl.analysis.compare.contrasts import Effect
from energyctl.analysis.compare.statistics import CompareOptions
from energyctl.analysis.compare.verdicts import MarginPs, Verdict


@dataclass(frozen=True)
class Overall:
    """The mean over trainings of the logarithm of B over A.

    like: for trainings like these, by Student's t of their means; the verdict is of it. these: for
    these alone, from the spread within each. least, most: of the trainings' ratios. confounded: in
    one training at least a group ran before the other.
    """

    measure: str
    a: str
    b: str
    trainings: int
    like: Effect
    these: Effect
    least: float
    most: float
    confounded: bool
    options: CompareOptions
    p_adjusted: float | None
    margins: MarginPs | None = None
    family_size: int = 1

    @property
    def simultaneous(self) -> tuple[float | None, float | None]:
        """The interval that holds together with those of the family."""
        return contrasts.simultaneous(self.like, self.options.confidence, self.family_size)

    @property
    def verdict(self) -> Verdict:
        margin = None if self.options.margin is None else math.log1p(self.options.margin)
        alpha = self.options.alpha
        said = verdicts.verdict(self.like, self.p_adjusted, alpha, margin, self.margins)
        settled = said not in ("open", "too few")
        return "confounded with time" if settled and self.confounded else said


def overall(comparisons: Sequence[Comparison], options: CompareOptions) -> Overall | None:
    """Of one measure and one pair of groups; None for fewer than two trainings with ratios."""
    effects = [one.ratio for one in comparisons if one.ratio is not None]
    if len(effects) < 2:
        return None
    like, these = contrasts.pooled_trainings(effects, options.confidence)
    means = [math.exp(one.mean) for one in effects]
    first = comparisons[0]
    return Overall(
        measure=first.measure,
        a=first.a.name,
        b=first.b.name,
        trainings=len(effects),
        like=like,
        these=these,
        least=min(means),
        most=max(means),
        confounded=any(one.time_order is not None for one in comparisons),
        options=options,
        p_adjusted=like.p,
    )
