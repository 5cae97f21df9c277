"""Whose energy a domain's joules are: the shares of foreground and background in a pair. Pure.

    total = idle + context + foreground + background

docs/attribution.md has the model, the equations and what they cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Literal

from energyctl.energy.shares import estimators
from energyctl.energy.shares.model import Doubts, Estimate, Facts, half_width
from energyctl.results.pairs import share_facts
from energyctl.results.pairs.energy import domain_idle, load_watts
from energyctl.results.pairs.facts import DomainFacts, RunFacts
from energyctl.results.pairs.figure import Figure, sound
from energyctl.results.pairs.share_facts import Known, NotKnown

Verdict = Literal["agreed", "disagree", "refused"]

FIGURES = (
    "total", "idle", "context", "foreground", "background", "foreground_context",
    "background_context", "marginal", "equal_work_marginal",
)  # fmt: skip
LESS_THAN_IDLE = "less was drawn than the idle machine and an open context take"
CLOSURE_WIDE = "the references explain {} of what was drawn above idle and context"


@dataclass(frozen=True)
class Division:
    """What one estimator says of a domain: joules of its kernels (of a CPU: its computing), each
    with the half-width of its band."""

    foreground: Figure
    background: Figure

    @property
    def missing(self) -> str | None:
        """Why it says nothing."""
        return self.foreground.missing


@dataclass(frozen=True)
class DomainShares:
    """Of one domain beside the background. idle, context, foreground and background add up to the
    total; foreground_context and background_context to the context. The shares of a side are its
    own joules and its part of the context.

    marginal: what would be saved if the training did not run and the load went on alone as long;
    equal_work_marginal: the same if the load did as much work alone. Neither is a share.
    closure: share of what was drawn above idle and context that the references do not explain;
    None: not known. jobs: the background's joules by job. differential: by so much the specific
    power of one may have changed more than the other's, and whose word that is.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    total: Figure
    idle: Figure
    context: Figure
    foreground: Figure
    background: Figure
    foreground_context: Figure
    background_context: Figure
    marginal: Figure
    equal_work_marginal: Figure
    activity: Division
    work: Division
    jobs: Mapping[str, float] = field(default_factory=dict)
    closure: float | None = None
    differential: float = estimators.DIFFERENTIAL
    differential_of: str = share_facts.ASSUMED

    @property
    def divisions(self) -> dict[str, Division]:
        """By the name of the estimator."""
        return {"activity": self.activity, "work": self.work}


def shares(beside: RunFacts, alone: RunFacts, seconds: Figure) -> dict[str, DomainShares]:
    """By domain, also of those that stand beside a total. seconds: what the background's work takes
    alone."""
    partners = {one.name: one for one in alone.parts}
    return {
        one.name: _sound(_domain(beside, alone, one, partners.get(one.name), seconds))
        for one in beside.parts
    }


def _sound(found: DomainShares) -> DomainShares:
    """The same without numbers that no run has."""
    figures: dict[str, Any] = {name: sound(getattr(found, name)) for name in FIGURES}
    activity, work = (
        Division(sound(one.foreground), sound(one.background)) for one in found.divisions.values()
    )
    known = found.closure is not None and isfinite(found.closure)
    closure = found.closure if known else None
    return replace(found, activity=activity, work=work, closure=closure, **figures)


def _domain(
    beside: RunFacts,
    alone: RunFacts,
    domain: DomainFacts,
    partner: DomainFacts | None,
    seconds: Figure,
) -> DomainShares:
    nothing = _measured(beside, domain, seconds)
    try:
        known = share_facts.known(beside, alone, domain, partner, seconds)
    except NotKnown as error:
        return _refused(nothing, (str(error),))
    facts, doubts = known.facts, known.doubts
    found = replace(
        nothing,
        idle=_figure(lambda of: of.idle_joules, facts, doubts),
        context=_figure(lambda of: of.context_joules, facts, doubts),
        differential=known.differential,
        differential_of=known.differential_of,
    )
    closure = _closure(known)
    if reasons := _refusals(known, closure):
        return _refused(replace(found, closure=closure), reasons)
    how = known.differential, known.clocks_differ
    activity, work = Estimate(missing=known.no_activity), Estimate(missing=known.no_work)
    if known.no_activity is None:
        activity = estimators.activity(facts, doubts, *how)
    if known.no_work is None:
        work = estimators.work(facts, known.work_doubts, *how)
    found = replace(
        found,
        closure=closure,
        foreground_context=_figure(lambda of: of.foreground_context_joules, facts, doubts),
        background_context=_figure(
            lambda of: of.context_joules - of.foreground_context_joules, facts, doubts
        ),
        activity=_division(activity, facts),
        work=_division(work, facts),
    )
    return _judged(found, activity, work, known)


def _closure(known: Known) -> float | None:
    """None where there are no busy times, or nothing to explain."""
    explained = sum(estimators.by_activity(known.facts))
    if known.no_activity or estimators.nothing_dynamic(known.facts, known.doubts, explained):
        return None
    return estimators.closure(known.facts, clocks_differ=known.clocks_differ)


def _refusals(known: Known, closure: float | None) -> tuple[str, ...]:
    if closure is not None and abs(closure) > estimators.LARGEST_CLOSURE:
        return (*known.refused, CLOSURE_WIDE.format(f"{100 * (1 - closure):.0f} %"))
    dynamic = _figure(lambda of: of.dynamic_joules, known.facts, known.doubts)
    less = (dynamic.value or 0.0) + (dynamic.uncertainty or 0.0) < 0
    return known.refused or ((LESS_THAN_IDLE,) if less else ())


def _judged(found: DomainShares, activity: Estimate, work: Estimate, known: Known) -> DomainShares:
    """With the figures of the better estimator, where the bands of both meet, or there is one."""
    told = [one for one in (activity, work) if one.is_known]
    if not told:
        return _refused(found, (f"activity: {activity.missing}", f"work: {work.missing}"))
    if len(told) == 2 and not activity.meets(work):
        why = "the bands of activity and work do not meet"
        nothing = Figure(missing=why)
        return replace(
            found, verdict="disagree", reasons=(why,), foreground=nothing, background=nothing
        )
    best = found.activity if activity.is_known else found.work
    return replace(
        found,
        verdict="agreed",
        foreground=best.foreground,
        background=best.background,
        jobs=_by_job(best.background.value or 0.0, known.job_busy),
    )


def _by_job(joules: float, busy: Mapping[str, float]) -> dict[str, float]:
    """Of the background, by how busy each job was: what each draws by itself was not measured."""
    total = sum(busy.values())
    return {job: joules * seconds / total for job, seconds in busy.items()} if total else {}


def _division(estimate: Estimate, facts: Facts) -> Division:
    if estimate.missing is not None:
        nothing = Figure(missing=estimate.missing)
        return Division(nothing, nothing)
    rest = facts.dynamic_joules - estimate.foreground
    return Division(
        Figure(estimate.foreground, estimate.wide), Figure(rest, estimate.background_wide)
    )


def _figure(of: Callable[[Facts], float], facts: Facts, doubts: Doubts) -> Figure:
    return Figure(of(facts), half_width(of, facts, doubts))


def _measured(beside: RunFacts, domain: DomainFacts, seconds: Figure) -> DomainShares:
    """What needs no division, with no verdict yet."""
    unknown = Figure(missing="not divided")
    marginal, off = domain.marginal
    load = load_watts(beside, domain)
    division = Division(unknown, unknown)
    return DomainShares(
        verdict="refused",
        reasons=(),
        total=Figure(domain.joules, domain.uncertainty, domain.missing),
        idle=domain_idle(domain),
        context=unknown,
        foreground=unknown,
        background=unknown,
        foreground_context=unknown,
        background_context=unknown,
        marginal=Figure(marginal, off, load.missing if marginal is None else None),
        equal_work_marginal=_equal_work_marginal(domain, load, seconds),
        activity=division,
        work=division,
    )


def _equal_work_marginal(domain: DomainFacts, load: Figure, seconds: Figure) -> Figure:
    if domain.joules is None or load.value is None or seconds.value is None:
        return Figure(missing=domain.missing or load.missing or seconds.missing)
    off = [domain.uncertainty, load.uncertainty, seconds.uncertainty]
    joules = domain.joules - load.value * seconds.value
    if None in off:
        return Figure(joules)
    return Figure(
        joules,
        (off[0] or 0.0) + (off[1] or 0.0) * seconds.value + abs(load.value) * (off[2] or 0.0),
    )


def _refused(found: DomainShares, reasons: tuple[str, ...]) -> DomainShares:
    nothing = Figure(missing="; ".join(reasons))
    division = Division(nothing, nothing)
    return replace(
        found,
        context=nothing if found.context.value is None else found.context,
        verdict="refused",
        reasons=reasons,
        foreground=nothing,
        background=nothing,
        foreground_context=nothing,
        background_context=nothing,
        activity=division,
        work=division,
        jobs={},
    )
