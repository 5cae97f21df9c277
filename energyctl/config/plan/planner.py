"""Making the plan: what each valid experiment of the settings means with this registry."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from energyctl.config.jsonfile.reader import Document
from energyctl.config.jsonfile.validation import Problem, nearest, shown
from energyctl.config.plan.deduplication import History, taken_combinations
from energyctl.config.plan.model import BackgroundJob, Plan, Run, SkippedValues, Training
from energyctl.config.plan.random_values import ValueDrawer
from energyctl.config.registry import Hyperparameter, Registry, Repository
from energyctl.config.settings import Experiment, Settings
from energyctl.config.settings.problems import Path, ProblemList

Parameters = Mapping[str, Hyperparameter]


def make(
    settings: Settings,
    registry: Registry,
    *,
    seed: int,
    document: Document | None = None,
    problems: Iterable[Problem] = (),
    history: History | None = None,
) -> Plan:
    """All runs of the settings' experiments, in their order.

    `problems` are those of the settings and become part of the plan's; `document` gives new ones
    their lines. `history` counts only where the settings ask for deduplication.
    """
    report = ProblemList(document)
    past = (history or {}) if settings.use_deduplication else {}
    runs: list[Run] = []
    passed_over: list[SkippedValues] = []
    for experiment in settings.experiments:
        maker = _Maker(experiment, registry, report)
        runs.extend(maker.runs(len(runs) + 1, seed, past))
        passed_over.extend(maker.passed_over)
    if document is not None:
        valid = {experiment.number for experiment in settings.experiments}
        _check_names_of_invalid(document, valid, registry, report)
    all_problems = sorted([*problems, *report.problems], key=lambda found: found.line or 0)
    return Plan(tuple(runs), tuple(all_problems), settings.separators, seed, tuple(passed_over))


def _check_names_of_invalid(
    document: Document, valid: Container[int], registry: Registry, report: ProblemList
) -> None:
    """Repositories and models that even the invalid experiments name: all problems at once."""
    for number, entry in enumerate(document.data["experiments"]):
        if number in valid or not isinstance(entry, dict):
            continue
        root: Path = ("experiments", number)
        background = entry.get("background")
        jobs = background if isinstance(background, list) else [background]
        inside = [(*root, "background", i) for i in range(len(jobs))] if len(jobs) > 1 else []
        places = [root, (*root, "foreground"), *(inside or [(*root, "background")])]
        for path, training in zip(places, [entry, entry.get("foreground"), *jobs], strict=False):
            names = training if isinstance(training, dict) else {}
            repo, model = names.get("repo"), names.get("model")
            if isinstance(repo, str) and repo != "placeholder":
                named_model = model if isinstance(model, str) else None
                _find_repository(path, repo, named_model, registry, report)


class _Maker:
    """The runs of one experiment, or what in it does not fit the registry."""

    def __init__(self, experiment: Experiment, registry: Registry, report: ProblemList) -> None:
        self._experiment, self._registry, self._report = experiment, registry, report
        self.passed_over: list[SkippedValues] = []
        root: Path = ("experiments", experiment.number)
        self._path = (*root, "foreground") if experiment.foreground else root
        self._background_path = (*root, "background")

    def runs(self, index: int, seed: int, history: History) -> list[Run]:
        """All of them, numbered from `index`; none where the experiment is invalid."""
        experiment, measured = self._experiment, self._experiment.measured
        fixed: dict[str, Any] = {}
        mutated: list[Hyperparameter] = []
        repository = self._repository(self._path, measured.repo, measured.model)
        if repository is not None:
            parameters = repository.parameters_of(measured.model)
            mutated = self._mutated(repository.name, parameters, measured.mutate)
            fixed = self._fixed(self._path, repository.name, parameters, measured.hyperparameters)
            self._warn_of_fixed_and_mutated(mutated)
        background = tuple(self._background())
        if repository is None or experiment.number in self._report.invalid:
            return []
        draws = self._draws(repository, mutated, seed, history, index)
        return [
            Run(
                index=index + number,
                experiment=experiment.number,
                repetition=number + 1,
                mode=experiment.mode,
                foreground=_training(repository, measured.model, {**fixed, **drawn}),
                mutated=tuple(parameter.name for parameter in mutated),
                background=background,
                timeout_seconds=measured.timeout_seconds,
                description=experiment.description,
            )
            for number, drawn in enumerate(draws)
        ]

    def _warn(self, path: Path, message: str, suggestion: str | None = None) -> None:
        self._report.add(path, message, suggestion, "warning")

    def _repository(self, path: Path, repo: str, model: str) -> Repository | None:
        return _find_repository(path, repo, model, self._registry, self._report)

    def _fixed(
        self, path: Path, repo: str, parameters: Parameters, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The given values in the registry's types; what the program cannot take is left out."""
        typed: dict[str, Any] = {}
        for name, value in values.items():
            inside = (*path, "hyperparameters", name)
            parameter = parameters.get(name)
            if parameter is None:
                message = f"{shown(repo)} has no such hyper-parameter: it is not passed"
                self._warn(inside, message, _like(name, parameters))
                continue
            if parameter.unsupported is not None:
                message = f"is not passed, {shown(repo)} does not support it: "
                self._warn(inside, message + parameter.unsupported, "remove it")
                continue
            try:
                typed[name] = parameter.accept(value)
            except ValueError as error:
                self._report.add(inside, f"{error}, not {shown(value)}")
        return typed

    def _mutated(
        self, repo: str, parameters: Parameters, names: tuple[str, ...]
    ) -> list[Hyperparameter]:
        """The parameters to draw, each once; of a wrong name is reported what is wrong."""
        able = [parameter for parameter in parameters.values() if parameter.can_be_mutated]
        chosen: dict[str, Hyperparameter] = {}
        for number, name in enumerate(names):
            inside = (*self._path, "mutate", number)
            if name == "all" and "all" not in parameters:
                chosen |= {parameter.name: parameter for parameter in able}
                if not able:
                    message = f"{shown(repo)} has no hyper-parameter to mutate"
                    self._report.add(inside, message)
            elif name not in parameters:
                message = f"{shown(name)} is no hyper-parameter of {shown(repo)}"
                self._report.add(inside, message, _like(name, parameters))
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

    def _background(self) -> Iterator[BackgroundJob]:
        jobs = self._experiment.background
        for number, job in enumerate(jobs):
            path: Path = self._background_path
            if len(jobs) > 1:
                path = (*path, number)
            repository = self._repository(path, job.repo, job.model)
            if repository is not None:
                parameters = repository.parameters_of(job.model)
                fixed = self._fixed(path, repository.name, parameters, job.hyperparameters)
                yield BackgroundJob(
                    _training(repository, job.model, fixed),
                    job.copies,
                    float(job.stagger_seconds),
                    float(job.restart_delay_seconds),
                )

    def _draws(
        self,
        repository: Repository,
        mutated: list[Hyperparameter],
        seed: int,
        history: History,
        index: int,
    ) -> list[dict[str, Any]]:
        """The mutated values of each run: as many as are asked for, or as there are."""
        experiment, asked = self._experiment, self._experiment.runs_per_config
        if not mutated:
            return [{}] * asked
        parallel = experiment.mode == "parallel"
        model = experiment.measured.model
        taken = taken_combinations(history, repository.name, model, parallel, mutated)
        drawer = ValueDrawer(mutated, seed=seed, experiment=experiment.number, taken=taken)
        left = drawer.left
        self._check_enough(left, asked, mutated, len(drawer.earlier))
        drawn = [drawer.next(repetition) for repetition in range(1, min(asked, left) + 1)]
        self.passed_over = [
            SkippedValues(
                None if place is None else index + place - 1,
                experiment.number,
                experiment.mode,
                Training(repository.name, model, values),
                source,
            )
            for values, place, source in drawer.left_out(taken)
        ]
        return drawn

    def _check_enough(
        self, left: int, asked: int, mutated: list[Hyperparameter], earlier: int
    ) -> None:
        """Says where values run out; with deduplication also where they soon will."""
        names = ", ".join(parameter.name for parameter in mutated)
        path = (*self._path, "mutate")
        if left >= asked:
            if earlier and left < 2 * asked:
                message = f"{names}: {earlier} combinations were run before, and after these "
                message += f"{asked} runs only {left - asked} new ones are left"
                self._warn(path, message, "widen the range in the registry")
            return
        if left == 0 and not earlier:
            hint = "widen its range in the registry"
            self._report.add(path, f"{names}: there is no value but the default", hint)
            return
        besides = "the defaults and what was run before" if earlier else "the defaults"
        message = f"{names}: only {left} different values besides {besides}: "
        hint = "widen the range in the registry, or leave out use_deduplication"
        self._warn(path, f"{message}{left} runs instead of {asked}", hint if earlier else None)


def _find_repository(
    path: Path,
    repo: str,
    model: str | None,
    registry: Registry,
    report: ProblemList,
) -> Repository | None:
    """The repository of that name; an unknown one, or an unknown model of it, is reported."""
    repository = registry.repositories.get(repo)
    if repository is None:
        message = f"{shown(repo)} is no repository of the registry"
        report.add((*path, "repo"), message, _like(repo, registry.repositories))
    elif model is not None and model not in repository.models:
        message = f"{shown(model)} is no model of {shown(repo)}"
        report.add((*path, "model"), message, _like(model, repository.models))
    return repository


def _like(name: str, names: Iterable[str]) -> str | None:
    names = list(names)
    like = nearest(name, names)
    if like is not None:
        return f"did you mean {shown(like)}?"
    return f"known: {', '.join(names[:10])}" + (", …" if len(names) > 10 else "")


def _training(repository: Repository, model: str, values: Mapping[str, Any]) -> Training:
    """With every value that the program takes, defaults included, in the registry's order."""
    complete = {
        name: values.get(name, parameter.default)
        for name, parameter in repository.parameters_of(model).items()
        if parameter.unsupported is None
    }
    given = {name: value for name, value in complete.items() if value is not None}
    return Training(repository.name, model, given)
