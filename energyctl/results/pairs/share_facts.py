"""What the shares of a domain go by, from the results of a pair: facts, what each may be off by,
and why an estimator, or all of it, cannot be had. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from math import hypot
from typing import NamedTuple

from energyctl.energy.shares.estimators import DIFFERENTIAL
from energyctl.energy.shares.model import Doubts, Facts
from energyctl.results.pairs.energy import domain_idle, load_watts
from energyctl.results.pairs.facts import DomainFacts, RunFacts
from energyctl.results.pairs.figure import Figure
from energyctl.results.pairs.references import (
    LOADS,
    TRAINING,
    UNTOLD,
    References,
    Side,
    SpanFacts,
    pooled,
)
from energyctl.text import percent

ASSUMED = "assumed"
HELD_DOWN = 0.01
"""Share of a time from which on a cause that holds down clocks counts."""

CLOCKS_APART = 0.02
LARGEST_UNTOLD = 0.05
OVERLAP = 1.03
"""Busy times of several processes that add up to so many times the busy time of the GPU itself."""

LEAST_CORES = 0.02
"""CPU time that is less than this, on average, says little of what a training has computed."""

MISSING = "a reference is missing: "
MEMORY = "no source tells the memory traffic of each process"


class NotKnown(Exception):
    """Nothing can be divided; the text says why."""


@dataclass(frozen=True)
class Known:
    """refused: why nothing can be divided though all is there. no_activity, no_work: why that
    estimator says nothing."""

    facts: Facts
    doubts: Doubts
    work_doubts: Doubts
    refused: tuple[str, ...]
    no_activity: str | None
    no_work: str | None
    clocks_differ: bool
    differential: float
    differential_of: str
    job_busy: Mapping[str, float] = field(default_factory=dict)


class _Spans(NamedTuple):
    """Of a domain: the training beside the background, alone, and the load alone."""

    beside: SpanFacts | None
    alone: SpanFacts | None
    loads: Sequence[SpanFacts]

    @property
    def all(self) -> list[SpanFacts]:
        return [one for one in (self.beside, self.alone, *self.loads) if one is not None]


def known(
    beside: RunFacts,
    alone: RunFacts,
    domain: DomainFacts,
    partner: DomainFacts | None,
    seconds: Figure,
) -> Known:
    """Raises NotKnown where a reference is missing."""
    if domain.kind == "dram":
        raise NotKnown(MEMORY)
    if not domain.measured:
        raise NotKnown("its energy is an estimate")
    if domain.joules is None or partner is None or partner.joules is None:
        where = "beside the background" if domain.joules is None else "of the run alone"
        raise NotKnown(f"its energy {where} is not known")
    if not beside.energy_seconds or not alone.energy_seconds:
        raise NotKnown("a duration is not known")
    context = _context(beside, alone, domain)
    idle, alone_idle = (_idle_watts(d, r) for d, r in ((domain, beside), (partner, alone)))
    spans = _spans(beside, alone, domain.name)
    load = load_watts(beside, domain)
    if load.value is None:
        raise NotKnown(f"{MISSING}{load.missing}")
    no_activity = _no_activity(spans, domain.kind)
    sides = _sides(spans, beside.energy_seconds, alone.energy_seconds)
    clocks = _clocks(spans)
    facts = Facts(
        joules=domain.joules,
        seconds=beside.energy_seconds,
        idle_watts=idle.value or 0.0,
        context_watts=context.value or 0.0,
        foreground_context=sides.foreground.context,
        background_context=sides.background.context,
        both_context=sides.both,
        alone_joules=partner.joules,
        alone_seconds=alone.energy_seconds,
        alone_idle_watts=alone_idle.value or 0.0,
        alone_context=sides.alone.context,
        load_watts=load.value,
        load_context=sides.load.context,
        foreground_busy=sides.foreground.busy,
        background_busy=sides.background.busy,
        alone_busy=sides.alone.busy,
        load_busy=sides.load.busy,
        load_seconds=seconds.value or 0.0,
        foreground_clock=clocks.foreground,
        background_clock=clocks.background,
    )
    common = _doubts(domain, partner, idle, alone_idle, context)
    references = beside.references, alone.references
    held = _held_down(*references, domain.name, "power_cap")
    no_clocks = any(held) and not clocks.told
    twins = beside.references.twins.get(domain.name)
    return Known(
        facts=facts,
        doubts=_activity_doubts(common, facts, spans),
        work_doubts=_work_doubts(common, load, seconds),
        refused=(
            *_foreign(*references, domain.name),
            *_heat(*references, domain.name),
            *_untold(spans, domain.kind),
            *(["its power limit acted, and its clocks are not told"] if no_clocks else []),
        ),
        no_activity=no_activity,
        no_work=None if seconds.value is not None else seconds.missing,
        clocks_differ=clocks.differ,
        differential=DIFFERENTIAL if twins is None else twins.differential,
        differential_of=ASSUMED if twins is None else _dated(twins.date),
        job_busy=spans.beside.jobs if spans.beside is not None else {},
    )


def _dated(date: float | None) -> str:
    day = "" if date is None else f" of {datetime.fromtimestamp(date, timezone.utc):%Y-%m-%d}"
    return f"twins{day}"


def _spans(beside: RunFacts, alone: RunFacts, domain: str) -> _Spans:
    together, apart = (run.references.span(TRAINING, domain) for run in (beside, alone))
    return _Spans(together, apart, beside.references.loads(domain))


# -- powers ----------------------------------------------------------------------------------------


def _context(beside: RunFacts, alone: RunFacts, domain: DomainFacts) -> Figure:
    """Watts of an open context, of both runs; a CPU has none."""
    if domain.kind != "gpu":
        return Figure(0.0, 0.0)
    told = [run.references.context_watts.get(domain.name) for run in (beside, alone)]
    found = [one for one in told if one is not None and one.value is not None]
    if not found:
        raise NotKnown(f'{MISSING}there is no phase "context held" ("references": true)')
    values = [one.value or 0.0 for one in found]
    off = max(one.uncertainty or 0.0 for one in found) + (max(values) - min(values)) / 2
    return Figure(sum(values) / len(values), off)


def _idle_watts(domain: DomainFacts, run: RunFacts) -> Figure:
    idle = domain_idle(domain)
    if idle.value is None or not run.energy_seconds:
        why = run.missing.get("above_idle_joules", idle.missing)
        raise NotKnown(f"{MISSING}the idle machine: {why}")
    off = None if idle.uncertainty is None else idle.uncertainty / run.energy_seconds
    return Figure(idle.value / run.energy_seconds, off)


# -- busy times ------------------------------------------------------------------------------------


class _Sides(NamedTuple):
    """Busy and context seconds; of the load alone per second."""

    foreground: Side
    background: Side
    alone: Side
    load: Side
    both: float


def _sides(spans: _Spans, seconds: float, alone_seconds: float) -> _Sides:
    """Where it is not told, a context was open all the time."""
    together, apart = spans.beside, spans.alone
    none, whole = Side(0.0, 0.0), Side(0.0, seconds)
    told = together is not None and together.missing is None
    load = [one for one in spans.loads if one.missing is None and one.background]
    return _Sides(
        foreground=(together.foreground or none) if told and together else whole,
        background=(together.background or none) if told and together else whole,
        alone=(apart.foreground or none)
        if apart is not None and apart.missing is None
        else Side(0.0, alone_seconds),
        load=_per_second(load) if load else Side(0.0, 1.0),
        both=together.both if told and together else seconds,
    )


def _per_second(loads: Sequence[SpanFacts]) -> Side:
    """Of all of them together, as their power is."""
    seconds = sum(one.seconds for one in loads)
    sides = [one.background for one in loads if one.background is not None]
    return Side(sum(s.busy for s in sides) / seconds, sum(s.context for s in sides) / seconds)


def _no_activity(spans: _Spans, kind: str | None) -> str | None:
    """Why there is no division by busy times, if so."""
    named = {
        "beside the background": spans.beside,
        "of the run alone": spans.alone,
        **dict(zip(LOADS, spans.loads, strict=False)),
    }
    if not spans.loads:
        return UNTOLD
    for where, span in named.items():
        if span is None:
            return UNTOLD
        if span.missing is not None:
            return f"{where.replace('_', ' ')}: {span.missing}"
        if kind == "gpu" and _overlap(span):
            return (
                "kernels of several processes ran at the same time (as under MPS), so busy times "
                "do not divide what they drew"
            )
    return _too_little_computed(spans) if kind == "cpu" else None


def _too_little_computed(spans: _Spans) -> str | None:
    told = (
        (spans.beside, spans.beside and spans.beside.foreground),
        (spans.beside, spans.beside and spans.beside.background),
    )
    for span, side in told:
        if span is not None and side is not None and side.busy < LEAST_CORES * span.seconds:
            return "one of both used hardly any CPU time"
    return None


def _overlap(span: SpanFacts) -> bool:
    limit = span.seconds if span.device is None else min(span.seconds, span.device)
    return span.busy - 2 * span.busy_off > OVERLAP * limit > 0


# -- clocks ----------------------------------------------------------------------------------------


class _Clocks(NamedTuple):
    """Clock beside ÷ alone, of each; told: all of them are."""

    foreground: float
    background: float
    told: bool

    @property
    def differ(self) -> bool:
        return max(abs(self.foreground - 1), abs(self.background - 1)) > CLOCKS_APART


def _clocks(spans: _Spans) -> _Clocks:
    together = spans.beside.mhz if spans.beside else None
    alone = spans.alone.mhz if spans.alone else None
    load = pooled(one.mhz for one in spans.loads)
    if not together or not alone or not load:
        return _Clocks(1.0, 1.0, told=False)
    return _Clocks(together / alone, together / load, told=True)


def _held_down(beside: References, alone: References, domain: str, cause: str) -> list[bool]:
    """Whether it was, by a cause: beside, alone, and in the load alone."""
    loads = max(beside.held_down(name, domain, cause) for name in LOADS)
    shares = (
        beside.held_down(TRAINING, domain, cause),
        alone.held_down(TRAINING, domain, cause),
        loads,
    )
    return [share > HELD_DOWN for share in shares]


# -- refusals --------------------------------------------------------------------------------------


def _foreign(beside: References, alone: References, domain: str) -> list[str]:
    found = []
    for run, where in ((beside, "beside the background"), (alone, "alone")):
        if domain in run.foreign:
            found.append(f"a foreign process was on it, {where}: {run.foreign[domain]}")
    return found


def _heat(beside: References, alone: References, domain: str) -> list[str]:
    held = _held_down(beside, alone, domain, "heat")
    if any(held) and not all(held):
        return ["heat held its clocks down in one of its phases, and not in the others"]
    return []


def _untold(spans: _Spans, kind: str | None) -> list[str]:
    """Where more than a little of the busy time of a GPU is of nobody, or not told."""
    worst = 0.0
    for span in spans.all if kind == "gpu" else ():
        if span.missing is not None or not span.seconds:
            continue
        most = max(
            span.unknown / span.seconds,
            (span.other - span.busy_off) / span.busy if span.busy else 0.0,
            _lost(span),
        )
        worst = max(worst, most)
    if worst > LARGEST_UNTOLD:
        return [f"who kept it busy is not told for {percent(worst)} of the time"]
    return []


def _lost(span: SpanFacts) -> float:
    """Share of the busy time of the GPU itself that no process has told."""
    lost = 0.0 if span.device is None else span.device - span.busy
    return lost / span.device if span.device and lost > span.busy_off else 0.0


# -- doubts ----------------------------------------------------------------------------------------


def _doubts(
    domain: DomainFacts, partner: DomainFacts, idle: Figure, alone_idle: Figure, context: Figure
) -> Doubts:
    """Of what both estimators go by: energies, and the machine without either."""
    return Doubts(
        apart={
            "joules": _own(domain),
            "alone_joules": _own(partner),
            "context_watts": context.uncertainty or 0.0,
            "idle_watts": idle.uncertainty or 0.0,
            "alone_idle_watts": alone_idle.uncertainty or 0.0,
        },
        at_once=({"joules": domain.common or 0.0, "alone_joules": partner.common or 0.0},),
    )


def _own(domain: DomainFacts) -> float:
    if domain.own is None or domain.common is None:
        return domain.uncertainty or 0.0
    return domain.own


def _work_doubts(common: Doubts, load: Figure, seconds: Figure) -> Doubts:
    of_load = {"load_watts": load.uncertainty or 0.0, "load_seconds": seconds.uncertainty or 0.0}
    return replace(common, apart={**common.apart, **of_load})


def _activity_doubts(common: Doubts, facts: Facts, spans: _Spans) -> Doubts:
    """The load before the training and after it differ by their drift; what each of them is off by
    chance counts less in their mean."""
    together, apart, loads = spans.beside, spans.alone, spans.loads
    if together is None or apart is None or not loads:
        return common
    seconds = sum(one.seconds for one in loads)
    by_chance = {
        "load_watts": hypot(*((one.watts_off or 0.0) * one.seconds for one in loads)) / seconds,
        "foreground_busy": together.busy_off,
        "background_busy": together.busy_off,
        "alone_busy": apart.busy_off,
        "load_busy": hypot(*(one.busy_off for one in loads)) / seconds,
    }
    return Doubts(
        apart={**common.apart, **by_chance},
        at_once=common.at_once,
        other_loads=tuple(map(_load_facts, loads)),
    )


def _load_facts(span: SpanFacts) -> dict[str, float]:
    side = _per_second([span])
    return {
        "load_watts": span.watts or 0.0, "load_busy": side.busy, "load_context": side.context,
    }  # fmt: skip
