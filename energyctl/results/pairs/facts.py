"""What pairing asks of a result: which run it is, its energies, the work of its background."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from energyctl.results.conditions import condition_of, is_warm_up
from energyctl.results.phases import kind_of
from energyctl.results.tables import accessors
from energyctl.results.tables.part import Part

LOAD_ALONE = "background_only"
NOT_TOLD = "the result tells no work of it"


class Machine(NamedTuple):
    """Where a run ran, and how that was set: runs of a pair have all of it alike."""

    node: str | None
    gpus: tuple[str | None, ...]
    limits: tuple[float | None, ...]
    governors: tuple[str, ...]
    place: str | None


@dataclass(frozen=True)
class DomainFacts:
    """A domain of the total, during the last attempt. own, common: parts of the uncertainty;
    stated: what of it is a share of the joules. marginal, above_idle: (joules, uncertainty)."""

    name: str
    source: str | None
    joules: float | None
    uncertainty: float | None
    own: float | None
    common: float | None
    stated: float
    marginal: tuple[float | None, float | None]
    above_idle: tuple[float | None, float | None]
    missing: str | None = None


@dataclass(frozen=True)
class Work:
    """What a job did in some phases together; None: not known, for the reason `missing`."""

    seconds: float = 0.0
    amount: float | None = None
    uncertainty: float | None = None
    unit: str | None = None
    missing: str | None = None


@dataclass(frozen=True)
class JobFacts:
    """A background job. alone: its work while nothing but the load ran; beside: during the last
    attempt of the foreground."""

    name: str
    training: str
    alone: Work
    beside: Work


@dataclass(frozen=True)
class RunFacts:
    """A run, as far as pairs need it. block: campaign and number; None where it is of none.

    values: its hyper-parameters as text. told: whether it tells its condition, block and seed, as
    results of earlier versions do not. started: Unix seconds.
    """

    experiment_id: str
    status: str
    warm_up: bool
    beside: bool
    condition: str
    told: bool
    block: tuple[str | None, int] | None
    training: str
    values: str
    seed: int | None
    machine: Machine
    started: float | None
    seconds: float | None
    energy_seconds: float | None
    measured: bool | None
    domains: tuple[DomainFacts, ...]
    jobs: tuple[JobFacts, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    """Why figures of its energy are null, by key."""


def facts_of(result: Part) -> RunFacts:
    """Raises NoResult where something is not of its type."""
    training, energy, facts = (
        result.part(k) for k in ("foreground_result", "energy", "environment")
    )
    start, end = accessors.attempt_span(result)
    seconds = training.number("duration")
    missing = {n: str(energy.part("missing").text(n)) for n in energy.part("missing").names()}
    if reason := result.text("energy_missing"):
        missing["total_joules"] = reason
    return RunFacts(
        experiment_id=str(result.text("experiment_id")),
        status=str(result.text("status")),
        warm_up=is_warm_up(result.document),
        beside=result.raw("background_info") is not None,
        condition=condition_of(result.document),
        told="condition" in result.names(),
        block=_block(result, facts),
        training=f"{training.text('repo')} / {training.text('model')}",
        values=json.dumps(dict(training.part("hyperparameters").document), sort_keys=True),
        seed=result.integer("training_seed"),
        machine=_machine(training, facts),
        started=start if start is not None else facts.number("started"),
        seconds=seconds if seconds is not None else energy.number("seconds"),
        energy_seconds=energy.number("seconds"),
        measured=energy.flag("measured"),
        domains=_domains(energy),
        jobs=_jobs(result, start, end),
        missing=missing,
    )


def _block(result: Part, facts: Part) -> tuple[str | None, int] | None:
    """A campaign of the same name may have been run twice: its journal tells them apart."""
    number = result.integer("block")
    campaign = facts.text("journal") or result.text("campaign")
    return None if number is None else (campaign, number)


def _machine(training: Part, facts: Part) -> Machine:
    gpus, place = facts.parts("gpus"), training.part("place")
    return Machine(
        facts.text("node") or facts.text("hostname"),
        tuple(gpu.text("uuid") or gpu.text("name") for gpu in gpus),
        tuple(gpu.number("power_limit_watts") for gpu in gpus),
        tuple(sorted(str(one) for one in facts.items("governors"))),
        json.dumps([place.raw("uuids") or place.raw("gpus"), place.raw("cpus")])
        if place.names()
        else None,
    )


def _domains(energy: Part) -> tuple[DomainFacts, ...]:
    """Those of the total; of a result that has the total alone, that."""
    found = [_domain(one) for one in energy.parts("domains") if one.flag("in_total")]
    if not found and energy.number("total_joules") is not None:
        return (_domain(energy, "total"),)
    return tuple(found)


def _domain(part: Part, total: str | None = None) -> DomainFacts:
    added = [
        (part.number(f"{name}_joules"), part.number(f"{name}_uncertainty_joules"))
        for name in ("marginal", "above_idle")
    ]
    return DomainFacts(
        name=total or str(part.text("name")),
        source=None if total else part.text("source"),
        joules=part.number("total_joules" if total else "joules"),
        uncertainty=part.number("uncertainty_joules"),
        own=part.number("own_joules"),
        common=part.number("common_joules"),
        stated=0.0 if total else part.numbers("budget").get("stated") or 0.0,
        marginal=added[0],
        above_idle=added[1],
        missing=None if total else part.text("missing"),
    )


# -- the work of the background ------------------------------------------------------------------


class _Span(NamedTuple):
    name: str
    start: float | None
    end: float | None


def _jobs(result: Part, start: float | None, end: float | None) -> tuple[JobFacts, ...]:
    phases = [
        _Span(one.text("name") or "", one.time("start"), one.time("end"))
        for one in result.parts("phases")
    ]
    jobs = []
    for job in result.part("background_info").parts("jobs"):
        entries = _placed(job.parts("work"), phases)
        alone = [entry for entry, span in entries if kind_of(span.name) == LOAD_ALONE]
        beside = [entry for entry, span in entries if _within(span, start, end)]
        training = f"{job.text('repo')} / {job.text('model')}"
        told = bool(entries)
        jobs.append(
            JobFacts(
                str(job.text("job")),
                training,
                _sum(alone, "no phase of the load alone" if told else NOT_TOLD, some=True),
                _sum(beside, "it did not run beside the training" if told else NOT_TOLD),
            )
        )
    return tuple(jobs)


def _placed(work: Sequence[Part], phases: Sequence[_Span]) -> list[tuple[Part, _Span]]:
    """Each entry with its phase: they stand in one order, and a job may have missed phases."""
    placed, at = [], 0
    for entry in work:
        name = entry.text("phase") or ""
        later = [n for n in range(at, len(phases)) if phases[n].name == name]
        if later:
            at = later[0] + 1
        placed.append((entry, phases[later[0]] if later else _Span(name, None, None)))
    return placed


def _within(span: _Span, start: float | None, end: float | None) -> bool:
    """Whether the phase is of the attempt; where times are not known, whether a training ran."""
    if span.start is None or span.end is None or start is None or end is None:
        return kind_of(span.name) == "foreground"
    return start <= (span.start + span.end) / 2 <= end


def _sum(entries: Sequence[Part], none: str, *, some: bool = False) -> Work:
    """All of them together. some: those whose work is not known are left out as long as there are
    others."""
    known = [one for one in entries if one.number("amount") is not None and one.number("seconds")]
    if not known or (len(known) < len(entries) and not some):
        reasons = [one.text("reason") for one in entries if one.number("amount") is None]
        return Work(missing=next((why for why in reasons if why), none))
    units = {one.text("unit") for one in known}
    if len(units) > 1:
        return Work(missing="its work is told in different units")
    bands = [one.number("uncertainty") for one in known]
    return Work(
        sum(one.number("seconds") or 0.0 for one in known),
        sum(one.number("amount") or 0.0 for one in known),
        None if None in bands else sum(band or 0.0 for band in bands),
        units.pop(),
    )
