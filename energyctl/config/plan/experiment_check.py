"""What one experiment means with the registry: parameters, levels, conditions; or what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from energyctl.config.jsonfile.validation import shown
from energyctl.config.places import ANYWHERE, Place
from energyctl.config.plan.checks import check_places, check_reach, find_repository
from energyctl.config.plan.fixed_values import Parameters, fixed_values, like
from energyctl.config.plan.model import BackgroundJob, Training
from energyctl.config.registry import Hyperparameter, Registry, Repository
from energyctl.config.registry.expressions import ExpressionError
from energyctl.config.registry.values import broken, complete
from energyctl.config.settings import BackgroundSpec, Experiment, Mode
from energyctl.config.settings.factors import cells
from energyctl.config.settings.machine import MACHINE_SETTINGS
from energyctl.config.settings.problems import Path, ProblemList

Cell = Mapping[str, Any]
"""One combination of levels, by hyper-parameter or setting of the machine."""


@dataclass(frozen=True)
class PlannedCondition:
    """What stands beside the training. `label`, empty: the derived one; `mode`: of its runs."""

    label: str
    mode: Mode
    background: tuple[BackgroundJob, ...]


@dataclass(frozen=True)
class CheckedExperiment:
    """An experiment that fits the registry.

    `fixed`: given values, some of them expressions; `cells`: the combinations of the grid, one
    that is empty where there is none; `seed_parameter`: that is drawn for each repetition.
    `path`: of the training in the file.
    """

    experiment: Experiment
    path: Path
    repository: Repository
    parameters: Parameters
    fixed: Mapping[str, Any]
    mutated: tuple[Hyperparameter, ...]
    cells: tuple[Cell, ...]
    conditions: tuple[PlannedCondition, ...]
    place: Place
    seed_parameter: Hyperparameter | None

    def training(self, values: Mapping[str, Any], report: ProblemList) -> Training | None:
        """With every value that the program takes; None, and reported, where they cannot be
        computed, or break a constraint. What of *values* sets the machine is left out."""
        path = (*self.path, "grid" if self.experiment.measured.grid else "hyperparameters")
        model = self.experiment.measured.model
        own = {name: value for name, value in values.items() if name not in MACHINE_SETTINGS}
        return training_of(path, self.repository, self.parameters, model, own, report)

    def machine(self, cell: Cell) -> dict[str, Any]:
        """What of the machine is set for the runs of *cell*."""
        given = {**self.experiment.machine, **cell}
        return {name: given[name] for name in MACHINE_SETTINGS if name in given}


def check_experiment(
    experiment: Experiment, registry: Registry, report: ProblemList
) -> CheckedExperiment | None:
    """None where it is invalid; all that is wrong is in *report*."""
    checker = _Checker(experiment, registry, report)
    checked = checker.check()
    return None if experiment.number in report.invalid else checked


def training_of(
    path: Path,
    repository: Repository,
    parameters: Parameters,
    model: str,
    values: Mapping[str, Any],
    report: ProblemList,
) -> Training | None:
    """The values in the registry's order, defaults included; None, and reported at *path*, where
    they cannot be computed, or break a constraint."""
    hint = None
    try:
        whole = complete(parameters, values)
        fault = broken(repository.constraints, whole)
        if fault and path[-1] == "grid":
            hint = 'leave that combination out by "exclude"'
    except ExpressionError as error:
        fault = str(error)
    if fault is None:
        return Training(repository.name, model, whole)
    report.add(path, fault, hint)
    return None


class _Checker:
    def __init__(self, experiment: Experiment, registry: Registry, report: ProblemList) -> None:
        self._experiment, self._registry, self._report = experiment, registry, report
        self._root: Path = ("experiments", experiment.number)
        self._path = (*self._root, "foreground") if experiment.foreground else self._root

    def check(self) -> CheckedExperiment | None:
        measured = self._experiment.measured
        repository = self._repository(self._path, measured.repo, measured.model)
        if repository is None:
            tuple(self._conditions())  # what is wrong with them, too
            return None
        parameters = repository.parameters_of(measured.model)
        mutated = self._mutated(repository.name, parameters, measured.mutate)
        fixed = fixed_values(
            self._path, repository.name, parameters, measured.hyperparameters, self._report
        )
        self._warn_of_fixed_and_mutated(mutated)
        grid = self._grid(repository.name, parameters, mutated)
        check_reach((*self._path, "reach"), repository, measured.reach, self._report)
        place = (measured.place or ANYWHERE).or_else(repository.place.get("foreground"))
        check_places(self._path, repository, (place,), self._report)
        conditions = tuple(self._conditions())
        if self._experiment.number in self._report.invalid:
            return None
        seed = parameters.get(repository.seed_parameter or "")
        given = fixed.keys() | grid.keys() | {parameter.name for parameter in mutated}
        return CheckedExperiment(
            experiment=self._experiment,
            path=self._path,
            repository=repository,
            parameters=parameters,
            fixed=fixed,
            mutated=tuple(mutated),
            cells=tuple(cells(grid, measured.exclude)),
            conditions=conditions,
            place=place,
            seed_parameter=None if seed is None or seed.unsupported or seed.name in given else seed,
        )

    def _warn(self, path: Path, message: str, suggestion: str | None = None) -> None:
        self._report.add(path, message, suggestion, "warning")

    def _repository(self, path: Path, repo: str, model: str) -> Repository | None:
        return find_repository(path, repo, model, self._registry, self._report)

    def _mutated(
        self, repo: str, parameters: Parameters, names: tuple[str, ...]
    ) -> list[Hyperparameter]:
        """The parameters to draw, each once; of a wrong name is reported what is wrong. "all" are
        those without a fixed value, and not in the grid."""
        measured = self._experiment.measured
        fixed = measured.hyperparameters.keys() | measured.grid.keys()
        able = [parameter for parameter in parameters.values() if parameter.can_be_mutated]
        chosen: dict[str, Hyperparameter] = {}
        for number, name in enumerate(names):
            inside = (*self._path, "mutate", number)
            if name == "all" and "all" not in parameters:
                chosen |= {one.name: one for one in able if one.name not in fixed}
                if not able:
                    message = f"{shown(repo)} has no hyper-parameter to mutate"
                    self._report.add(inside, message)
                elif fixed >= {one.name for one in able}:
                    message = "leaves nothing to mutate: all that could be has a fixed value"
                    self._report.add(inside, message, 'remove one from "hyperparameters"')
            elif name not in parameters:
                message = f"{shown(name)} is no hyper-parameter of {shown(repo)}"
                self._report.add(inside, message, like(name, parameters))
            elif (reason := parameters[name].unsupported) is not None:
                message = f"{shown(name)} cannot be mutated, {shown(repo)} does not support it: "
                self._report.add(inside, message + reason, "remove it")
            elif not parameters[name].can_be_mutated:
                field = "range" if parameters[name].type in ("int", "float") else "choices"
                message = f"{shown(name)} cannot be mutated: the registry gives it no {field}"
                self._report.add(inside, message, f'add "{field}" to it there')
            else:
                chosen[name] = parameters[name]
        return list(chosen.values())

    def _warn_of_fixed_and_mutated(self, mutated: Iterable[Hyperparameter]) -> None:
        for parameter in mutated:
            if parameter.name in self._experiment.measured.hyperparameters:
                inside = (*self._path, "hyperparameters", parameter.name)
                self._warn(inside, 'is not used: "mutate" names it, too', "remove one of them")

    def _grid(
        self, repo: str, parameters: Parameters, mutated: Iterable[Hyperparameter]
    ) -> dict[str, list[Any]]:
        """The levels in the registry's types; what the program cannot take is reported."""
        drawn = {parameter.name for parameter in mutated}
        typed: dict[str, list[Any]] = {}
        for name, levels in self._experiment.measured.grid.items():
            inside, parameter = (*self._path, "grid", name), parameters.get(name)
            if name in MACHINE_SETTINGS:
                typed[name] = list(levels)
                continue
            if parameter is None:
                message = f"{shown(repo)} has no such hyper-parameter"
                self._report.add(inside, message, like(name, parameters))
                continue
            if parameter.unsupported is not None:
                message = f"cannot be a level, {shown(repo)} does not support it: "
                self._report.add(inside, message + parameter.unsupported, "remove it")
                continue
            if name in self._experiment.measured.hyperparameters:
                message = 'has a fixed value, too: "hyperparameters" names it'
                self._report.add(inside, message, "remove one of them")
            if name in drawn:
                self._report.add(inside, 'is drawn, too: "mutate" names it', "remove one of them")
            typed[name] = []
            for number, level in enumerate(levels):
                try:
                    typed[name].append(parameter.accept(level))
                except ValueError as error:
                    self._report.add((*inside, number), f"{error}, not {shown(level)}")
        return typed

    def _conditions(self) -> Iterator[PlannedCondition]:
        """Those of the experiment; where it has none, its background is the only one."""
        experiment = self._experiment
        if not experiment.conditions:
            path = (*self._root, "background")
            jobs = tuple(self._background(path, experiment.background))
            yield PlannedCondition("", experiment.mode, jobs)
        for condition in experiment.conditions:
            place = ("conditions", condition.label) if condition.label else ("background",)
            path = (*self._root, *place)
            jobs = tuple(self._background(path, condition.background))
            mode: Mode = "parallel" if condition.background else experiment.measured.mode
            yield PlannedCondition(condition.label, mode, jobs)

    def _background(self, root: Path, jobs: tuple[BackgroundSpec, ...]) -> Iterator[BackgroundJob]:
        for number, job in enumerate(jobs):
            path = (*root, number) if len(jobs) > 1 else root
            repository = self._repository(path, job.repo, job.model)
            if repository is None:
                continue
            parameters = repository.parameters_of(job.model)
            fixed = fixed_values(
                path, repository.name, parameters, job.hyperparameters, self._report
            )
            inside = (*path, "hyperparameters")
            training = training_of(inside, repository, parameters, job.model, fixed, self._report)
            places = _places(job, repository.place.get("background"))
            check_places(path, repository, places, self._report)
            if training is not None:
                yield BackgroundJob(
                    training,
                    job.copies,
                    float(job.stagger_seconds),
                    float(job.restart_delay_seconds),
                    places,
                )


def _places(job: BackgroundSpec, otherwise: Place | None) -> tuple[Place, ...]:
    """One for each copy, by the settings, else as the registry says; empty where none has one."""
    given = job.place if isinstance(job.place, tuple) else (job.place or ANYWHERE,) * job.copies
    places = tuple(place.or_else(otherwise) for place in given)
    return places if any(place != ANYWHERE for place in places) else ()
