"""What finished blocks say of how many a campaign needs: for `energyctl plan --power`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from energyctl.analysis.compare.comparison import compare
from energyctl.analysis.compare.contrasts import effect
from energyctl.analysis.compare.factors import interactions
from energyctl.analysis.compare.grouping import Side, label
from energyctl.analysis.compare.planning import MOST_BLOCKS, blocks_needed, cautious_sd
from energyctl.analysis.compare.samples import Sample, sample_of
from energyctl.analysis.compare.statistics import CompareOptions
from energyctl.results.tables import Row
from energyctl.text import count

MEASURE = "total_joules"
POWER, ALPHA = 0.8, 0.05


@dataclass(frozen=True)
class BlocksNeeded:
    """Of one training under a condition against the base.

    n: finished ones. of: what is counted: blocks, or repetitions, where each has several blocks, as
    with a grid. sd: of the logarithms of their ratios of total energy; cautious_sd: the upper limit
    of that, which `needed` goes by. missing: why there is none, or no `needed`.
    """

    training: str
    condition: str
    base: str
    n: int
    of: Literal["block", "repetition"]
    sd: float | None = None
    cautious_sd: float | None = None
    needed: int | None = None
    missing: str | None = None


@dataclass(frozen=True)
class PowerPlan:
    """share: the difference to tell, 0.05 of 5 %. alpha: of each contrast, which is 0.05 over their
    number: the worst that Holm's correction may ask for. source: the campaign of the blocks."""

    share: float
    power: float
    alpha: float
    source: str | None
    contrasts: tuple[BlocksNeeded, ...]

    def sentences(self) -> list[str]:
        trainings = {one.training for one in self.contrasts}
        named = [f"{one.training}: " if len(trainings) > 1 else "" for one in self.contrasts]
        return [
            f"{name}{_sentence(one, self.share)}"
            for name, one in zip(named, self.contrasts, strict=True)
        ]

    def to_json(self) -> dict[str, Any]:
        sentences = zip(self.contrasts, self.sentences(), strict=True)
        return {
            **asdict(self),
            "contrasts": [{**asdict(one), "sentence": sentence} for one, sentence in sentences],
        }


class Planned(NamedTuple):
    """A training under a condition; alone: without a background."""

    training: str
    condition: str
    alone: bool


def plan_power(
    rows: Iterable[Row], planned: Sequence[Planned], share: float, source: str | None
) -> PowerPlan:
    """From rows of the table of runs, for contrasts of planned conditions to the base: the one
    without a background where there is one, else the first by name. It has no contrast where no
    block has finished under two of a training's conditions.
    """
    finished: dict[tuple[str, str], list[Row]] = {}
    for row in filter(_counts, rows):
        finished.setdefault((label(row), str(row["condition"])), []).append(row)
    pairs, interacting = [], 0
    for training in dict.fromkeys(one.training for one in planned):
        own = [one for one in planned if one.training == training]
        conditions = sorted({one.condition for one in own})
        base = next((one.condition for one in own if one.alone), conditions[0])
        for condition in conditions:
            a, b = (Side(one, finished.get((training, one), [])) for one in (base, condition))
            sample = sample_of(a, b, MEASURE, "condition") if a.rows and b.rows else None
            if condition != base and sample is not None and sample.design == "blocks":
                pairs.append((training, condition, base, sample))
                found = compare(sample, MEASURE, True, CompareOptions(), "condition")
                interacting += len(interactions(found))
    alpha = ALPHA / max(1, len(pairs) + interacting)
    contrasts = tuple(_needed(*pair, share, alpha) for pair in pairs)
    return PowerPlan(share, POWER, alpha, source, contrasts)


def _counts(row: Row) -> bool:
    succeeded = row.get("status") == "succeeded" and not row.get("warm_up")
    return succeeded and row.get("block") is not None and (row.get(MEASURE) or 0) > 0


def _needed(
    training: str, condition: str, base: str, sample: Sample, share: float, alpha: float
) -> BlocksNeeded:
    repetitions = len(sample.blocks[0].cells) > 1
    of: Literal["block", "repetition"] = "repetition" if repetitions else "block"
    found = effect([block.log_ratio() for block in sample.blocks], what=of)
    named = training, condition, base, found.n, of
    if not found.sd:
        return BlocksNeeded(*named, sd=found.sd, missing=found.missing)
    cautious = cautious_sd(found.sd, found.n)
    needed = blocks_needed(share, cautious, POWER, alpha)
    missing = f"it takes more than {MOST_BLOCKS:,} {of}s" if needed is None else None
    return BlocksNeeded(*named, found.sd, cautious, needed, missing)


def _sentence(found: BlocksNeeded, share: float) -> str:
    words = f"{found.condition} against {found.base}"
    if found.cautious_sd is None or found.sd is None:
        return f"{words}: how many {found.of}s it takes is not known: {found.missing}"
    needed, more = f"more than {MOST_BLOCKS:,} {found.of}s", ""
    if found.needed is not None:
        needed = count(found.needed, found.of)
        further = found.needed - found.n
        enough = f" (the {found.n} that were run are enough)"
        more = f" ({further} more than were run)" if further > 0 else enough
    shows = f"to show a difference of {100 * share:g} % in 4 of 5 campaigns takes {needed}{more}"
    spread = f"ratios of the {count(found.n, found.of)} that were run spread by"
    return (
        f"{words}: {shows}; {spread} {_percent(found.sd)} (at most {_percent(found.cautious_sd)})"
    )


def _percent(sd: float) -> str:
    return f"{float(f'{100 * sd:.2g}'):g} %"
