"""What is judged of a simulated pair: figures of the shares beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, isclose
from random import Random
from typing import NamedTuple

from benchmarks.shared_results import NAME, Result, Truth
from benchmarks.shared_runs import run
from benchmarks.shared_worlds import World
from energyctl.energy.shares import estimators
from energyctl.energy.shares.model import Doubts, Facts
from energyctl.results.pairs import (
    Division,
    DomainShares,
    Figure,
    Pair,
    RunFacts,
    facts_of,
    find_pairs,
)
from energyctl.results.pairs.share_facts import known
from energyctl.results.tables import Part


class Band(NamedTuple):
    """A figure, its half-width, and the truth."""

    value: float
    wide: float
    truth: float

    @property
    def inside(self) -> bool:
        return abs(self.value - self.truth) <= self.wide


@dataclass(frozen=True)
class Outcome:
    """Of one pair. published, activity, work: joules of the kernels of both sides. share: of the
    foreground, with the half-width of its kernels' joules. others: what else is taken for that, by
    name. sums: by what share of the total its parts miss it. swaps: whether exchanged roles
    exchange the figures. asleep: the side that launched no kernel."""

    verdict: str
    reasons: Sequence[str]
    truth: Truth
    published: Sequence[Band] = ()
    activity: Sequence[Band] = ()
    work: Sequence[Band] = ()
    share: Band | None = None
    others: dict[str, float] = field(default_factory=dict)
    above_idle: float = 0.0
    sums: float = 0.0
    swaps: bool = True
    closure: float | None = None
    asleep: int | None = None

    @property
    def true_share(self) -> float:
        return self.truth.kernels(self.truth.foreground) + self.truth.foreground_context

    @property
    def true_dynamic_share(self) -> float:
        """The leakage left out."""
        return self.truth.foreground + self.truth.foreground_context


@dataclass(frozen=True)
class Simulated:
    """A pair as its results tell it, and what is true of the run beside."""

    runs: Sequence[RunFacts]
    truth: Truth
    asleep: int | None


def simulated(world: World, random: Random) -> Simulated:
    """One pair, alone first or beside first."""
    case = world.case(random)
    order = random.sample([False, True], 2)
    heat, results = random.uniform(0, 0.3), dict[bool, Result]()
    for number, beside in enumerate(order):
        line = run(case, random, heat, beside=beside)
        heat = line.gpu.heat
        results[beside] = Result(line, random, 1.8e9 + 5000 * number)
    runs = [facts_of(Part(results[beside].document())) for beside in order]
    return Simulated(runs, results[True].truth, world.asleep(case) if world.asleep else None)


def judged(one: Simulated) -> Outcome:
    (pair,) = find_pairs(one.runs).pairs
    found, truth = pair.domains[NAME], one.truth
    plain = Outcome(found.verdict, found.reasons, truth, closure=found.closure, asleep=one.asleep)
    if found.verdict == "refused":
        return plain
    truths = [truth.kernels(truth.foreground), truth.kernels(truth.background)]
    told = replace(
        plain,
        activity=_bands(found.activity, truths),
        work=_bands(found.work, truths),
        others=_others(pair, found),
        swaps=_swaps(pair),
    )
    if found.verdict != "agreed":
        return told
    parts = (found.idle, found.context, found.foreground, found.background)
    total = found.total.value or 0.0
    context = found.foreground_context
    share = Band(
        _value(found.foreground) + _value(context),
        found.foreground.uncertainty or 0.0,
        told.true_share,
    )
    return replace(
        told,
        published=_bands(Division(found.foreground, found.background), truths),
        share=share,
        above_idle=total - _value(found.idle),
        sums=abs(sum(map(_value, parts)) - total) / total,
    )


def _value(figure: Figure) -> float:
    return inf if figure.value is None else figure.value


def _bands(division: Division, truths: Sequence[float]) -> list[Band]:
    figures = (division.foreground, division.background)
    return [
        Band(figure.value, figure.uncertainty or 0.0, true)
        for figure, true in zip(figures, truths, strict=True)
        if figure.value is not None
    ]


def _facts(pair: Pair) -> Facts:
    beside, alone = pair.match.beside, pair.match.alone
    seconds = pair.interference.background_alone_seconds
    return known(beside, alone, beside.domains[0], alone.domains[0], seconds).facts


def _others(pair: Pair, found: DomainShares) -> dict[str, float]:
    """Other figures that are taken for the share of the foreground."""
    facts = _facts(pair)
    above, both = facts.joules - facts.idle_joules, facts.foreground_busy + facts.background_busy
    _, background = estimators.by_activity(facts)
    return {
        "busy": above * facts.foreground_busy / both if both else 0.0,
        "marginal": _value(found.marginal),
        "one_reference": facts.dynamic_joules - background + facts.foreground_context_joules,
    }


def exchanged(facts: Facts) -> Facts:
    """The same with foreground and background in each other's place."""
    seconds = facts.load_seconds or 1.0
    return replace(
        facts,
        foreground_busy=facts.background_busy,
        background_busy=facts.foreground_busy,
        foreground_context=facts.background_context,
        background_context=facts.foreground_context,
        foreground_clock=facts.background_clock,
        background_clock=facts.foreground_clock,
        alone_joules=facts.load_watts * seconds,
        alone_seconds=seconds,
        alone_context=facts.load_context * seconds,
        alone_busy=facts.load_busy * seconds,
        load_watts=facts.alone_joules / facts.alone_seconds,
        load_context=facts.alone_context / facts.alone_seconds,
        load_busy=facts.alone_busy / facts.alone_seconds,
        load_seconds=facts.alone_seconds,
    )


def _swaps(pair: Pair) -> bool:
    """Whether the foreground's figures are the background's where the roles are exchanged."""
    one = _facts(pair)
    one = replace(one, alone_idle_watts=one.idle_watts)
    other, how = exchanged(one), (Doubts(), estimators.DIFFERENTIAL, True)
    near = 1e-9 * abs(one.joules)
    for estimate in (estimators.activity, estimators.work):
        first, second = estimate(one, *how), estimate(other, *how)
        edges = ((first.foreground, second.foreground), (first.low, second.high))
        if not all(isclose(a + b, one.dynamic_joules, abs_tol=near) for a, b in edges):
            return False
    contexts = one.foreground_context_joules + other.foreground_context_joules
    return isclose(contexts, one.context_joules, abs_tol=near)
