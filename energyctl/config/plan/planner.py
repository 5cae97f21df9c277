"""Making the plan: what each valid experiment of the settings means with this registry."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any

from energyctl.config.jsonfile.reader import Document
from energyctl.config.jsonfile.validation import Problem, shown
from energyctl.config.places import ANYWHERE, Place
from energyctl.config.plan.checks import check_places, check_reach, find_repository
from energyctl.config.plan.deduplication import History, taken_combinations
from energyctl.config.plan.fixed_values import Parameters, fixed_values, like
from energyctl.config.plan.model import BackgroundJob, Plan, Run, SkippedValues, Training
from energyctl.config.plan.random_values import CONSTRAINED_REDRAWS, ValueDrawer
from energyctl.config.registry import Hyperparameter, Registry, Repository
from energyctl.config.registry.expressions import ExpressionError
from energyctl.config.registry.values import broken, complete
from energyctl.config.settings import BackgroundSpec, Experiment, Settings
from energyctl.config.settings.problems import Path, ProblemList, Severity


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
                find_repository(path, repo, named_model, registry, report)


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
            fixed = fixed_values(
                self._path, repository.name, parameters, measured.hyperparameters, self._report
            )
            self._warn_of_fixed_and_mutated(mutated)
            check_reach((*self._path, "reach"), repository, measured.reach, self._report)
            place = (measured.place or ANYWHERE).or_else(repository.place.get("foreground"))
            check_places(self._path, repository, (place,), self._report)
        background = tuple(self._background())
        if repository is None or experiment.number in self._report.invalid:
            return []
        draws = self._draws(repository, mutated, fixed, seed, history, index)
        trainings: list[Training] = []
        for drawn in draws:
            values = {**fixed, **drawn}
            training = self._training(self._path, repository, measured.model, values)
            if training is None:
                return []
            trainings.append(training)
        return [
            Run(
                index=index + number,
                experiment=experiment.number,
                repetition=number + 1,
                mode=experiment.mode,
                foreground=training,
                mutated=tuple(parameter.name for parameter in mutated),
                background=background,
                timeout_seconds=measured.timeout_seconds,
                description=experiment.description,
                place=place,
                reach=measured.reach,
            )
            for number, training in enumerate(trainings)
        ]

    def _warn(self, path: Path, message: str, suggestion: str | None = None) -> None:
        self._report.add(path, message, suggestion, "warning")

    def _repository(self, path: Path, repo: str, model: str) -> Repository | None:
        return find_repository(path, repo, model, self._registry, self._report)

    def _mutated(
        self, repo: str, parameters: Parameters, names: tuple[str, ...]
    ) -> list[Hyperparameter]:
        """The parameters to draw, each once; of a wrong name is reported what is wrong. "all" are
        those without a fixed value."""
        fixed = self._experiment.measured.hyperparameters.keys()
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

    def _background(self) -> Iterator[BackgroundJob]:
        jobs = self._experiment.background
        for number, job in enumerate(jobs):
            path: Path = self._background_path
            if len(jobs) > 1:
                path = (*path, number)
            repository = self._repository(path, job.repo, job.model)
            if repository is not None:
                parameters = repository.parameters_of(job.model)
                fixed = fixed_values(
                    path, repository.name, parameters, job.hyperparameters, self._report
                )
                training = self._training(path, repository, job.model, fixed)
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

    def _training(
        self, path: Path, repository: Repository, model: str, values: Mapping[str, Any]
    ) -> Training | None:
        """With every value that the program takes, defaults included, in the registry's order;
        None, and reported, where they cannot be computed, or break a constraint."""
        try:
            whole = complete(repository.parameters_of(model), values)
            fault = broken(repository.constraints, whole)
        except ExpressionError as error:
            fault = str(error)
        if fault is None:
            return Training(repository.name, model, whole)
        self._report.add((*path, "hyperparameters"), fault)
        return None

    def _draws(
        self,
        repository: Repository,
        mutated: list[Hyperparameter],
        fixed: Mapping[str, Any],
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
        drawer = ValueDrawer(
            mutated,
            seed=seed,
            experiment=experiment.number,
            taken=taken,
            allowed=_keeps_constraints(repository, model, fixed),
        )
        left = drawer.left
        self._check_enough(left, asked, mutated, len(drawer.earlier))
        drawn = self._drawn(drawer, min(asked, left), mutated, repository)
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

    def _drawn(
        self,
        drawer: ValueDrawer,
        count: int,
        mutated: list[Hyperparameter],
        repository: Repository,
    ) -> list[dict[str, Any]]:
        """So many, or as many as were found that keep the constraints."""
        drawn: list[dict[str, Any]] = []
        try:
            for repetition in range(1, count + 1):
                drawn.append(drawer.next(repetition))
        except LookupError:
            names = ", ".join(parameter.name for parameter in mutated)
            kept = " and ".join(shown(constraint.text) for constraint in repository.constraints)
            message = f"{names}: {CONSTRAINED_REDRAWS} draws gave no "
            message += f"{'further ' if drawn else ''}values that keep {kept}"
            hint = "widen the range in the registry, or fix one of the values"
            if drawn:
                message += f": {len(drawn)} runs instead of {count}"
            severity: Severity = "warning" if drawn else "invalid"
            self._report.add((*self._path, "mutate"), message, hint, severity)
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


def _keeps_constraints(
    repository: Repository, model: str, fixed: Mapping[str, Any]
) -> Callable[[dict[str, Any]], bool] | None:
    """Whether drawn values keep them; None where there are none. What cannot be computed is
    reported with the training."""
    if not repository.constraints:
        return None
    parameters = repository.parameters_of(model)

    def keeps(drawn: dict[str, Any]) -> bool:
        try:
            return broken(repository.constraints, complete(parameters, {**fixed, **drawn})) is None
        except ExpressionError:
            return True

    return keeps


def _places(job: BackgroundSpec, otherwise: Place | None) -> tuple[Place, ...]:
    """One for each copy, by the settings, else as the registry says; empty where none has one."""
    given = job.place if isinstance(job.place, tuple) else (job.place or ANYWHERE,) * job.copies
    places = tuple(place.or_else(otherwise) for place in given)
    return places if any(place != ANYWHERE for place in places) else ()
