"""What pairing asks of a result: which run it is, its energies, the work of its background."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import NamedTuple

from energyctl.energy.domain import is_part, proportional_joules
from energyctl.results.conditions import condition_of, is_warm_up
from energyctl.results.pairs.job_facts import JobFacts, jobs_of
from energyctl.results.pairs.references import References, references_of
from energyctl.results.tables import accessors
from energyctl.results.tables.part import Part


class Machine(NamedTuple):
    """Where a run ran, and how that was set: runs of a pair have all of it alike. clock_mhz: that
    was asked for; None: none was."""

    node: str | None
    gpus: tuple[str | None, ...]
    drivers: tuple[str | None, ...]
    limits: tuple[float | None, ...]
    clock_mhz: int | None
    governors: tuple[str, ...]
    place: str | None


class Likeness(NamedTuple):
    """What the runs of a pair have alike. values: its hyper-parameters as text."""

    training: str
    values: str
    seed: int | None
    machine: Machine


@dataclass(frozen=True)
class DomainFacts:
    """A domain, during the last attempt. own, common: parts of the uncertainty; stated: what of it
    the source states as a share, unless it is an estimate; proportional: that, and what else is one
    share of any joules. marginal, above_idle: (joules, uncertainty). in_total: of the total."""

    name: str
    source: str | None
    joules: float | None
    uncertainty: float | None
    own: float | None
    common: float | None
    stated: float
    proportional: float
    marginal: tuple[float | None, float | None]
    above_idle: tuple[float | None, float | None]
    missing: str | None = None
    kind: str | None = None
    measured: bool = True
    in_total: bool = True


@dataclass(frozen=True)
class RunFacts:
    """A run, as far as pairs need it. block: campaign and number; None where it is of none.

    values: its hyper-parameters as text. told: whether it tells its condition, block and seed, as
    results of earlier versions do not. started: Unix seconds. parts: domains that add up to the
    machine, and to the total unless another one is that by itself. alone_of: id of the run alone of
    an earlier campaign that it names.
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
    parts: tuple[DomainFacts, ...]
    jobs: tuple[JobFacts, ...] = ()
    missing: dict[str, str] = field(default_factory=dict)
    """Why figures of its energy are null, by key."""
    alone_of: str | None = None
    references: References = field(default_factory=References)

    @property
    def domains(self) -> tuple[DomainFacts, ...]:
        """Those of the total."""
        return tuple(one for one in self.parts if one.in_total)

    @property
    def total_by_itself(self) -> bool:
        """Whether the total is one domain that is no package, memory or GPU."""
        return [one.kind for one in self.domains] == ["other"]

    @property
    def like(self) -> Likeness:
        return Likeness(self.training, self.values, self.seed, self.machine)


def facts_of(result: Part) -> RunFacts:
    """Raises NoResult where something is not of its type."""
    training, energy, facts = (
        result.part(k) for k in ("foreground_result", "energy", "environment")
    )
    start, _ = accessors.attempt_span(result)
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
        **likeness(training, result.integer("training_seed"), facts)._asdict(),
        started=start if start is not None else facts.number("started"),
        seconds=seconds if seconds is not None else energy.number("seconds"),
        energy_seconds=energy.number("seconds"),
        measured=energy.flag("measured"),
        parts=_parts(energy),
        jobs=jobs_of(result),
        missing=missing,
        alone_of=result.part("alone_of").text("experiment_id"),
        references=references_of(result),
    )


def likeness(training: Part, seed: int | None, facts: Part) -> Likeness:
    """*training*: as in a result's `foreground_result`; *facts*: as in its `environment`."""
    return Likeness(
        f"{training.text('repo')} / {training.text('model')}",
        json.dumps(dict(training.part("hyperparameters").document), sort_keys=True),
        seed,
        _machine(training, facts),
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
        tuple(gpu.text("driver") for gpu in gpus),
        tuple(gpu.number("power_limit_watts") for gpu in gpus),
        facts.part("run").part("machine").integer("gpu_clock_mhz"),
        tuple(sorted(str(one) for one in facts.items("governors"))),
        json.dumps([place.raw("uuids") or place.raw("gpus"), place.raw("cpus")])
        if place.names()
        else None,
    )


def _parts(energy: Part) -> tuple[DomainFacts, ...]:
    """By the rule of :attr:`energyctl.energy.domain.Domain.is_part`; of a result that has the total
    alone, that."""
    every = map(_domain, energy.parts("domains"))
    found = [one for one in every if is_part(one.in_total, one.kind, one.missing)]
    if not any(one.in_total for one in found) and energy.number("total_joules") is not None:
        return (_domain(energy, "total"),)
    return tuple(found)


def _domain(part: Part, total: str | None = None) -> DomainFacts:
    added = [
        (part.number(f"{name}_joules"), part.number(f"{name}_uncertainty_joules"))
        for name in ("marginal", "above_idle")
    ]
    budget = {cause: joules or 0.0 for cause, joules in part.numbers("budget").items()}
    measured = part.flag("measured") is not False
    return DomainFacts(
        name=total or str(part.text("name")),
        source=None if total else part.text("source"),
        joules=part.number("total_joules" if total else "joules"),
        uncertainty=part.number("uncertainty_joules"),
        own=part.number("own_joules"),
        common=part.number("common_joules") if measured else None,
        stated=budget.get("stated", 0.0) if measured else 0.0,
        proportional=proportional_joules(budget, measured=measured),
        marginal=added[0],
        above_idle=added[1],
        missing=None if total else part.text("missing"),
        kind=None if total else part.text("kind"),
        measured=measured,
        in_total=total is not None or part.flag("in_total") is True,
    )
