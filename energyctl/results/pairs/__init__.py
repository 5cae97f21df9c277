"""Pairs: a run beside a background and a run alone that are alike in all else. Pure.

What needs two runs is computed when results are read, and never stored in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from energyctl.results.pairs.facts import Likeness, RunFacts, facts_of, likeness
from energyctl.results.pairs.figure import Figure
from energyctl.results.pairs.figures import Interference, interference
from energyctl.results.pairs.matching import Match, matches
from energyctl.results.pairs.rows import FIGURES, Pair
from energyctl.results.pairs.share_sums import PARTS, SharesSum, shares_sum
from energyctl.results.pairs.shares import Division, DomainShares, shares

__all__ = [
    "FIGURES", "PARTS", "Division", "DomainShares", "Figure", "Interference", "Likeness", "Pair",
    "Pairs", "RunFacts", "SharesSum", "facts_of", "find_pairs", "likeness", "shares_sum",
]  # fmt: skip


@dataclass(frozen=True)
class Pairs:
    """In the order of time; notes: lines on runs that are in none, and on how these were found."""

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]


def find_pairs(runs: Iterable[RunFacts]) -> Pairs:
    """The pairs among these runs, each with its figures."""
    found, notes = matches(list(runs))
    pairs = tuple(map(_pair, found))
    estimates = sum(not pair.measured for pair in pairs)
    if estimates:
        notes.append(f"the energy of {estimates} of {len(pairs)} pairs is an estimate, in part")
    return Pairs(pairs, tuple(notes))


def _pair(match: Match) -> Pair:
    beside, alone = match.beside, match.alone
    figures = interference(beside, alone)
    return Pair(match, figures, shares(beside, alone, figures.background_alone_seconds))
