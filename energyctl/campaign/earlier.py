"""Runs alone of earlier campaigns, which stand for those of a plan: where settings ask for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from energyctl.campaign.facts import machine_facts
from energyctl.campaign.training import places
from energyctl.campaign.training.invocations import Trainings
from energyctl.config.plan import EarlierAlone, Plan, Run
from energyctl.config.registry import Registry
from energyctl.config.settings import Settings
from energyctl.errors import EnergyctlError
from energyctl.results import reader
from energyctl.results.document import place_json
from energyctl.results.pairs import Likeness, RunFacts, facts_of, likeness
from energyctl.results.tables import Part


def asked_for(runs: Iterable[Run]) -> bool:
    """Whether one of them may be compared with a run alone of an earlier campaign."""
    return any(run.references is not None and run.references.earlier for run in runs)


def with_earlier(
    plan: Plan, settings: Settings, models: Registry, root: Path, results: Path
) -> Plan:
    """The plan without the runs alone for which a result in the folder *results* stands, as the
    machine is now. *root*: the workspace. A result that cannot be read stands for none."""
    if not asked_for(plan.runs):
        return plan
    facts = machine_facts()
    if settings.governor is not None:
        facts["governors"] = [settings.governor]
    try:
        gpus = places.find(plan.runs)
    except EnergyctlError:  # a start says it; what is like these runs is not known
        return plan
    trainings = replace(Trainings.here(models, root, os.environ), gpus=gpus)

    def like(run: Run) -> Likeness:
        placed = trainings.placed(run.place)
        place = {"place": place_json(placed)} if placed else {}
        training = Part({**run.foreground.to_json(), **place})
        return likeness(training, run.training_seed, Part(facts))

    files = sorted(results.glob("*.json"))
    earlier = reader.read(files, lambda path, result: facts_of(result), lambda line: None)
    return leave_out(plan, like, list(earlier))


def leave_out(plan: Plan, like: Callable[[Run], Likeness], earlier: Sequence[RunFacts]) -> Plan:
    """The plan without the runs alone that *earlier* ones stand for: the newest first, each for one
    block. The runs beside of the block name it."""
    wanted = {run.block for run in plan.runs if asked_for([run])} - {None}
    by_like: dict[Likeness, list[EarlierAlone]] = {}
    for facts in sorted(filter(_stands, earlier), key=lambda one: one.started or 0.0):
        alone = EarlierAlone(facts.experiment_id, facts.started or 0.0)
        by_like.setdefault(facts.like, []).append(alone)
    of_block: dict[int | None, EarlierAlone] = {}
    kept = []
    for run in plan.runs:
        if run.background or run.block not in wanted or run.block in of_block:
            kept.append(run)
        elif alike := by_like.get(like(run)):
            of_block[run.block] = alike.pop()
        else:
            kept.append(run)
    numbers = {run.index: number for number, run in enumerate(kept, 1)}
    runs = (replace(run, index=numbers[run.index], alone_of=_named(run, of_block)) for run in kept)
    passed_over = (
        replace(one, run=None if one.run is None else numbers.get(one.run))
        for one in plan.passed_over
    )
    return replace(plan, runs=tuple(runs), passed_over=tuple(passed_over))


def _stands(run: RunFacts) -> bool:
    alone = not run.beside and not run.warm_up and run.status == "succeeded"
    return alone and run.started is not None


def _named(run: Run, of_block: dict[int | None, EarlierAlone]) -> EarlierAlone | None:
    return of_block.get(run.block) if run.background else None
