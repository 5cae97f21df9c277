"""What a search draws from, and the runs that a proposal becomes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from energyctl.config.jsonfile.validation import shown
from energyctl.config.plan.experiment_check import CheckedExperiment, check_experiment
from energyctl.config.plan.experiment_runs import runs_of
from energyctl.config.plan.fixed_values import like
from energyctl.config.plan.model import Run
from energyctl.config.plan.parameter_space import Space
from energyctl.config.plan.random_values import ValueDrawer
from energyctl.config.plan.repetitions import Repetitions, with_training_seed
from energyctl.config.registry import Hyperparameter, Metric, Registry
from energyctl.config.settings import Search, Settings
from energyctl.config.settings.problems import Path, ProblemList
from energyctl.text import count

LEAST_IDLE_SECONDS = 1.0
"""Of an idle baseline, as `energy.baseline` has it."""


@dataclass(frozen=True)
class SearchSpace:
    """The mutated hyper-parameters of an experiment. runs_per_trial: under each condition.

    warm_up_runs: before the first trial, like its first run.
    """

    checked: CheckedExperiment
    seed: int
    runs_per_trial: int = 1
    warm_up_runs: int = 0

    @property
    def parameters(self) -> tuple[Hyperparameter, ...]:
        return self.checked.mutated

    @property
    def runs_of_a_trial(self) -> int:
        return self.runs_per_trial * len(self.checked.conditions)

    def defaults(self) -> dict[str, Any] | None:
        """Of all parameters; None where they have none, or none that may be proposed."""
        values = {one.name: one.default for one in self.parameters}
        inside = all(one.default in Space(one) for one in self.parameters)
        return values if inside and self.allows(values) else None

    def allows(self, values: Mapping[str, Any]) -> bool:
        """Whether they keep the registry's constraints, and what is computed from them can be."""
        whole = {**self.checked.fixed, **values}
        return self.checked.training(whole, ProblemList(None)) is not None

    def drawn(self, number: int, tried: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """As `run` draws them, but for what was tried. Raises LookupError where none are left."""
        return ValueDrawer(
            self.parameters,
            seed=self.seed,
            experiment=self.checked.experiment.number,
            taken=[tuple(values[one.name] for one in self.parameters) for values in tried],
            allowed=self.allows,
        ).next(number)

    def runs(self, number: int, values: Mapping[str, Any]) -> list[Run]:
        """Those of trial *number*, from 1, in their order: a block for each of `runs_per_trial`.

        *values* are allowed ones.
        """
        before = (number - 1) * self.runs_per_trial
        drawn = [
            with_training_seed(self.checked, values, self.seed, repetition)
            for repetition in range(1, before + self.runs_per_trial + 1)
        ]
        # The last ones of so many trials: their numbers, and the order of conditions in a block.
        first = self.warm_up_runs + 1
        repetitions = Repetitions(drawn)
        made = runs_of(self.checked, repetitions, self.seed, first, 1, ProblemList(None))
        own = made[before * len(self.checked.conditions) :]
        runs = [replace(run, trial=number, block=run.repetition) for run in own]
        if number > 1:
            return runs
        warm_up = replace(runs[0], block=None, trial=None, warm_up=True)
        return [*(replace(warm_up, index=n) for n in range(1, first)), *runs]


def space_of(settings: Settings, registry: Registry, seed: int) -> SearchSpace:
    """That of a file which :func:`check_search` has found good."""
    wanted, experiment = settings.search, settings.experiments[0]
    checked = check_experiment(experiment, registry, ProblemList(None))
    assert wanted is not None
    assert checked is not None
    if experiment.order == "random":  # the trials come one after the other
        checked = replace(checked, experiment=replace(experiment, order="blocks"))
    return SearchSpace(checked, seed, wanted.runs_per_trial, settings.warm_up_runs)


def metric_of(wanted: Search, checked: CheckedExperiment) -> Metric:
    """The metric that is looked for, with the value that the experiment wants it to reach."""
    metrics = {metric.name: metric for metric in checked.repository.all_metrics}
    reach = checked.experiment.measured.reach.get(wanted.metric)
    metric = metrics[wanted.metric]
    return metric if reach is None else replace(metric, reach=reach)


def check_search(
    wanted: Search | None,
    experiments: Sequence[CheckedExperiment],
    idle_seconds: float,
    report: ProblemList,
) -> None:
    """One experiment has something to search, and what is looked for can be measured, and is known
    of its metric. idle_seconds: of the campaign."""
    if wanted is None:
        return
    if wanted.metric_limit is not None and wanted.energy_limit_joules is not None:
        message = "and metric_limit leave nothing to make better"
        _add(report, ("energy_limit_joules",), message, "remove one of them")
    if len(experiments) > 1:
        message = f"takes one experiment, and there are {len(experiments)}"
        _add(report, (), message, "write a file for each")
    for checked in experiments[:1]:
        if checked.experiment.measured.grid:
            _add(report, (), "takes no grid", 'name what shall be searched in "mutate"')
        elif not checked.mutated:
            _add(report, (), "has nothing to search", 'name hyper-parameters in "mutate"')
        _check_metric(wanted, checked, report)
        _check_idle(wanted, checked, idle_seconds, report)
        combinations = math.prod(Space(one).size for one in checked.mutated)
        if checked.mutated and combinations < wanted.trials:
            have = f"and there {'is' if combinations == 1 else 'are'} "
            have += f"{count(combinations, 'combination')} of values: the search ends after that"
            report.add(("search", "trials"), have, None, "warning")


def _check_idle(
    wanted: Search, checked: CheckedExperiment, idle_seconds: float, report: ProblemList
) -> None:
    """Without an idle baseline no trial would have the energy that is looked for."""
    alone = any(condition.mode != "parallel" for condition in checked.conditions)
    needed = wanted.energy == "above_idle" or (wanted.energy == "marginal" and alone)
    if needed and idle_seconds < LEAST_IDLE_SECONDS:
        of = "" if wanted.energy == "above_idle" else " of a training alone"
        message = (
            f"{shown(wanted.energy)}{of} needs an idle baseline of {LEAST_IDLE_SECONDS:g} s or "
            f"more, and idle_seconds is {idle_seconds:g}"
        )
        _add(report, ("energy",), message, 'raise "idle_seconds"')


def _check_metric(wanted: Search, checked: CheckedExperiment, report: ProblemList) -> None:
    metrics, repo = {one.name: one for one in checked.repository.all_metrics}, checked.repository
    if wanted.metric not in metrics:
        message = f"{shown(wanted.metric)} is no metric of {repo.name}"
        _add(report, ("metric",), message, like(wanted.metric, metrics))
        return
    metric = metric_of(wanted, checked)
    if metric.better is None:
        message = (
            f"of {shown(metric.name)} the registry does not say whether more or less is better"
        )
        hint = 'add "better": "higher" or "lower" to the metric there'
        _add(report, ("metric",), message, hint)
    if wanted.energy == "reach" and metric.reach is None:
        message = f"needs a value of {metric.name} to reach"
        _add(report, ("energy",), message, f'add "reach": {{"{metric.name}": …}} to the experiment')


def _add(report: ProblemList, inside: Path, message: str, hint: str | None) -> None:
    report.add(("search", *inside), message, hint, "error")
