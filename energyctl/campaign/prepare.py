"""A settings file → runs that are ready to start: read, checked, planned, rendered on trial."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from energyctl.background.entries import RenderedRun
from energyctl.background.templates import render_template
from energyctl.campaign import earlier
from energyctl.campaign.fixed_plan import control_run
from energyctl.campaign.journal import Journal, create_journal
from energyctl.campaign.observer import Observer
from energyctl.campaign.rendering import render_run, token_files
from energyctl.campaign.storage import Allocation, LocalStore, ResultStore
from energyctl.campaign.training import places, preflight, unmetered
from energyctl.campaign.training.invocations import Trainings
from energyctl.config import node_meters, plan, registry, settings
from energyctl.config.plan import Plan, Run
from energyctl.config.registry import Registry
from energyctl.config.settings import Problem, Settings
from energyctl.errors import EnergyctlError, SettingsError
from energyctl.meters import Source, open_meters
from energyctl.results.folder import ResultsFolder, read_text
from energyctl.results.history import read_history
from energyctl.system.private_folder import runtime_path
from energyctl.system.user import invoking_user
from energyctl.system.workspace import Workspace


@dataclass(frozen=True)
class PreparedCampaign:
    """A settings file, read, checked and planned; nothing was started.

    ``settings``, ``plan`` and ``whole`` are None where the file has an error that nothing may start
    with. whole: the plan before runs were left out that earlier ones stand for.
    """

    workspace: Workspace
    name: str
    text: str
    settings: Settings | None
    registry: Registry
    plan: Plan | None
    problems: tuple[Problem, ...]
    whole: Plan | None = None

    @property
    def invalid(self) -> bool:
        return any(problem.severity == "invalid" for problem in self.problems)

    @property
    def errors(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)


def prepare(
    workspace: Workspace,
    document: settings.Document,
    text: str,
    models: Path | None,
    seed: int | None,
    results: Path | None = None,
) -> PreparedCampaign:
    """Checks and plans *document*. Raises SettingsError where the registry is broken.

    *results*: whose finished runs count as earlier ones, where deduplication is asked for.
    """
    repos = registry.read(models or workspace.registry)
    checked = settings.check(document)
    name = str(document.path)
    if checked.settings is None:
        return PreparedCampaign(workspace, name, text, None, repos, None, checked.problems)
    if seed is None:
        seed = checked.settings.seed
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "big")
    history, warnings = read_history(checked.settings, workspace.root, results or workspace.results)
    run_plan = plan.make(
        checked.settings,
        repos,
        seed=seed,
        document=document,
        problems=(*checked.problems, *warnings),
        history=history,
    )
    if any(problem.severity == "error" for problem in run_plan.problems):
        return PreparedCampaign(workspace, name, text, None, repos, None, run_plan.problems)
    beside = unmetered.problems(run_plan.runs, repos, checked.settings.gpus, os.environ, document)
    whole = replace(run_plan, problems=(*run_plan.problems, *beside))
    run_plan = earlier.with_earlier(
        whole, checked.settings, repos, workspace.root, results or workspace.results
    )
    return PreparedCampaign(
        workspace, name, text, checked.settings, repos, run_plan, whole.problems, whole
    )


def prepare_file(
    workspace: Workspace,
    name: str,
    models: str | None,
    seed: int | None,
    results: str | None = None,
) -> PreparedCampaign:
    """Reads, checks and plans a settings file; names are as on a command line.

    Raises SettingsError where the file is none, or the registry is broken.
    """
    path = workspace.settings_file(name)
    document = settings.read(path)
    text = read_text(path, "the settings")
    models_file, results_folder = (name and workspace.given(name) for name in (models, results))
    return prepare(workspace, document, text, models_file or None, seed, results_folder or None)


class TrialSource(Protocol):
    """The trials of a search, whose runs come one after the other by the results so far."""

    def next_runs(self, journal: Journal) -> Sequence[Run]:
        """Those of the next trial, which are in the journal by now; none: the search is over."""

    def is_last(self, run: Run) -> bool:
        """Whether no run can follow it."""


Only = tuple[Iterable[int], Iterable[int]]
"""What ``--only`` names: runs, and blocks."""


def runs_to_start(prepared: PreparedCampaign, only: Only | None, strict: bool) -> list[Run]:
    """The runs that ``--only`` names, of the whole plan; else those of the plan; never none.

    Raises SettingsError or EnergyctlError where nothing may start.
    """
    plan = prepared.plan if only is None else prepared.whole
    assert plan is not None
    if prepared.invalid and strict:
        raise SettingsError(f"{prepared.name}: nothing was started (--strict)")
    runs = select(plan.runs, only)
    if not runs and prepared.invalid:
        raise EnergyctlError(f"{prepared.name}: no experiment is valid, nothing was started")
    if not runs:
        raise SettingsError(f"{prepared.name}: no runs in it, nothing was started")
    return runs


def select(runs: Sequence[Run], only: Only | None) -> list[Run]:
    """The runs that ``--only`` names. Raises SettingsError for a number that is none."""
    if only is None:
        return list(runs)
    indices, blocks = map(set, only)
    if unknown := sorted(indices - {run.index for run in runs}):
        last = runs[-1].index if runs else 0
        raise SettingsError(f"--only {unknown[0]}: the plan has the runs 1 to {last}")
    if unknown := sorted(blocks - {run.block for run in runs}):
        last = max((run.block or 0 for run in runs), default=0)
        there = f"the blocks 1 to {last}" if last else "no blocks"
        raise SettingsError(f"--only block:{unknown[0]}: the plan has {there}")
    return [run for run in runs if run.index in indices or run.block in blocks]


@dataclass
class Campaign:
    """A campaign about to run; see :func:`conduct`."""

    workspace: Workspace
    settings: Settings
    registry: Registry
    runs: Sequence[Run]
    folder: ResultsFolder
    journal: Callable[[], Journal]
    rendered: Path | None
    observer: Observer
    problems: Sequence[str] = ()
    """Warnings that all results shall have."""
    experiment_problems: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """Those that only the results of an experiment shall have, by its number."""
    place: Callable[[ResultsFolder, Journal], ResultStore] = LocalStore
    allocation: Allocation = field(default_factory=Allocation)
    beside_unended: bool = False
    """Whether it may measure beside what earlier runs could not end."""

    planned: Sequence[Run] = ()
    """All runs, where some are done already: they are metered alike."""

    trials: TrialSource | None = None
    """Of a search: `runs` are those of its first trial, or what is left of the last one."""

    @property
    def control(self) -> Sequence[Run]:
        """The run of a control that is in the registry, if there is one."""
        run = control_run(self.settings.control, self.registry)
        return () if run is None else (run,)

    @property
    def runtime(self) -> Path:
        """The private folder of its daemon."""
        return runtime_path(self.workspace.root, invoking_user(), self.allocation.seat)

    @property
    def metered_gpus(self) -> Sequence[int | str] | None:
        """By name; None: those in CUDA_VISIBLE_DEVICES, without it all."""
        return places.metered(self.planned or self.runs, self.settings.gpus, os.environ)

    def open_meters(self) -> tuple[list[Source], list[str]]:
        """As :func:`energyctl.meters.open_meters`."""
        return open_meters(
            gpus=self.metered_gpus,
            leave_out=self.settings.leave_out,
            total=self.settings.total,
            node_meters=self.workspace.node_meters,
        )


def campaign_of(
    prepared: PreparedCampaign,
    runs: Sequence[Run],
    folder: ResultsFolder,
    rendered: Path | None,
    observer: Observer,
) -> Campaign:
    """The campaign of a settings file; its journal is written once everything is checked."""
    assert prepared.settings is not None
    return Campaign(
        workspace=prepared.workspace,
        settings=prepared.settings,
        registry=prepared.registry,
        runs=runs,
        folder=folder,
        journal=partial(new_journal, prepared, runs, folder, rendered),
        rendered=rendered,
        observer=observer,
        problems=warnings_of(prepared.problems, None),
        experiment_problems=warnings_by_experiment(prepared.problems),
    )


def warnings_of(problems: Iterable[Problem], experiment: int | None) -> list[str]:
    """Those that belong to that experiment; None: to none of them alone."""
    return [p.sentence for p in problems if p.severity == "warning" and p.experiment == experiment]


def warnings_by_experiment(problems: Sequence[Problem]) -> dict[int, list[str]]:
    """Those of each experiment that has any."""
    numbers = {p.experiment for p in problems if p.experiment is not None}
    return {number: warnings_of(problems, number) for number in sorted(numbers)}


def new_journal(
    prepared: PreparedCampaign,
    runs: Sequence[Run],
    folder: ResultsFolder,
    rendered: Path | None,
    cluster: Mapping[str, Any] | None = None,
    search: Mapping[str, Any] | None = None,
) -> Journal:
    """Writes the journal of a settings file that was found good."""
    assert prepared.settings is not None
    assert prepared.plan is not None
    return create_journal(
        folder,
        prepared.settings.experiment_name,
        seed=prepared.plan.seed,
        settings_name=prepared.name,
        settings=prepared.text,
        registry=prepared.registry.raw,
        rendered=str(rendered) if rendered else None,
        workspace=str(prepared.workspace.root),
        invalid=prepared.invalid,
        **({} if cluster is None else {"cluster": dict(cluster)}),
        **({} if search is None else {"search": dict(search)}),
        runs=[run.to_json() for run in runs],
    )


def check(campaign: Campaign, *, elsewhere: bool = False) -> Trainings:
    """Everything of the machine that can be known wrong now; returns how trainings start here.

    *elsewhere*: on other machines, whose GPUs and CPUs are not known. Raises SettingsError with a
    line per problem, MachineError where GPUs cannot be asked for. Starts nothing and writes
    nothing.
    """
    if campaign.workspace.node_meters is not None:
        node_meters.read(campaign.workspace.node_meters)
    trainings = Trainings.here(campaign.registry, campaign.workspace.root, os.environ)
    problems = preflight.check([*campaign.runs, *campaign.control], trainings)
    if problems:
        raise SettingsError(*problems)
    placed = [*(campaign.planned or campaign.runs), *campaign.control]
    gpus = (places.as_named if elsewhere else places.find)(placed)
    trainings = replace(trainings, gpus=gpus)
    templates, runtime = campaign.workspace.templates, campaign.runtime
    for run in campaign.runs:
        if run.background:
            files, keep = token_files(run, campaign.folder.root), campaign.settings.kept_logs
            rendered = render_run(
                run, files, runtime, templates, trainings, keep, campaign.rendered
            )
            preflight.check_script(rendered.script, campaign.rendered or templates[1])
    render_template(campaign.workspace.daemon_template, {"runtime": str(runtime)}, script=False)
    return trainings


def render_only(
    workspace: Workspace, prepared: PreparedCampaign, folder: ResultsFolder, run: Run
) -> RenderedRun:
    """The entries of *run*, for reading and editing: a token stands for the run's id."""
    trainings = Trainings.here(prepared.registry, workspace.root, os.environ)
    trainings = replace(trainings, gpus=places.find([run]))
    runtime, files = runtime_path(workspace.root, invoking_user()), token_files(run, folder.root)
    assert prepared.settings is not None
    keep = prepared.settings.kept_logs
    return render_run(run, files, runtime, workspace.templates, trainings, keep)
