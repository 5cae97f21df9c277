"""What the commands for clusters do: wires planning, Slurm and showing together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from energyctl import text as words
from energyctl.campaign import prepare as preparation
from energyctl.campaign.journal import Journal
from energyctl.campaign.prepare import Prepared
from energyctl.cli.commands import run as conducting
from energyctl.cli.output import tables
from energyctl.cli.output.live import Progress, make_console
from energyctl.config.plan import Run
from energyctl.config.registry import Registry
from energyctl.config.settings import Settings, Slurm
from energyctl.config.settings.slurm import seconds_of
from energyctl.errors import MachineError, SettingsError
from energyctl.results.folder import ResultsFolder
from energyctl.slurm import commands as slurm
from energyctl.slurm import finish as ending
from energyctl.slurm import submit as submission
from energyctl.slurm import with_options
from energyctl.slurm.arrays import arrays, ranges, task_of
from energyctl.system.workspace import Workspace
from energyctl.text import safe_name

PROBLEMS = 2
USUAL_LARGEST_INDEX = 1000
CALIBRATION_SECONDS = 30.0
"""Ten idle seconds, the training, and what is around them."""


def submit(root: Path, file: str, options: Mapping[str, Any]) -> int:
    """``energyctl submit``; returns the exit code."""
    workspace = Workspace(root)
    models, results = options["models"], options["results"]
    prepared = conducting.prepare(workspace, file, options["seed"], models, results)
    conducting.show_problems(prepared.name, prepared.problems)
    if prepared.settings is None or prepared.plan is None:
        return PROBLEMS
    if prepared.invalid and options["strict"]:
        raise SettingsError(f"{prepared.name}: nothing was submitted (--strict)")
    runs = preparation.select(prepared.plan.runs, options["only"])
    if not runs:
        conducting.raise_nothing(prepared)
    wanted = _wanted(prepared.settings, options)
    folder, console = conducting.results_folder(workspace, results), make_console()
    rendered = None if options["rendered"] is None else workspace.given(options["rendered"])
    with Progress(console, len(runs), len(runs), live=False) as progress:
        campaign = conducting.campaign_of(
            prepared, prepared.settings, prepared.plan.seed, runs, folder, rendered, progress
        )
        preparation.check(campaign)
    if options["dry_run"]:
        _show_scripts(workspace, prepared, folder, runs, wanted)
        return int(prepared.invalid)
    submission.check(workspace, prepared.settings.experiment_name, wanted)
    folder.prepare()
    _show_plan(console, prepared, runs, folder, wanted)
    _warn_of_shared_clones(runs, prepared.registry, wanted)
    facts = submission.cluster_facts(wanted)
    journal = conducting.new_journal(prepared, runs, folder, rendered, cluster=facts)
    try:
        made = submission.submit(workspace, journal, runs, wanted)
    except MachineError:
        submission.forget(journal)
        raise
    _show_submitted(console, journal, made, len(runs), wanted)
    return int(prepared.invalid)


def _wanted(settings: Settings, options: Mapping[str, Any]) -> Slurm:
    given = list(options["sbatch"])
    if options["runs_per_task"] is not None:
        given.append(f"runs_per_task={options['runs_per_task']}")
    if options["at_once"] is not None:
        given.append(f"nodes_at_once={options['at_once']}")
    return with_options(settings.slurm, given)


def _show_scripts(
    workspace: Workspace,
    prepared: Prepared,
    folder: ResultsFolder,
    runs: Sequence[Run],
    wanted: Slurm,
) -> None:
    """The scripts alone on standard output."""
    assert prepared.settings is not None
    try:
        slurm.require()
        made = submission.planned(runs, wanted)
    except MachineError as error:
        click.echo(f"energyctl: {error}", err=True)
        made = arrays({task_of(r.index, wanted.runs_per_task) for r in runs}, USUAL_LARGEST_INDEX)
    name = prepared.settings.experiment_name
    journal = folder.campaigns / f"DATE_TIME_{safe_name(name)}.jsonl"
    for array in made:
        click.echo(submission.script(workspace, name, journal, array, wanted))
    click.echo("energyctl: dry run: nothing was submitted", err=True)


def _show_plan(
    console: Console,
    prepared: Prepared,
    runs: Sequence[Run],
    folder: ResultsFolder,
    wanted: Slurm,
) -> None:
    """The runs, and a warning where a task will not come to its end within its time limit."""
    settings, plan = prepared.settings, prepared.plan
    assert settings is not None
    assert plan is not None
    seen = preparation.durations(folder)
    estimates = preparation.estimate_seconds(runs, settings, prepared.registry, seen)
    console.print(
        f"{settings.experiment_name}: {words.count(len(runs), 'run')}, values drawn with seed "
        f"{plan.seed}",
        markup=False,
        soft_wrap=True,
    )
    console.print(tables.plan_table(runs, estimates, conducting.SHOWN_RUNS))
    if len(runs) > conducting.SHOWN_RUNS:
        more = len(runs) - conducting.SHOWN_RUNS
        console.print(f"… and {more} more; energyctl plan shows all", markup=False)
    limit = None if wanted.time is None else seconds_of(wanted.time)
    longest = _longest_task(runs, estimates, wanted.runs_per_task, settings)
    if limit is not None and longest is not None and longest > limit - wanted.warning_seconds:
        click.echo(
            f"energyctl: warning: a task takes about {words.duration(longest)}, and ends itself "
            f"{wanted.warning_seconds} s before its limit of {words.duration(limit)}: give it more "
            "(--sbatch time=…), or fewer runs (--runs-per-task)",
            err=True,
        )


def _longest_task(
    runs: Sequence[Run], estimates: Sequence[float | None], size: int, settings: Settings
) -> float | None:
    """Seconds of the longest task; None where some run's are not known."""
    tasks: dict[int, float] = {}
    for run, seconds in zip(runs, estimates, strict=True):
        if seconds is None:
            return None
        task = task_of(run.index, size)
        rest = settings.cooldown_seconds if task in tasks else 0.0
        tasks[task] = tasks.get(task, 0.0) + seconds + rest
    if settings.calibration:
        tasks = {task: seconds + CALIBRATION_SECONDS for task, seconds in tasks.items()}
    return max(tasks.values(), default=None)


def _warn_of_shared_clones(runs: Sequence[Run], known: Registry, wanted: Slurm) -> None:
    """Two nodes that train in one clone may write over each other."""
    if wanted.nodes_at_once == 1:
        return
    used = {t.repo for run in runs for t in (run.foreground, *(j.training for j in run.background))}
    for name in sorted(used):
        if known.repositories[name].workspace == "in_place":
            click.echo(
                f"energyctl: warning: {name} trains in its clone, on several nodes at the same "
                'time; if it writes there, give it "workspace": "links" or "copy" in the registry',
                err=True,
            )


def _show_submitted(
    console: Console,
    journal: Journal,
    made: Sequence[submission.Submission],
    runs: int,
    wanted: Slurm,
) -> None:
    for one in made:
        at_once = f", at most {wanted.nodes_at_once} at once" if wanted.nodes_at_once else ""
        what = words.count(len(one.array.tasks), "task")
        console.print(
            f"submitted job {one.job}: {what} ({ranges(one.array.tasks)}){at_once}",
            markup=False,
            soft_wrap=True,
        )
    name = journal.name
    console.print(f"{name}: {words.count(runs, 'run')}", markup=False, soft_wrap=True)
    console.print(
        f"next: energyctl status, energyctl collect {name}, or energyctl cancel {name}",
        markup=False,
        soft_wrap=True,
    )


def resume(workspace: Workspace, journal: Journal, given: Sequence[str]) -> int:
    """``energyctl resume`` of a campaign on a cluster: submits what is missing."""
    slurm.require()
    console = make_console()
    said, runs, queue, made = ending.submit_missing(
        workspace, journal, partial(_changed, given=given)
    )
    for line in said:
        console.print(line, markup=False, soft_wrap=True)
    done, total = len(journal.finished()), len(journal.runs())
    waiting = f", {words.count(len(queue), 'task')} in the queue" if queue else ""
    console.print(f"{journal.name}: {done} of {total} runs are finished{waiting}", markup=False)
    if made:
        _show_submitted(console, journal, made, len(runs), submission.options_of(journal))
        return 0
    console.print("nothing is left to submit", markup=False)
    return 0 if queue else failed(journal)


def _changed(wanted: Slurm, given: Sequence[str]) -> Slurm:
    changed = with_options(wanted, given)
    if changed.runs_per_task != wanted.runs_per_task:
        raise SettingsError("--sbatch runs_per_task: tasks keep their runs from the first submit")
    return changed


def failed(journal: Journal) -> int:
    names = journal.finished()
    found = [journal.folder.load(name) or {} for name in names.values()]
    failed = any(result.get("status") != "succeeded" for result in found)
    return int(failed or bool(journal.head().get("invalid")) or len(names) < len(journal.runs()))
