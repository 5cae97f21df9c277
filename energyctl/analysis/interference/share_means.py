"""Means of shares over blocks. Pure.

As :mod:`energyctl.analysis.interference.means`: one value per block of the run alone, which a share
goes by. Of the pairs whose domains are agreed on, so that the means of the parts add up to that of
the total.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from energyctl.analysis.interference.means import Mean, by_run_alone, grouped, mean_of, size_of
from energyctl.results.pairs import PARTS, Figure, Pair, SharesSum, shares_sum
from energyctl.results.tables.pair_layout import KINDS

Names = tuple[str, ...]


@dataclass(frozen=True)
class ShareMeans:
    """Of some domains together, over all pairs of one training and condition. blocks: of all, n of
    which have figures. verdicts: of the pairs. foreground_off, background_off: half-width of the
    band, mean of the pairs'; None: not known. jobs: the background's mean joules by job."""

    training: str
    condition: str
    domains: Names
    blocks: int
    of_blocks: bool
    verdicts: tuple[str, ...]
    foreground_off: float | None
    background_off: float | None
    jobs: Mapping[str, float]
    total: Mean
    idle: Mean
    context: Mean
    foreground: Mean
    background: Mean

    @property
    def n(self) -> int:
        return self.total.n

    @property
    def size(self) -> str:
        """``8 blocks``, ``6 of 8 blocks``."""
        some = "" if self.n == self.blocks else f"{self.n} of "
        return some + size_of(self.blocks, self.of_blocks)

    @property
    def parts(self) -> list[float]:
        """Idle, context, foreground, background; none where nothing is known."""
        means: list[Mean] = [getattr(self, part) for part in PARTS]
        known = [mean.value for mean in means if mean.value is not None]
        return known if len(known) == len(means) else []


def by_domain(pair: Pair) -> list[Names]:
    return [(name,) for name in pair.domains]


def by_kind(pair: Pair) -> list[Names]:
    """All GPUs, and all CPU packages."""
    kinds = pair.kinds
    found = [tuple(name for name in pair.domains if kinds.get(name) == kind) for kind in KINDS]
    return [names for names in found if names]


def share_means(pairs: Sequence[Pair], groups: Callable[[Pair], list[Names]]) -> list[ShareMeans]:
    """By training, condition and domains, in the order of the pairs."""
    found = []
    for members in grouped(pairs, lambda pair: (pair.training, pair.condition)):
        every = dict.fromkeys(names for pair in members for names in groups(pair))
        for names in every:
            found.append(_means([one for one in members if names in groups(one)], names))
    return found


def _means(pairs: Sequence[Pair], names: Names) -> ShareMeans:
    blocks, of_blocks = by_run_alone(pairs)
    sums = [[shares_sum(pair.domains, names) for pair in block] for block in blocks]
    agreed = ([one for one in block if one.verdict == "agreed"] for block in sums)
    known = [block for block in agreed if block]
    return ShareMeans(
        pairs[0].training,
        pairs[0].condition,
        names,
        len(blocks),
        of_blocks,
        tuple(dict.fromkeys(one.verdict for block in sums for one in block)),
        _off(known, "foreground"),
        _off(known, "background"),
        _jobs(known),
        *(_mean(known or sums, part) for part in ("total", *PARTS)),
    )


def _mean(blocks: Sequence[Sequence[SharesSum]], part: str) -> Mean:
    return mean_of([[getattr(one, part) for one in block] for block in blocks])


def _jobs(blocks: Sequence[Sequence[SharesSum]]) -> dict[str, float]:
    names = dict.fromkeys(job for block in blocks for one in block for job in one.jobs)
    return {
        name: fmean(fmean(one.jobs.get(name, 0.0) for one in block) for block in blocks)
        for name in names
    }


def _off(blocks: Sequence[Sequence[SharesSum]], part: str) -> float | None:
    figures: list[Figure] = [getattr(one, part) for block in blocks for one in block]
    bands = [one.uncertainty for one in figures if one.uncertainty is not None]
    return fmean(bands) if bands and len(bands) == len(figures) else None
