"""Runs alone of earlier campaigns, which stand for those of a plan: where settings ask for it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from energyctl.campaign.facts import machine_facts
from energyctl.campaign.training import places
from energyctl.campaign.training.invocations import Trainings
from energyctl.config.plan import EarlierAlone, Plan, Run
from energyctl.config.registry import Registry
from energyctl.config.settings import Settings
from energyctl.config.settings.machine import GOVERNOR, LIMIT
from energyctl.errors import EnergyctlError
from energyctl.meters import placing
from energyctl.results import reader
from energyctl.results.document import place_json
from energyctl.results.pairs import Likeness, RunFacts, facts_of, likeness
from energyctl.results.pairs.energy import energy_of
from energyctl.results.tables import Part

GPU_DOMAIN = re.compile(r"(?:gpu|module)-(\d+)")
"""A GPU's domain of the total, with its index; of a GPU in a module with its CPU, the module's."""


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
    try:
        gpus = places.find(plan.runs)
    except EnergyctlError:  # a start says it; what is like these runs is not known
        return plan
    trainings = replace(Trainings.here(models, root, os.environ), gpus=gpus)
    metered = placing.metered(
        places.metered(plan.runs, settings.gpus, os.environ), facts["gpus"] or (), os.environ
    )
    if metered is None:
        return plan

    def like(run: Run) -> Likeness:
        placed = trainings.placed(run.place)
        place = {"place": place_json(placed)} if placed else {}
        training = Part({**run.foreground.to_json(), **place})
        return likeness(
            training, run.training_seed, Part({**facts, **_as_set(run, facts, metered)})
        )

    files = sorted(results.glob("*.json"))
    earlier = reader.read(files, lambda path, result: facts_of(result), lambda line: None)
    return leave_out(plan, like, list(earlier), metered)


def _as_set(run: Run, facts: Mapping[str, Any], metered: Set[int]) -> dict[str, Any]:
    """The *facts* of the machine that differ once it is set for *run*."""
    changed: dict[str, Any] = {"run": {"machine": dict(run.machine)}}
    if (governor := run.machine.get(GOVERNOR)) is not None:
        changed["governors"] = [governor]
    if (watts := run.machine.get(LIMIT)) is not None:
        changed["gpus"] = [
            {**gpu, "power_limit_watts": watts} if gpu["index"] in metered else gpu
            for gpu in facts["gpus"] or ()
        ]
    return changed


def leave_out(
    plan: Plan, like: Callable[[Run], Likeness], earlier: Sequence[RunFacts], metered: Set[int]
) -> Plan:
    """The plan without the runs alone that *earlier* ones stand for, where a block has a single
    one. Each stands for one block: for that of its own number, else the newest first. The runs
    beside of the block name it; all runs keep their numbers. metered: indices of GPUs."""
    standing = sorted((one for one in earlier if _stands(one, metered)), key=_started)
    of_block = _partners(_single_alone(plan.runs), like, standing)
    runs = (
        replace(run, alone_of=of_block.get(run.block)) if run.background else run
        for run in plan.runs
        if run.background or run.block not in of_block
    )
    return replace(plan, runs=tuple(runs)) if of_block else plan


def _single_alone(runs: Sequence[Run]) -> list[Run]:
    """The run alone of each block that has one, and runs beside that may do without it."""
    wanted = {run.block for run in runs if asked_for([run])} - {None}
    alone = [run for run in runs if run.block in wanted and not run.background]
    number = Counter(run.block for run in alone)
    return [run for run in alone if number[run.block] == 1]


def _partners(
    alone: Sequence[Run], like: Callable[[Run], Likeness], earlier: Sequence[RunFacts]
) -> dict[int | None, EarlierAlone]:
    """By block: the earlier run that stands for its run alone, where there is one. earlier: the
    oldest first."""
    alike: dict[Likeness, dict[str, RunFacts]] = {}
    numbered: dict[tuple[Likeness, int], RunFacts] = {}
    for facts in earlier:
        alike.setdefault(facts.like, {})[facts.experiment_id] = facts
        if facts.block is not None:
            numbered[facts.like, facts.block[1]] = facts
    found: dict[int | None, EarlierAlone] = {}
    wanted = [(run.block or 0, like(run)) for run in alone]
    for number, wants in wanted:
        if same := numbered.get((wants, number)):
            found[number] = _named(same)
            del alike[wants][same.experiment_id]
    for number, wants in wanted:
        if number not in found and alike.get(wants):
            found[number] = _named(alike[wants].popitem()[1])
    return found


def _stands(run: RunFacts, metered: Set[int]) -> bool:
    """Whether it is a run alone that was measured, on these GPUs and no others."""
    alone = not run.beside and not run.warm_up and run.status == "succeeded"
    known = run.started is not None and energy_of(run).value is not None
    told = all(one.source is not None for one in run.domains)
    gpus = {int(one[1]) for domain in run.domains if (one := GPU_DOMAIN.fullmatch(domain.name))}
    return alone and known and run.measured is not False and told and gpus == metered


def _started(run: RunFacts) -> float:
    return run.started or 0.0


def _named(run: RunFacts) -> EarlierAlone:
    return EarlierAlone(run.experiment_id, _started(run))
