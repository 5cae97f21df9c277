"""All runs of a settings file: checked, journalled, run one after the other, resumed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from energyctl import (
    background,
    machine,
    plan,
    preflight,
    processes,
    programs,
    registry,
    runner,
    settings,
)
from energyctl import journal as journals
from energyctl import supervisor as supervisors
from energyctl.atomic import write_atomic
from energyctl.errors import Interrupted, MachineError, SettingsError
from energyctl.history import read_history
from energyctl.interrupts import Interrupts
from energyctl.journal import Journal
from energyctl.meters import missing_kinds, open_meters
from energyctl.observer import Observer
from energyctl.plan import Plan, Run
from energyctl.registry import Invocation, Registry
from energyctl.results import ResultsFolder, RunFiles, to_text, typical_seconds
from energyctl.settings import Problem, Settings
from energyctl.supervisor import Daemon
from energyctl.workspace import Workspace


@dataclass(frozen=True)
class Prepared:
    """A settings file, read, checked and planned; nothing was started.

    ``settings`` and ``plan`` are None where the file has an error that nothing may start with.
    """

    workspace: Workspace
    name: str
    text: str
    settings: Settings | None
    registry: Registry
    plan: Plan | None
    problems: tuple[Problem, ...]

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
) -> Prepared:
    """Checks and plans *document*. Raises SettingsError where registry or history is broken."""
    known = registry.read(models or workspace.registry)
    checked = settings.check(document)
    name = str(document.path)
    if checked.settings is None:
        return Prepared(workspace, name, text, None, known, None, checked.problems)
    if seed is None:
        seed = checked.settings.seed
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "big")
    history, warnings = read_history(checked.settings, workspace.root)
    made = plan.make(
        checked.settings,
        known,
        seed=seed,
        document=document,
        problems=(*checked.problems, *warnings),
        history=history,
    )
    return Prepared(workspace, name, text, checked.settings, known, made, made.problems)


def select(runs: Sequence[Run], only: Iterable[int] | None) -> list[Run]:
    """The runs that ``--only`` names. Raises SettingsError for a number that is none."""
    if only is None:
        return list(runs)
    wanted = set(only)
    unknown = sorted(wanted - {run.index for run in runs})
    if unknown:
        last = runs[-1].index if runs else 0
        raise SettingsError(f"--only {unknown[0]}: the plan has the runs 1 to {last}")
    return [run for run in runs if run.index in wanted]


def estimate_seconds(
    runs: Sequence[Run],
    settings: Settings,
    known: Registry,
    seen: Mapping[tuple[str, str, bool], float],
) -> list[float | None]:
    """Seconds that each run will take: from finished runs of its kind, else the registry."""
    estimates: list[float | None] = []
    for run in runs:
        training, parallel = run.foreground, run.mode == "parallel"
        training_seconds = seen.get((training.repo, training.model, parallel))
        if training_seconds is None:
            repository = known.repositories[training.repo]
            training_seconds = repository.typical_seconds.get(training.model)
        if training_seconds is None:
            estimates.append(None)
            continue
        around = settings.idle_seconds + (2 * settings.settle.seconds if parallel else 0.0)
        estimates.append(training_seconds + around)
    return estimates


@dataclass(frozen=True)
class Outcome:
    """How a campaign ended."""

    results: tuple[dict[str, Any], ...]
    interrupted: int | None
    journal: Journal


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


def check(campaign: Campaign) -> str:
    """Everything of the machine that can be known wrong now; returns the trainings' interpreter.

    Raises SettingsError with a line per problem. Starts nothing and writes nothing.
    """
    python = preflight.python_for(os.environ, sys.executable)
    problems = preflight.check(
        campaign.runs,
        campaign.registry,
        root=campaign.workspace.root,
        python=python,
        path=os.environ.get("PATH", os.defpath),
    )
    if problems:
        raise SettingsError("\n".join(problems))
    user, templates = campaign.folder.user, campaign.workspace.templates
    runtime = machine.runtime_path(campaign.workspace.root, user)
    for run in campaign.runs:
        if run.background:
            make = partial(_invoke, campaign.registry, campaign.workspace.root, python)
            rendered = render_run(run, campaign.folder, runtime, templates, make)
            if campaign.rendered is not None:
                token = runner.rendered_token(run)
                background.edited(rendered, campaign.rendered, token, token)
    programs.render_template(
        campaign.workspace.daemon_template, {"runtime": str(runtime)}, script=False
    )
    return python


def _invoke(known: Registry, root: Path, python: str, training: plan.Training) -> Invocation:
    repository = known.repositories[training.repo]
    return registry.invocation(
        repository, training.model, training.hyperparameters, workspace=root, python=python
    )


def render_run(
    run: Run,
    folder: ResultsFolder,
    runtime: Path,
    templates: tuple[Path, Path],
    invocation_of: Callable[[plan.Training], Invocation],
) -> programs.Rendered:
    """The entries of *run* as ``render`` writes them: a token stands for the run's id."""
    token, training = runner.rendered_token(run), run.foreground
    files = RunFiles(folder.root, token, token, token, training.repo, training.model)
    marker = processes.marker(runtime.name, token, "background")
    return background.render(run, files, runtime, templates, invocation_of, marker)


def render_only(
    workspace: Workspace, prepared: Prepared, folder: ResultsFolder, run: Run
) -> programs.Rendered:
    """The entries of *run*, for reading and editing."""
    python = preflight.python_for(os.environ, sys.executable)
    make = partial(_invoke, prepared.registry, workspace.root, python)
    runtime = machine.runtime_path(workspace.root, folder.user)
    return render_run(run, folder, runtime, workspace.templates, make)


def conduct(campaign: Campaign) -> Outcome:
    """Runs a campaign: checks the machine, takes it, does every run, gives it back.

    Raises SettingsError or MachineError before anything is started; a signal ends the current
    run, which is written as interrupted, and is named in the outcome.
    """
    python = check(campaign)
    with ExitStack() as stack:
        context, daemons = _take_machine(campaign, python, stack)
        if any(run.background for run in campaign.runs):
            daemons.get()
        problem = stack.enter_context(machine.governor(campaign.settings.governor))
        journal = campaign.journal()
        facts = {
            **machine.facts(),
            "governor_asked": campaign.settings.governor,
            "seed": journal.head()["seed"],
            "journal": journal.name,
        }
        warnings = (*context.warnings, problem) if problem else context.warnings
        return _run_all(campaign, replace(context, warnings=warnings, facts=facts), journal)


def _take_machine(
    campaign: Campaign, python: str, stack: ExitStack
) -> tuple[runner.Context, _Daemons]:
    """Lock, results folder, meters and private folder; given back when *stack* closes."""
    wanted, user = campaign.settings, campaign.folder.user
    interrupts = stack.enter_context(Interrupts())
    stack.enter_context(machine.lock(wanted.experiment_name, campaign.workspace.root))
    campaign.folder.prepare()
    meters, meter_warnings = open_meters(gpus=wanted.gpus)
    for meter in meters:
        stack.callback(meter.close)
    missing = missing_kinds(meters, wanted.require)
    if missing:
        raise MachineError("; ".join(missing))
    processes.adopt_orphans()
    runtime = machine.runtime_folder(campaign.workspace.root, user)
    stack.callback(_leave, runtime)
    daemons = _Daemons(campaign, runtime)
    stack.callback(daemons.close)
    context = runner.Context(
        campaign=wanted.experiment_name,
        settings=wanted,
        registry=campaign.registry,
        root=campaign.workspace.root,
        folder=campaign.folder,
        templates=campaign.workspace.templates,
        rendered=campaign.rendered,
        python=python,
        meters=meters,
        runtime=runtime,
        daemon=daemons.get,
        environment=user.environment(os.environ),
        facts={},
        warnings=(*campaign.problems, *meter_warnings),
        interrupts=interrupts,
        observer=campaign.observer,
    )
    return context, daemons


def _run_all(campaign: Campaign, context: runner.Context, journal: Journal) -> Outcome:
    results: dict[int, dict[str, Any]] = {}
    signum = None
    try:
        for run in campaign.runs:
            context.interrupts.check()
            last = run is campaign.runs[-1]
            _run_one(run, campaign, context, journal, results, cooldown=not last)
    except Interrupted as signal:
        signum = signal.signum
    statuses = {str(index): result["status"] for index, result in results.items()}
    journal.append("ended" if signum is None else "interrupted", signal=signum, runs=statuses)
    return Outcome(tuple(results.values()), signum, journal)


def _run_one(
    run: Run,
    campaign: Campaign,
    context: runner.Context,
    journal: Journal,
    results: dict[int, dict[str, Any]],
    *,
    cooldown: bool,
) -> None:
    """One run, saved as soon as it is finished (and again with its cool-down)."""
    files = campaign.folder.new_run(run, time.time())
    journal.append("started", run=run.index, experiment_id=files.experiment_id)

    def save(result: dict[str, Any]) -> None:
        campaign.folder.write(files.result, to_text(result))
        if run.index not in results:
            journal.append(
                "finished",
                run=run.index,
                experiment_id=files.experiment_id,
                status=result["status"],
            )
            campaign.observer.finished(run.index, result)
        results[run.index] = result

    runner.carry_out(run, files, context, save, cooldown)


@dataclass
class _Daemons:
    """The campaign's daemon, started when first asked for and again if it was lost."""

    campaign: Campaign
    runtime: Path
    daemon: Daemon | None = None

    def get(self) -> Daemon:
        if self.daemon is None or not self.daemon.answers():
            user, workspace = self.campaign.folder.user, self.campaign.workspace
            (self.runtime / "conf.d").mkdir(mode=0o700, exist_ok=True)
            user.own(self.runtime / "conf.d")
            configuration = workspace.daemon_configuration
            write_daemon_configuration(workspace, self.runtime, user)
            self.daemon = supervisors.ensure(
                configuration,
                self.runtime,
                credentials=user.credentials,
                env=user.environment(os.environ),
            )
        return self.daemon

    def close(self) -> None:
        if self.daemon is not None:
            self.daemon.shut_down()


def write_daemon_configuration(workspace: Workspace, runtime: Path, user: machine.User) -> None:
    """Renders ``supervisord.conf`` at the workspace's root. Raises Settings- or MachineError."""
    text = programs.render_template(
        workspace.daemon_template, {"runtime": str(runtime)}, script=False
    )
    try:
        write_atomic(workspace.daemon_configuration, text, user.own)
    except OSError as error:
        raise MachineError(
            f"cannot write {workspace.daemon_configuration}: {error.strerror}"
        ) from error


def _leave(runtime: Path) -> None:
    """Removes the private folder, unless a daemon still lives in it."""
    if supervisors.find(runtime) is None:
        machine.remove_runtime_folder(runtime)


def stop_everything(workspace: Workspace) -> tuple[list[str], list[processes.Found]]:
    """Ends every background job of this workspace: (names of ended jobs, what is left).

    Also what a crashed energyctl left behind, the foreground included; the foreground of a
    campaign that is alive is left to it.
    """
    user = machine.invoking_user()
    runtime = machine.runtime_folder(workspace.root, user)
    holder = machine.lock_holder()
    alive = holder is not None and holder.get("workspace") == str(workspace.root)
    ended: list[str] = []
    daemon = supervisors.find(runtime)
    if daemon is not None:
        members = [p for p in daemon.programs() if p.group.startswith(programs.GROUP_PREFIX)]
        ended += [f"{p.group}:{p.name}" for p in members if p.pid]
        for group in {p.group for p in members}:
            daemon.remove(group)
        if not alive:
            daemon.shut_down()

    def look() -> list[processes.Found]:
        role = "background" if alive else ""
        mine = f"{runtime.name}/"
        return processes.marked(lambda m: m.startswith(mine) and m.endswith(role))

    leftovers = processes.end(look)
    ended += [f"pid {p.pid} {p.command}" for p in leftovers.found]
    if not alive:
        _leave(runtime)
    return ended, list(leftovers.left)


def resume(
    workspace: Workspace, folder: ResultsFolder, wanted: str | None, observer: Observer
) -> tuple[Campaign, Journal, list[Run]]:
    """The campaign of a journal, ready to go on; the runs that are still to do.

    The settings, the registry and every value come from the journal, not from files that may
    have changed since.
    """
    journal = journals.find(folder, wanted)
    head = journal.head()
    checked = settings.check(settings.parse(head["settings"], head["settings_name"]))
    if checked.settings is None:
        raise SettingsError(f"{journal.path}: its settings are not valid for this version")
    known = registry.parse(head["registry"], f"{journal.path} (registry)")
    runs = journal.runs()
    done = journal.finished()
    campaign = Campaign(
        workspace=workspace,
        settings=checked.settings,
        registry=known,
        runs=[run for run in runs if run.index not in done],
        folder=folder,
        journal=lambda: journal,
        rendered=Path(head["rendered"]) if head.get("rendered") else None,
        observer=observer,
        problems=tuple(p.message for p in checked.problems if p.severity == "warning"),
    )
    return campaign, journal, runs


def keep_interrupted(journal: Journal, runs: Sequence[Run]) -> None:
    """Writes a result for each run that a crash cut off, so that it is kept as interrupted."""
    by_index = {run.index: run for run in runs}
    for index, experiment_id in journal.unfinished():
        run = by_index[index]
        files = RunFiles(
            journal.folder.root,
            experiment_id,
            experiment_id.removesuffix("_parallel"),
            experiment_id[:15],
            run.foreground.repo,
            run.foreground.model,
        )
        result = runner.cut_off_result(run, files, str(journal.head()["name"]))
        journal.folder.write(files.result, to_text(result))


def durations(folder: ResultsFolder) -> dict[tuple[str, str, bool], float]:
    """What finished runs in the results folder took; empty where there is none."""
    return typical_seconds(folder.all()) if folder.root.is_dir() else {}
