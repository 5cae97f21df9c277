"""The trials of a search as a campaign asks for them, by its journal and results alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from energyctl.analysis.trials import (
    Found,
    Objectives,
    Trial,
    found,
    standing_words,
    trial_of,
)
from energyctl.campaign.journal import Journal
from energyctl.campaign.observer import Observer
from energyctl.campaign.prepare import Campaign
from energyctl.config.plan import Run
from energyctl.config.plan.search_space import SearchSpace, metric_of, space_of
from energyctl.config.registry import Registry
from energyctl.config.settings import Settings
from energyctl.errors import SettingsError
from energyctl.results.api import of_results
from energyctl.results.schema import FINISHED
from energyctl.search.objectives import told
from energyctl.search.proposals import propose
from energyctl.system.dependencies import extra_install, version
from energyctl.text import count, duration, energy, parameter, small_energy, values


@dataclass
class TrialSource:
    """Proposes each trial when the ones before it are done; says what became of the last one."""

    space: SearchSpace
    objectives: Objectives
    observer: Observer
    shown: list[Run] = field(default_factory=list)
    """All runs that were planned, for those who show what comes next."""

    _known: dict[int, Trial] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Runs of all trials."""
        trials = self.objectives.wanted.trials
        return self.space.warm_up_runs + trials * self.space.runs_of_a_trial

    def first_runs(self) -> list[Run]:
        """Those of the first trial, and warm-up runs before it. Raises LookupError."""
        sampler = self.objectives.wanted.sampler
        self.shown = self.space.runs(1, propose(self.space, (), 1, sampler))
        return self.shown

    def is_last(self, run: Run) -> bool:
        return run.trial == self.objectives.wanted.trials

    def next_runs(self, journal: Journal) -> Sequence[Run]:
        trials = self.finished(journal)
        number = len(trials) + 1
        if trials:
            self._say(trials)
        if number > self.objectives.wanted.trials:
            return ()
        if why := self._over_budget(trials):
            self.observer.say(f"trial {number} is not started: {why}")
            return ()
        try:
            runs = self.space.runs(number, self._proposed(trials, number))
        except LookupError as error:
            self.observer.say(f"the search ends after {count(number - 1, 'trial')}: {error}")
            return ()
        journal.plan(number, runs)
        self.shown += runs
        return runs

    def _proposed(self, trials: Sequence[Trial], number: int) -> Mapping[str, Any]:
        """Drawn where Optuna fails, which shall not end a campaign. Raises LookupError."""
        finished = told(trials, self.objectives)
        try:
            return propose(self.space, finished, number, self.objectives.wanted.sampler)
        except LookupError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            self.observer.say(f"warning: trial {number} is drawn, Optuna has failed: {why}")
            return self.space.drawn(number, [trial.values for trial in finished])

    def finished(self, journal: Journal) -> list[Trial]:
        """The trials of which all runs are done, in their order. What was read is kept."""
        planned: dict[int, list[Run]] = {}
        for run in journal.runs():
            if run.trial is not None and run.trial not in self._known:
                planned.setdefault(run.trial, []).append(run)
        names: dict[int, list[str]] = {}
        for index, name in journal.started():
            names.setdefault(index, []).append(name)
        for number, runs in planned.items():
            every = [journal.folder.load(name) for run in runs for name in names.get(run.index, ())]
            results = [one for one in every if one and one.get("status") in FINISHED]
            if len(results) >= len(runs):
                done = of_results(results, journal.folder.root)
                self._known[number] = trial_of(number, done, self.objectives)
        return [self._known[number] for number in sorted(self._known)]

    def _say(self, trials: Sequence[Trial]) -> None:
        """What became of the newest trial, and how it stands among the others."""
        last = trials[-1]
        of = f"trial {last.number} of {self.objectives.wanted.trials}"
        self.observer.say(f"{of}: {outcome(last, found(trials, self.objectives))}")

    def _over_budget(self, trials: Sequence[Trial]) -> str | None:
        """Why no further trial may begin, by the mean of those that are done."""
        wanted = self.objectives.wanted
        if not trials:
            return None
        for budget, spent, word in (
            (wanted.budget_joules, [trial.spent_joules for trial in trials], small_energy),
            (
                wanted.budget_hours and wanted.budget_hours * 3600,
                [trial.seconds for trial in trials],
                duration,
            ),
        ):
            left = None if budget is None else budget - sum(spent)
            if left is not None and fmean(spent) > left:
                return (
                    f"{word(max(left, 0.0))} of the budget are left, and a trial takes "
                    f"{word(fmean(spent))}"
                )
        return None


def outcome(trial: Trial, of: Found) -> str:
    """``accuracy 0.913, 12.34 ± 0.05 kJ, on the front: lr=0.01``; or why it does not count."""
    named = values(trial.values)
    if trial.missing is not None:
        return f"does not count, {trial.missing}: {named}"
    figures = f"{of.objectives.wanted.metric} {parameter(trial.metric)}, "
    figures += energy(trial.joules, trial.band, measured=trial.measured)
    return f"{', '.join(filter(None, (figures, standing_words(trial, of))))}: {named}"


def require_optuna(settings: Settings) -> None:
    """Raises SettingsError where the search needs it, and it is not installed."""
    assert settings.search is not None
    if settings.search.sampler == "tpe" and version("optuna") is None:
        raise SettingsError(f"a search needs Optuna: {extra_install('search')}")


def go_on(campaign: Campaign, journal: Journal) -> TrialSource | None:
    """Makes the campaign of a journal go on with its search; None where it is none.

    Raises SettingsError where Optuna is missing.
    """
    head = journal.head()
    if "search" not in head:
        return None
    require_optuna(campaign.settings)
    source = source_of(campaign.settings, campaign.registry, head["seed"], campaign.observer)
    source.shown = [*campaign.runs]
    if not source.shown:
        source.next_runs(journal)
    campaign.trials, campaign.runs = source, source.shown
    return source


def objectives_of(settings: Settings, space: SearchSpace) -> Objectives:
    """Of a file which `check_search` has found good."""
    assert settings.search is not None
    metric = metric_of(settings.search, space.checked)
    assert metric.better is not None
    return Objectives(settings.search, metric.better, space.runs_of_a_trial)


def source_of(settings: Settings, registry: Registry, seed: int, observer: Observer) -> TrialSource:
    space = space_of(settings, registry, seed)
    return TrialSource(space, objectives_of(settings, space), observer)
