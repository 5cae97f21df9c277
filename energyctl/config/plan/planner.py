"""Making the plan: what each valid experiment of the settings means with this registry."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

from energyctl.config.jsonfile.reader import Document
from energyctl.config.jsonfile.validation import Problem
from energyctl.config.plan.checks import check_control, find_repository
from energyctl.config.plan.deduplication import History
from energyctl.config.plan.experiment_check import CheckedExperiment, check_experiment
from energyctl.config.plan.experiment_runs import runs_of
from energyctl.config.plan.model import Plan, Run, SkippedValues, Training
from energyctl.config.plan.repetitions import Repetitions, draw
from energyctl.config.plan.search_space import check_search
from energyctl.config.registry import Registry
from energyctl.config.settings import Settings
from energyctl.config.settings.factors import backgrounds
from energyctl.config.settings.problems import Path, ProblemList


def make(
    settings: Settings,
    registry: Registry,
    *,
    seed: int,
    document: Document | None = None,
    problems: Iterable[Problem] = (),
    history: History | None = None,
) -> Plan:
    """All runs of the settings' experiments, in their order, warm-up runs before them.

    `problems` are those of the settings and become part of the plan's; `document` gives new ones
    their lines. `history` counts only where the settings ask for deduplication.
    """
    report = ProblemList(document)
    past = (history or {}) if settings.use_deduplication else {}
    runs: list[Run] = []
    blocks = 0
    valid_experiments: list[CheckedExperiment] = []
    passed_over: list[SkippedValues] = []
    for experiment in settings.experiments:
        checked = check_experiment(experiment, registry, report)
        if checked is None:
            continue
        valid_experiments.append(checked)
        repetitions = draw(checked, seed, past, report)
        index = settings.warm_up_runs + len(runs) + 1
        own = runs_of(checked, repetitions, seed, index, blocks + 1, report)
        runs += own
        blocks += len({run.block for run in own} - {None})
        passed_over += _passed_over(checked, repetitions, own)
    runs[:0] = _warm_ups(settings, runs)
    check_control(settings.control, blocks > 0 or settings.search is not None, registry, report)
    check_search(settings.search, valid_experiments, settings.idle_seconds, report)
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
        trainings = [(root, entry), ((*root, "foreground"), entry.get("foreground"))]
        for path, training in [*trainings, *backgrounds(root, entry)]:
            names = training if isinstance(training, dict) else {}
            repo, model = names.get("repo"), names.get("model")
            if isinstance(repo, str) and repo != "placeholder":
                named_model = model if isinstance(model, str) else None
                find_repository(path, repo, named_model, registry, report)


def _warm_ups(settings: Settings, runs: Sequence[Run]) -> list[Run]:
    """Runs like the first one, and of no block."""
    return [
        replace(runs[0], index=index, block=None, warm_up=True)
        for index in range(1, settings.warm_up_runs + 1)
        if runs
    ]


def _passed_over(
    checked: CheckedExperiment, repetitions: Repetitions, runs: Sequence[Run]
) -> list[SkippedValues]:
    """What was left out since it was run before, with the first run that it was drawn for."""
    if not repetitions.left_out:
        return []
    first = {run.repetition: run.index for run in reversed(runs)}
    experiment = checked.experiment
    return [
        SkippedValues(
            None if one.repetition is None else first.get(one.repetition),
            experiment.number,
            experiment.mode,
            Training(checked.repository.name, experiment.measured.model, dict(one.values)),
            one.source,
        )
        for one in repetitions.left_out
    ]
