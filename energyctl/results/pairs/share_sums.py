"""The shares of several domains of a pair together, such as of all its GPUs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from energyctl.results.pairs.figure import Figure, added_up, scaled, sound
from energyctl.results.pairs.shares import DomainShares, Verdict

PARTS = ("idle", "context", "foreground", "background")
"""Of a total, which they add up to."""


@dataclass(frozen=True)
class SharesSum:
    """Of some domains; its figures are known where all of these are agreed on. jobs: the
    background's joules by job."""

    verdict: Verdict
    jobs: Mapping[str, float]
    total: Figure
    idle: Figure
    context: Figure
    foreground: Figure
    background: Figure


def shares_sum(domains: Mapping[str, DomainShares], names: Sequence[str]) -> SharesSum:
    """names: one or more of the domains."""
    verdicts = {domains[name].verdict for name in names}
    ordered: tuple[Verdict, ...] = ("refused", "disagree", "agreed")
    verdict = next(one for one in ordered if one in verdicts)
    if verdict != "agreed":
        why = "; ".join(f"{name}: {reason}" for name in names for reason in domains[name].reasons)
        return SharesSum(verdict, {}, *[Figure(missing=why)] * 5)
    figures = [_sum([getattr(domains[name], part) for name in names]) for part in ("total", *PARTS)]
    jobs = dict.fromkeys(job for name in names for job in domains[name].jobs)
    by_job = {job: added_up(domains[name].jobs.get(job, 0.0) for name in names) for job in jobs}
    return SharesSum(verdict, by_job, *figures)


def _sum(figures: Sequence[Figure]) -> Figure:
    """Bands add up: what references are off by is mostly alike on all domains."""
    unknown = next((one for one in figures if one.value is None), None)
    if unknown is not None:
        return Figure(missing=unknown.missing)
    value = added_up(one.value or 0.0 for one in figures)
    return sound(Figure(value, scaled([one.uncertainty for one in figures])))
