"""All runs of a settings file: journalled, run one after the other, resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from energyctl.background.daemon_lifecycle import Daemons
from energyctl.campaign import calibrate, failures, leftovers, preparation
from energyctl.campaign.controls import Controls
from energyctl.campaign.facts import machine_facts
from energyctl.campaign.fixed_plan import controls_due
from energyctl.campaign.foreign.watch import Watch
from energyctl.campaign.journal import Journal
from energyctl.campaign.machine_control import controlled_machine
from energyctl.campaign.observer import Observer
from energyctl.campaign.preparation import NotPrepared
from energyctl.campaign.prepare import (
    Campaign,
    check,
    warnings_by_experiment,
    warnings_of,
)
from energyctl.campaign.run import carry_out
from energyctl.campaign.run_state import Context, SharedIdle, Warmth
from energyctl.campaign.storage import Allocation, ResultStore
from energyctl.campaign.training import containers as in_containers
from energyctl.campaign.training import workdirs
from energyctl.campaign.training.invocations import Trainings
from energyctl.config import registry
from energyctl.config import settings as settings_file
from energyctl.config.plan import Run
from energyctl.errors import EnergyctlError, Interrupted, MachineError, RunError, SettingsError
from energyctl.meters import missing_kinds
from energyctl.results.folder import ResultsFolder
from energyctl.results.journal_schema import JournalHead
from energyctl.results.schema import Result
from energyctl.system import cgroups, containers, privileges, processes
from energyctl.system.interrupts import Interrupts
from energyctl.system.lock import lock
from energyctl.system.owner import holding
from energyctl.system.private_folder import runtime_folder, runtime_path, unusable
from energyctl.system.user import invoking_user
from energyctl.system.workspace import Workspace
from energyctl.text import duration

FOREIGN_SECONDS = 3.0
"""Between two looks at who else computes on the machine."""


@dataclass(frozen=True)
class CampaignOutcome:
    """How a campaign ended."""

    results: tuple[Result, ...]
    interrupted: int | None
    journal: Journal
    paused: tuple[str, ...] = ()
    """Why it stopped by itself with runs left, in lines."""


def conduct(campaign: Campaign) -> CampaignOutcome:
    """Runs a campaign: checks the machine, takes it, does every run, gives it back.

    Raises SettingsError or MachineError before anything is started; a signal ends the current
    run, which is written as interrupted, and is named in the outcome.
    """
    processes.require()
    trainings = check(campaign)
    with ExitStack() as stack:
        context, daemons = _take_machine(campaign, trainings, stack)
        wanted = [run.machine for run in campaign.runs]
        if campaign.settings.control or campaign.settings.calibration:
            wanted.append(settings_file.machine_settings(campaign.settings))
        machine = controlled_machine(wanted, context.meters, campaign.observer.say)
        context = replace(context, machine=stack.enter_context(machine))
        if any(run.background for run in campaign.runs):
            daemons.get()
        journal = campaign.journal()
        place = campaign.place(journal.folder, journal)
        place.recover()
        facts = {
            **machine_facts(),
            **campaign.allocation.facts,
            "seed": journal.head()["seed"],
            "journal": journal.name,
            "commits": trainings.commits([*campaign.runs, *campaign.control]),
        }
        _warn_of_foreign_load(context, campaign.allocation)
        context = replace(context, facts=facts)
        return _run_all(campaign, context, journal, place)


def _take_machine(
    campaign: Campaign, trainings: Trainings, stack: ExitStack
) -> tuple[Context, Daemons]:
    """Lock, results folder, meters and private folder; given back when *stack* closes."""
    settings, user, allocation = campaign.settings, invoking_user(), campaign.allocation
    name, root = settings.experiment_name, campaign.workspace.root
    interrupts = stack.enter_context(Interrupts(allocation.signals))
    held = stack.enter_context(lock(name, root, allocation.patience_seconds))
    meters, meter_warnings = campaign.open_meters()
    for meter in meters:
        stack.callback(meter.close)
    if missing := missing_kinds(meters, settings.require):
        raise MachineError("; ".join(missing))
    if not campaign.beside_unended:
        leftovers.refuse_unended(user)
    campaign.folder.prepare()
    processes.adopt_orphans()
    runtime = runtime_folder(root, user, allocation.seat)
    if holder := leftovers.owner_process(runtime):
        raise MachineError(
            f"another campaign runs in this workspace, pid {holder.pid}; wait for it, "
            "or end it with Ctrl-C there"
        )
    stack.callback(leftovers.leave, runtime)
    left = _end_leftovers(runtime, campaign.observer)
    if allocation.job:  # an earlier task of this node may have been killed with all that it knew of
        for other in set(leftovers.abandoned(user, root)) - {runtime}:
            left += _end_leftovers(other, campaign.observer)
            leftovers.leave(other)
    left += workdirs.sweep(campaign.folder.root)
    named = privileges.cgroup() or cgroups.named(runtime.name)
    folder = None if named is None else named.folder
    nonce = processes.new_nonce()
    without_helper = [problem] if (problem := privileges.problem()) else []
    stack.enter_context(holding(runtime, user, name, root, nonce, folder, allocation.job))
    # Its name is on disk before it is made, and until it is removed.
    cgroup = privileges.cgroup() or cgroups.make(named)
    if cgroup is not None:
        stack.callback(cgroup.remove, processes.reap)
    configuration = campaign.workspace.daemon_configuration
    if allocation.seat:  # other machines use the workspace, too
        configuration = runtime / configuration.name
    daemons = Daemons(campaign.workspace, runtime, cgroup, configuration, nonce)
    stack.callback(daemons.close)
    environment, trees = trainings.environ, None
    if in_containers.runtimes([*campaign.runs, *campaign.control], campaign.registry):
        environment = containers.with_notes(environment, runtime)
        trees = containers.ContainerTrees(containers.notes_folder(runtime), nonce)
    context = Context(
        campaign=name,
        nonce=nonce,
        settings=settings,
        trainings=trainings,
        folder=campaign.folder,
        templates=campaign.workspace.templates,
        rendered=campaign.rendered,
        meters=meters,
        runtime=runtime,
        daemon=daemons.get,
        environment=environment,
        cgroup=cgroup,
        facts={},
        warnings=(*campaign.problems, *meter_warnings, *left, *without_helper),
        experiment_warnings=campaign.experiment_problems,
        interrupts=interrupts,
        observer=campaign.observer,
        lock=held,
        watch=Watch(meters, nonce, lambda: daemons.daemon, trees),
        shared_idle=SharedIdle() if allocation.share_idle else None,
        warmth=Warmth() if any(run.block for run in campaign.runs) else None,
    )
    return context, daemons


def _warn_of_foreign_load(context: Context, allocation: Allocation) -> None:
    """Says who else was on the machine while energyctl was starting up; the results hold more.

    Where the allocation refuses them, it raises MachineError instead, if they do not leave soon:
    the job before this one may just be cleaned up.
    """
    try:
        lines = context.watch.before_the_start(context.interrupts.wait)
        deadline = time.monotonic() + allocation.patience_seconds
        while lines and allocation.refuse_foreign and time.monotonic() < deadline:
            interval = context.watch.begin(alone=True)
            context.interrupts.wait(FOREIGN_SECONDS)
            lines = interval.end().warnings("before the start")
    except Interrupted:
        return  # the first run asks again
    if lines and allocation.refuse_foreign:
        raise MachineError(f"this machine is not exclusive to this job: {'; '.join(lines)}")
    for line in lines:
        context.observer.say(f"warning: {line}")


def _end_leftovers(runtime: Path, observer: Observer) -> list[str]:
    """Ends what a crashed campaign of this workspace left running; a line for the results each.

    The machine is ours by now, so whatever carries the secret of the last campaign is nobody's.
    """
    lines: list[str] = []
    left = leftovers.end(runtime, lines.append)
    lines = [f"left by a crash, before the start: {line}" for line in lines]
    lines += [f"left from before, cannot be ended: {line}" for line in left]
    for line in lines:
        observer.say(line)
    return lines


def tidy(workspace: Workspace, observer: Observer) -> None:
    """Ends what a crash left, where no further run follows."""
    runtime = runtime_path(workspace.root, invoking_user())
    if not leftovers.is_alive(runtime):
        _end_leftovers(runtime, observer)
        leftovers.leave(runtime)


def _run_all(
    campaign: Campaign, context: Context, journal: Journal, place: ResultStore
) -> CampaignOutcome:
    results: dict[int, Result] = {}
    signum, go_on = None, journal.resume_command
    paused: tuple[str, ...] = ()
    task = "task_" if campaign.allocation.job else ""
    in_a_row = failures.FailuresInARow(campaign.settings.stop_after_failures)
    try:
        done = journal.finished()
        runs = [run for run in campaign.runs if run.index not in done]
        if not runs and campaign.trials is not None:  # the last one was cut off in its cool-down
            runs += campaign.trials.next_runs(journal)
        if runs:  # also for what is prepared
            context.machine.set(runs[0].machine, context.interrupts.wait)
        if preparation.prepare_all(context, journal, [*runs, *campaign.control] if runs else ()):
            context.interrupts.wait(campaign.settings.cooldown_seconds)
        _rest(journal, campaign, context)
        node = campaign.allocation.node or str(context.facts["hostname"])
        if campaign.settings.calibration and runs:
            problems = calibrate.calibrate(context, journal, node)
            context = replace(context, warnings=(*context.warnings, *problems))
        wanted = campaign.settings.control
        control = Controls(wanted, controls_due(runs, wanted), journal, node)
        for run in runs:  # to which a search adds those of its next trial
            context.interrupts.check()
            if paused := control.before(run, context):
                break
            context.machine.set(run.machine, context.interrupts.wait)
            now = replace(context, warnings=(*context.warnings, *control.warnings))
            trials, last = campaign.trials, run is runs[-1]
            over = last and (trials is None or trials.is_last(run))
            _run_one(run, place, now, journal, results, cooldown=not over)
            if run.index in results and not over:
                paused = in_a_row.add(results[run.index], journal.folder.root)
            if paused:
                break
            if last and trials is not None:
                runs += trials.next_runs(journal)
                control.due = controls_due(runs, wanted)
    except Interrupted as signal:
        signum = signal.signum
    except NotPrepared:
        journal.append(f"{task}interrupted", signal=None, runs={})
        raise
    except (OSError, EnergyctlError) as error:
        if not journal.path.exists():
            raise RunError(
                f"{journal.folder.root} vanished during the campaign, with its journal; "
                f"put it back and go on with: {go_on}, or start anew"
            ) from error
        what = str(error)
        if isinstance(error, OSError):
            # Of two, as of a link, the second is where it was to be made.
            where = Path(error.filename2 or error.filename or journal.folder.root)
            private = where.is_relative_to(context.runtime)
            what = str(unusable(where, error)) if private else f"{where}: {error.strerror}"
        raise RunError(f"{what}; what is finished is kept, go on with: {go_on}") from error
    statuses = {str(index): result["status"] for index, result in results.items()}
    event = "ended" if signum is None and not paused else "interrupted"
    journal.append(f"{task}{event}", signal=signum, runs=statuses)
    return CampaignOutcome(tuple(results.values()), signum, journal, paused)


def _rest(journal: Journal, campaign: Campaign, context: Context) -> None:
    """The rest of a cool-down that a crash cut short: the next run shall not begin warmer."""
    finished = journal.last_finished(campaign.allocation.node)
    left = campaign.settings.cooldown_seconds - (time.time() - finished) if finished else 0.0
    if 0.0 < left <= campaign.settings.cooldown_seconds:
        why = "after the run before" if campaign.allocation.job else "as before the crash"
        campaign.observer.say(f"cool-down for {duration(left)} more, {why}")
        context.interrupts.wait(left)


def _run_one(
    run: Run,
    place: ResultStore,
    context: Context,
    journal: Journal,
    results: dict[int, Result],
    *,
    cooldown: bool,
) -> None:
    """One run, saved as soon as it is finished, and in its place once it has cooled down."""
    files = place.begin(run)
    if files is None:
        return
    journal.append("started", run=run.index, experiment_id=files.experiment_id)

    def save(result: Result, last_word: bool) -> None:
        event = place.keep(run, files, result, last_word)
        if run.index not in results:
            journal.append(
                event,
                run=run.index,
                experiment_id=files.experiment_id,
                status=result["status"],
            )
        if last_word:  # the cool-down's samples change the energy's uncertainty
            context.observer.finished(run.index, result)
            for line in failures.told(result, files.folder, journal.folder.root):
                context.observer.say(line)
        results[run.index] = result

    carry_out(run, files, context, save, cooldown)


def checked_settings(
    head: JournalHead, where: str
) -> tuple[settings_file.CheckedSettings, settings_file.Settings]:
    """A campaign's settings as it began with them, from its journal's head, read from *where*.
    Raises SettingsError."""
    checked = settings_file.check(settings_file.parse(head["settings"], head["settings_name"]))
    if checked.settings is None:
        raise SettingsError(f"{where}: its settings are not valid for this version")
    return checked, checked.settings


def of_journal(
    workspace: Workspace, journal: Journal, observer: Observer
) -> tuple[Campaign, list[Run]]:
    """The campaign of a journal, ready to go on; all of its runs, also the done ones.

    The settings, the registry and every value come from the journal, not from files that may
    have changed since. Raises SettingsError where it is no journal.
    """
    head, where, runs = journal.head(), str(journal.path), journal.runs()
    done, folder = journal.finished(), journal.folder
    campaign = of_head(workspace, head, where, runs, folder, lambda: journal, observer, done)
    if rendered := head.get("rendered"):
        campaign.rendered = Path(rendered)
    return campaign, runs


def of_head(
    workspace: Workspace,
    head: JournalHead,
    where: str,
    runs: Sequence[Run],
    folder: ResultsFolder,
    journal: Callable[[], Journal],
    observer: Observer,
    done: Container[int],
) -> Campaign:
    """The campaign of a journal's head, read from *where*, with this workspace's templates; its
    *runs* but for those in *done*. *journal*: makes the one that it is written to."""
    checked, settings = checked_settings(head, where)
    return Campaign(
        workspace=workspace,
        settings=settings,
        registry=registry.parse(head["registry"], f"{where} (registry)"),
        runs=[run for run in runs if run.index not in done],
        folder=folder,
        journal=journal,
        rendered=None,
        observer=observer,
        problems=warnings_of(checked.problems, None),
        experiment_problems=warnings_by_experiment(checked.problems),
        planned=runs,
    )
