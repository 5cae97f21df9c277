"""What finished blocks say of how many a campaign needs: for `energyctl plan --power`. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Literal

from energyctl.analysis.compare.contrasts import effect
from energyctl.analysis.compare.planning import MOST_BLOCKS, blocks_needed, cautious_sd
from energyctl.config.settings import ALONE
from energyctl.results.tables import Row
from energyctl.text import count

MEASURE = "total_joules"
POWER, ALPHA = 0.8, 0.05

Block = tuple[Any, ...]
"""Campaign, experiment, repetition, number."""
Logs = dict[Block, list[float]]


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


def plan_power(
    rows: Iterable[Row], planned: Sequence[tuple[str, str]], share: float, source: str | None
) -> PowerPlan:
    """From rows of the table of runs, for contrasts of (training, condition) pairs to the base: the
    condition alone where it is planned, else the first one by name. It has no contrast where no
    block has finished under two of a training's conditions.

    Runs of one campaign, experiment and block are of one block; a run that was repeated counts as
    the mean of its logarithms.
    """
    logs: dict[tuple[str, str], Logs] = {}
    for row in filter(_counts, rows):
        cell = f"{row['repository']} / {row['model']}", str(row["condition"])
        block = row.get("campaign"), row.get("experiment"), row.get("repetition"), row["block"]
        logs.setdefault(cell, {}).setdefault(block, []).append(math.log(row[MEASURE]))
    pairs = []
    for training in dict.fromkeys(training for training, _ in planned):
        conditions = sorted({condition for one, condition in planned if one == training})
        base = ALONE if ALONE in conditions else conditions[0]
        for condition in conditions:
            a, b = (logs.get((training, one), {}) for one in (base, condition))
            if condition != base and a.keys() & b.keys():
                pairs.append((training, condition, base, _ratios(a, b)))
    alpha = ALPHA / max(1, len(pairs))
    contrasts = tuple(_needed(*pair, share, alpha) for pair in pairs)
    return PowerPlan(share, POWER, alpha, source, contrasts)


def _counts(row: Row) -> bool:
    succeeded = row.get("status") == "succeeded" and not row.get("warm_up")
    return succeeded and row.get("block") is not None and (row.get(MEASURE) or 0) > 0


def _ratios(a: Logs, b: Logs) -> list[list[float]]:
    """Of each repetition the log ratios of its blocks; of those that have as many as any other one
    of their experiment."""
    repetitions: dict[Block, list[float]] = {}
    for block in b:
        if block in a:
            *of, repetition, number = block
            unit = (*of, number if repetition is None else repetition)
            repetitions.setdefault(unit, []).append(fmean(b[block]) - fmean(a[block]))
    whole: dict[Block, int] = {}
    for unit, found in repetitions.items():
        whole[unit[:2]] = max(len(found), whole.get(unit[:2], 0))
    return [found for unit, found in repetitions.items() if len(found) == whole[unit[:2]]]


def _needed(
    training: str,
    condition: str,
    base: str,
    ratios: Sequence[Sequence[float]],
    share: float,
    alpha: float,
) -> BlocksNeeded:
    of: Literal["block", "repetition"] = "repetition" if len(ratios[0]) > 1 else "block"
    found = effect([fmean(one) for one in ratios], what=of)
    named = training, condition, base, found.n, of
    if not found.sd:
        return BlocksNeeded(*named, sd=found.sd, missing=found.missing)
    cautious = cautious_sd(found.sd, found.n)
    needed = blocks_needed(share, cautious, POWER, alpha)
    missing = f"it takes more than {MOST_BLOCKS:,} {of}s" if needed is None else None
    return BlocksNeeded(*named, found.sd, cautious, needed, missing)


def _sentence(found: BlocksNeeded, share: float) -> str:
    words = f"{found.condition} against {found.base}: {count(found.n, found.of)}"
    if found.cautious_sd is None or found.sd is None:
        return f"{words}: how many it takes is not known, {found.missing}"
    words += f", spread {_percent(found.sd)} (no more than {_percent(found.cautious_sd)})"
    if found.needed is None:
        return f"{words}: {found.missing} to tell {100 * share:g} %"
    more = found.needed - found.n
    compared = f"{more} more than were run" if more > 0 else "no more than were run"
    told = f"{count(found.needed, found.of)} tell {100 * share:g} % in 4 of 5 campaigns"
    return f"{words}: {told}, {compared}"


def _percent(sd: float) -> str:
    return f"{float(f'{100 * sd:.2g}'):g} %"
