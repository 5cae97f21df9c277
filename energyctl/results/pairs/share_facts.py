"""What the shares of a domain go by, from the results of a pair: facts, what each may be off by,
and why an estimator, or all of it, cannot be had. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from math import hypot

from energyctl.energy.shares.estimators import DIFFERENTIAL
from energyctl.energy.shares.model import Doubts, Facts
from energyctl.results.activity_schema import NO_MEMORY_TRAFFIC
from energyctl.results.pairs.energy import domain_idle, load_watts
from energyctl.results.pairs.facts import DomainFacts, RunFacts
from energyctl.results.pairs.figure import Figure
from energyctl.results.pairs.references import SpanFacts
from energyctl.results.pairs.share_spans import (
    Clocks,
    Spans,
    clocks_of,
    foreign,
    heat,
    held_down,
    no_activity,
    per_second,
    sides_of,
    spans_of,
    untold,
)  # fmt: skip

ASSUMED = "assumed"
NO_CLOCKS = "its clocks, beside or alone, are not known"
MISSING = "a reference is missing: "


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


def known(
    beside: RunFacts,
    alone: RunFacts,
    domain: DomainFacts,
    partner: DomainFacts | None,
    seconds: Figure,
) -> Known:
    """Raises NotKnown where a reference is missing."""
    if domain.kind == "dram":
        raise NotKnown(NO_MEMORY_TRAFFIC)
    if domain.kind not in ("gpu", "cpu"):
        raise NotKnown("it is neither a GPU nor a CPU package")
    if not domain.measured:
        raise NotKnown("its energy is an estimate")
    if domain.joules is None or partner is None or partner.joules is None:
        where = "beside the background" if domain.joules is None else "of the run alone"
        raise NotKnown(f"its energy {where} is not known")
    if not beside.energy_seconds or not alone.energy_seconds:
        raise NotKnown("a duration is not known")
    context = _context(beside, alone, domain)
    idle, alone_idle = (_idle_watts(d, r) for d, r in ((domain, beside), (partner, alone)))
    spans = spans_of(beside, alone, domain.name)
    load = load_watts(beside, domain)
    if load.value is None:
        raise NotKnown(f"{MISSING}{load.missing}")
    sides = sides_of(spans, beside.energy_seconds, alone.energy_seconds)
    clocks = clocks_of(spans)
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
    held = held_down(*references, spans, domain.name, "power_cap")
    no_clocks = True in held and not clocks.told
    twins = beside.references.twins.get(domain.name)
    return Known(
        facts=facts,
        doubts=_activity_doubts(common, spans, clocks),
        work_doubts=_work_doubts(common, load, seconds),
        refused=(
            *foreign(*references, domain.name),
            *heat(*references, spans, domain.name),
            *untold(spans, domain.kind),
            *(["its power limit acted, and its clocks are not known"] if no_clocks else []),
        ),
        no_activity=no_activity(spans, domain.kind) or (None if clocks.told else NO_CLOCKS),
        no_work=None if seconds.value is not None else seconds.missing,
        clocks_differ=clocks.differ,
        differential=DIFFERENTIAL if twins is None else twins.differential,
        differential_of=ASSUMED if twins is None else _dated(twins.date),
        job_busy=spans.beside.jobs if spans.beside is not None else {},
    )


def _dated(date: float | None) -> str:
    day = "" if date is None else f" of {datetime.fromtimestamp(date, timezone.utc):%Y-%m-%d}"
    return f"twins{day}"


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
    by_chance = hypot(*(one.uncertainty or 0.0 for one in found)) / len(found)
    off = by_chance + (max(values) - min(values)) / 2
    if sum(values) / len(values) + 2 * off < 0:
        raise NotKnown(
            "a held context took less than the idle machine: something disturbed one of them"
        )
    return Figure(sum(values) / len(values), off)


def _idle_watts(domain: DomainFacts, run: RunFacts) -> Figure:
    idle = domain_idle(domain)
    if idle.value is None or not run.energy_seconds:
        why = run.missing.get("above_idle_joules", idle.missing)
        raise NotKnown(f"{MISSING}the idle machine: {why}")
    off = None if idle.uncertainty is None else idle.uncertainty / run.energy_seconds
    return Figure(idle.value / run.energy_seconds, off)


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


def _activity_doubts(common: Doubts, spans: Spans, clocks: Clocks) -> Doubts:
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
        other_loads=tuple(_load_facts(one, together, clocks) for one in loads),
    )


def _load_facts(load: SpanFacts, together: SpanFacts, clocks: Clocks) -> dict[str, float]:
    side = per_second([load])
    clock = together.mhz / load.mhz if together.mhz and load.mhz else clocks.background
    return {
        "load_watts": load.watts or 0.0,
        "load_busy": side.busy,
        "load_context": side.context,
        "background_clock": clock,
    }
