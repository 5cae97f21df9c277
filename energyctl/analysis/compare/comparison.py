"""One measure of two groups of runs, compared: by the logarithms of their ratios. Pure.

Blocks and pairs give one value each; independent runs are compared by Welch's t. Measures that may
be 0 or below are compared by plain differences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from energyctl.analysis.compare import caveats, contrasts, planning, unpaired, verdicts
from energyctl.analysis.compare.contrasts import Effect
from energyctl.analysis.compare.measures import starts, unit_of
from energyctl.analysis.compare.meters import Meter, meter_of
from energyctl.analysis.compare.samples import Block, Sample
from energyctl.analysis.compare.statistics import CompareOptions, Summary, summary
from energyctl.analysis.compare.verdicts import MarginPs, Verdict

MOST_DRIFT = 2.0
"""A ratio: no machine drifts by more, so no figure is told."""
WHAT = {"blocks": "block", "pairs of equal values": "pair", "independent runs": "run"}
"""What is counted, by how the runs stand."""


@dataclass(frozen=True)
class TimeOrder:
    """One group ran before the other: first, last: their names; drift: the share by which a steady
    one, over all of *seconds*, would look the same."""

    first: str
    last: str
    drift: float | None
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """B against A.

    ratio: of the logarithms of B over A, None where a value is not above 0. difference: of B less A
    in the measure's unit. p_flip, position, leave_one_out: of the blocks' values, None where there
    are too few, or none. p_rank: Mann and Whitney's, of independent runs. p_adjusted, margins: for
    all of a family of *family_size* [Holm]. drawn: parameters that were drawn anew in each group.
    """

    training: str | None
    measure: str
    unit: str
    sample: Sample
    a: Summary
    b: Summary
    ratio: Effect | None
    difference: Effect
    p_flip: float | None
    p_rank: float | None
    leave_one_out: tuple[float, float] | None
    position: Effect | None
    meter: Meter | None
    time_order: TimeOrder | None
    drawn: Sequence[str]
    caveats: Sequence[str]
    options: CompareOptions
    p_adjusted: float | None = None
    margins: MarginPs | None = None
    family_size: int = 1

    @property
    def found(self) -> Effect:
        """What the verdict is of."""
        return self.difference if self.ratio is None else self.ratio

    @property
    def margin(self) -> float | None:
        """On the scale of what is found: a share has none of plain differences."""
        stated = self.options.margin
        return None if stated is None or self.ratio is None else math.log1p(stated)

    @property
    def verdict(self) -> Verdict:
        alpha = self.options.alpha
        said = verdicts.verdict(self.found, self.p_adjusted, alpha, self.margin, self.margins)
        if self.time_order is not None and said not in ("open", "too few"):
            return "confounded with time"
        return said

    @property
    def beyond_meters(self) -> bool | None:
        """Whether the difference is more than the meters may be off by; None: not known."""
        return None if self.meter is None else abs(self.difference.mean) > self.meter.whole

    @property
    def values(self) -> list[float]:
        """One of each block, on the scale of what is found."""
        return _values(self.sample.blocks, self.ratio is not None)

    @property
    def more_in(self) -> int | None:
        """In how many blocks it is more."""
        return sum(value > 0 for value in self.values) if self.sample.blocks else None

    @property
    def simultaneous(self) -> tuple[float | None, float | None]:
        """The interval that holds together with those of the family."""
        return contrasts.simultaneous(self.found, self.options.confidence, self.family_size)

    @property
    def flip_agrees(self) -> bool | None:
        """Whether the sign-flip test and Student's t, uncorrected, lie on one side; None: one has
        no p."""
        p, alpha = self.found.p, self.options.alpha
        return None if self.p_flip is None or p is None else (self.p_flip <= alpha) == (p <= alpha)

    @property
    def turned_by(self) -> str | None:
        """The block without which it would differ, or would no longer; None: there is none. The
        correction for the others of the family is that of the whole."""
        blocks, values, p = self.sample.blocks, self.values, self.found.p
        if len(values) < 4 or not p or self.p_adjusted is None:
            return None
        alpha, factor = self.options.alpha, self.p_adjusted / p
        for place, block in enumerate(blocks):
            rest = contrasts.effect([*values[:place], *values[place + 1 :]])
            if rest.p is not None and (rest.p * factor <= alpha) != (self.p_adjusted <= alpha):
                return block.name
        return None

    def needed(self, share: float) -> int | None:
        """Blocks, or runs in each group, that tell a difference of that share from none; by the
        upper limit of how these spread. None where that is not known."""
        found, power = self.ratio, self.options.power
        alpha = self.options.alpha / self.family_size
        if found is None or not found.error or found.n < 3:
            return None
        if self.sample.blocks:
            spread = planning.cautious_sd(found.sd or 0.0, found.n)
            return planning.blocks_needed(share, spread, power, alpha)
        sizes = self.a.n, self.b.n
        if min(sizes) < 3:
            return None
        pooled = found.error / math.sqrt(sum(1 / n for n in sizes))
        spread = planning.cautious_sd(pooled, sum(sizes) - 1)
        return planning.blocks_needed(share, spread, power, alpha, groups=2)


def compare(
    sample: Sample,
    measure: str,
    logs: bool,
    options: CompareOptions,
    by: str | None = None,
    training: str | None = None,
) -> Comparison:
    """One measure of two groups, each with a value at least; logs: by ratios, of values above 0."""
    sample = _compared(sample)
    blocks, rows = sample.blocks, (sample.a.rows, sample.b.rows)
    figures = [[float(row[measure]) for row in side] for side in rows]
    confidence = options.confidence
    if blocks:
        what = WHAT[sample.design]
        ratio = contrasts.effect(_values(blocks, True), confidence, what) if logs else None
        difference = contrasts.effect(_values(blocks, False), confidence, what)
        values = _values(blocks, logs)
        seconds = [block.second for block in blocks]
        ordered = 0 not in seconds
        flip, out = contrasts.sign_flip(values, options.seed), contrasts.leave_one_out(values)
        position = contrasts.position(values, seconds, confidence) if ordered else None
        rank = None
    else:
        in_logs = [[math.log(x) for x in side] for side in figures] if logs else None
        ratio = None if in_logs is None else unpaired.welch(in_logs[0], in_logs[1], confidence)
        difference = unpaired.welch(figures[0], figures[1], confidence)
        flip = out = position = None
        rank = unpaired.mann_whitney(figures[0], figures[1])[0]
    drawn = caveats.drawn(sample, by)
    found = ratio or difference
    return Comparison(
        training=training,
        measure=measure,
        unit=unit_of(measure),
        sample=sample,
        a=summary(sample.a, measure, figures[0]),
        b=summary(sample.b, measure, figures[1]),
        ratio=ratio,
        difference=difference,
        p_flip=flip,
        p_rank=rank,
        leave_one_out=out,
        position=position,
        meter=meter_of(sample.a, sample.b, measure),
        time_order=_time_order(sample, ratio),
        drawn=drawn,
        caveats=caveats.caveats(sample, measure, by),
        options=options,
        p_adjusted=found.p,
    )


def _compared(sample: Sample) -> Sample:
    """With the rows of its blocks alone."""
    if not sample.blocks:
        return sample
    ids = {row for block in sample.blocks for row in block.runs}
    a, b = (
        replace(
            side,
            rows=[row for row in side.rows if row["experiment_id"] in ids],
            unused=[row for row in side.rows if row["experiment_id"] not in ids],
        )
        for side in (sample.a, sample.b)
    )
    return replace(sample, a=a, b=b)


def _values(blocks: Sequence[Block], logs: bool) -> list[float]:
    return [block.log_ratio() if logs else block.difference for block in blocks]


def _time_order(sample: Sample, ratio: Effect | None) -> TimeOrder | None:
    """Where one group came before the other; runs of blocks are one right after the other."""
    if sample.design == "blocks":
        return None
    times = [starts(side.rows) for side in (sample.a, sample.b)]
    if not unpaired.confounded_with_time(*times):
        return None
    a, b = sample.a.name, sample.b.name
    first, last = (a, b) if unpaired.cliffs_delta(*times) > 0 else (b, a)
    drift = (
        None if ratio is None else unpaired.drift_that_would_explain(ratio.mean, times[0], times[1])
    )
    both = [*times[0], *times[1]]
    share = None if drift is None or drift > math.log(MOST_DRIFT) else math.expm1(drift)
    return TimeOrder(first, last, share, max(both) - min(both))
