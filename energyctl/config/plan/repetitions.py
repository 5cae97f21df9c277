"""What is drawn for each repetition of an experiment: mutated values, and the training's seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from energyctl.config.jsonfile.validation import shown
from energyctl.config.plan.deduplication import History, taken_combinations
from energyctl.config.plan.experiment_check import CheckedExperiment
from energyctl.config.plan.parameter_space import hashed, scaled
from energyctl.config.plan.random_values import CONSTRAINED_REDRAWS, ValueDrawer
from energyctl.config.registry import Hyperparameter
from energyctl.config.registry.expressions import ExpressionError
from energyctl.config.registry.values import broken, complete
from energyctl.config.settings.problems import ProblemList, Severity

SEEDS = (0, 2**31 - 1)
"""Least and greatest training seed, where the registry gives no bounds: what all programs take."""


@dataclass(frozen=True)
class LeftOut:
    """Values that were run before, for which repetition they were drawn (None: for none that is
    left), and where they were run."""

    values: Mapping[str, Any]
    repetition: int | None
    source: str


@dataclass(frozen=True)
class Repetitions:
    """The drawn values of each repetition, by name, from the first one on."""

    values: Sequence[Mapping[str, Any]]
    left_out: Sequence[LeftOut] = ()


def draw(
    checked: CheckedExperiment, seed: int, history: History, report: ProblemList
) -> Repetitions:
    """As many as are asked for, or as there are; what is short of that is reported."""
    mutated, left_out = _mutated_values(checked, seed, history, report)
    return Repetitions(
        [
            with_training_seed(checked, values, seed, repetition)
            for repetition, values in enumerate(mutated, 1)
        ],
        left_out,
    )


def with_training_seed(
    checked: CheckedExperiment, values: Mapping[str, Any], seed: int, repetition: int
) -> Mapping[str, Any]:
    """The values, and the training's own seed where it is drawn for each repetition."""
    parameter, number = checked.seed_parameter, checked.experiment.number
    if parameter is None:
        return values
    return {**values, parameter.name: training_seed(parameter, seed, number, repetition)}


def training_seed(parameter: Hyperparameter, seed: int, experiment: int, repetition: int) -> int:
    """By these numbers alone; within the bounds of the parameter, or of its choices."""
    place = hashed(f"{seed}\0{experiment}\0{repetition}\0training seed")
    if parameter.choices:
        return int(parameter.choices[scaled(place, len(parameter.choices))])
    low, high = SEEDS
    if parameter.least is not None and parameter.greatest is not None:
        low, high = int(parameter.least), int(parameter.greatest)
    return low + scaled(place, high - low + 1)


def _mutated_values(
    checked: CheckedExperiment, seed: int, history: History, report: ProblemList
) -> tuple[list[dict[str, Any]], list[LeftOut]]:
    experiment, mutated = checked.experiment, checked.mutated
    asked = experiment.runs_per_config
    if not mutated:
        return [{}] * asked, []
    taken: dict[tuple[Any, ...], str] = {}
    for parallel in {condition.mode == "parallel" for condition in checked.conditions}:
        repo, model = checked.repository.name, experiment.measured.model
        taken = taken_combinations(history, repo, model, parallel, mutated) | taken
    drawer = ValueDrawer(
        mutated,
        seed=seed,
        experiment=experiment.number,
        taken=taken,
        allowed=_keeps_constraints(checked),
    )
    left = drawer.left
    _check_enough(checked, left, len(drawer.earlier), report)
    drawn = _drawn(checked, drawer, min(asked, left), report)
    return drawn, [LeftOut(*left_out) for left_out in drawer.left_out(taken)]


def _drawn(
    checked: CheckedExperiment, drawer: ValueDrawer, count: int, report: ProblemList
) -> list[dict[str, Any]]:
    """So many, or as many as were found that keep the constraints."""
    drawn: list[dict[str, Any]] = []
    try:
        for repetition in range(1, count + 1):
            drawn.append(drawer.next(repetition))
    except LookupError:
        constraints = checked.repository.constraints
        kept = " and ".join(shown(constraint.text) for constraint in constraints)
        message = f"{_names(checked)}: {CONSTRAINED_REDRAWS} draws gave no "
        message += f"{'further ' if drawn else ''}values that keep {kept}"
        hint = "widen the range in the registry, or fix one of the values"
        if drawn:
            message += f": {_fewer(checked, len(drawn), count)}"
        severity: Severity = "warning" if drawn else "invalid"
        report.add((*checked.path, "mutate"), message, hint, severity)
    return drawn


def _check_enough(checked: CheckedExperiment, left: int, earlier: int, report: ProblemList) -> None:
    """Says where values run out; with deduplication also where they soon will."""
    names, path = _names(checked), (*checked.path, "mutate")
    asked = checked.experiment.runs_per_config
    if left >= asked:
        if earlier and left < 2 * asked:
            message = f"{names}: {earlier} combinations were run before, and after these "
            message += f"{asked} runs only {left - asked} new ones are left"
            report.add(path, message, "widen the range in the registry", "warning")
        return
    if left == 0 and not earlier:
        hint = "widen its range in the registry"
        report.add(path, f"{names}: there is no value but the default", hint)
        return
    besides = "the defaults and what was run before" if earlier else "the defaults"
    message = f"{names}: only {left} different values besides {besides}: "
    hint = "widen the range in the registry, or leave out use_deduplication"
    message += _fewer(checked, left, asked)
    report.add(path, message, hint if earlier else None, "warning")


def _fewer(checked: CheckedExperiment, drawn: int, asked: int) -> str:
    several = len(checked.cells) * len(checked.conditions) > 1
    return f"{drawn} {'repetitions' if several else 'runs'} instead of {asked}"


def _names(checked: CheckedExperiment) -> str:
    return ", ".join(parameter.name for parameter in checked.mutated)


def _keeps_constraints(checked: CheckedExperiment) -> Callable[[dict[str, Any]], bool] | None:
    """Whether drawn values keep them in each cell of the grid; None where there are none. What
    cannot be computed is reported with the training."""
    constraints, parameters = checked.repository.constraints, checked.parameters
    if not constraints:
        return None

    def keeps(drawn: dict[str, Any]) -> bool:
        try:
            return all(
                broken(constraints, complete(parameters, {**checked.fixed, **cell, **drawn}))
                is None
                for cell in checked.cells
            )
        except ExpressionError:
            return True

    return keeps
