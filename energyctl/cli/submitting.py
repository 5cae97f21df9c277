"""What the commands for clusters do: wires planning, Slurm and showing together."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from energyctl import calibrations, nodes, preparation
from energyctl import journal as journals
from energyctl.campaign import Outcome
from energyctl.cli import conducting
from energyctl.cluster import Overview, Overviews, ending, slurm, submission, task, with_options
from energyctl.cluster.arrays import arrays, ranges, task_of
from energyctl.console import Progress, make_console
from energyctl.errors import MachineError, SettingsError
from energyctl.journal import Journal
from energyctl.plan import Run
from energyctl.preparation import Prepared
from energyctl.programs import safe_name
from energyctl.registry import Registry
from energyctl.reports import cluster as reports
from energyctl.reports import tables, words
from energyctl.reports.machines import machines_table
from energyctl.results import ResultsFolder
from energyctl.settings import Settings, Slurm
from energyctl.tables import Part, run_row
from energyctl.workspace import Workspace

PLAIN_EVERY_SECONDS = 60.0
PROBLEMS, INTERRUPTED = 2, 130
USUAL_LARGEST_INDEX = 1000


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
    _warn_of_shared_clones(runs, prepared.registry, wanted)
    folder.prepare()
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
        _show_submitted(console, journal, made, len(runs), _changed(options(journal), given))
        return 0
    console.print("nothing is left to submit", markup=False)
    return 0 if queue else _failed(journal)


def options(journal: Journal) -> Slurm:
    """How the campaign was submitted."""
    return submission.options_of(journal)


def _changed(wanted: Slurm, given: Sequence[str]) -> Slurm:
    changed = with_options(wanted, given)
    if changed.runs_per_task != wanted.runs_per_task:
        raise SettingsError("--sbatch runs_per_task: tasks keep their runs from the first submit")
    return changed


def run_task(root: Path, wanted: str, number: int, results: str | None) -> int:
    """``energyctl run-task``; returns the exit code."""
    workspace = Workspace(root)
    folder = conducting.results_folder(workspace, results)
    console = make_console()
    with Progress(console, 0, 0, live=False) as progress:
        mine = task.load(workspace, folder, wanted, number, progress)
        start = f", start {mine.here.restarts + 1}" if mine.here.restarts else ""
        console.print(
            f"task {number} of {mine.journal.name} on {mine.here.node}, job {mine.here.job}{start}:"
            f" {mine.left} of {words.count(mine.runs, 'run')} to do",
            markup=False,
            soft_wrap=True,
        )
        progress.total, progress.planned = len(mine.journal.runs()), mine.left
        if not mine.left:
            return 0
        outcome = task.carry_out(mine, progress, lambda: progress.ends)
    if outcome.results:
        console.print(tables.closing_table(outcome.results))
    for text in tables.warnings_of(outcome.results):
        console.print(f"warning: {text}", markup=False, soft_wrap=True)
    if outcome.interrupted is not None:
        return _interrupted(mine, outcome, console)
    return int(any(result["status"] != "succeeded" for result in outcome.results))


def _interrupted(mine: task.Task, outcome: Outcome, console: Console) -> int:
    if task.goes_on(mine, outcome):
        console.print("the time limit is near: back into the queue, for the runs that are left")
        slurm.requeue(mine.here.job)
    elif outcome.interrupted == task.WARNED:
        console.print(
            "the time limit is near, and no run was finished within it: give the tasks more time "
            f"with: {mine.journal.resume_command} --sbatch time=…",
            markup=False,
            soft_wrap=True,
        )
    return INTERRUPTED


def find(workspace: Workspace, wanted: str | None, results: str | None) -> Journal:
    """The journal of a campaign on a cluster. Raises SettingsError where it runs elsewhere."""
    journal = journals.find(conducting.results_folder(workspace, results), wanted)
    if journal.cluster is None:
        raise SettingsError(
            f"{journal.name} runs on one machine, not on a cluster; energyctl status shows it"
        )
    return journal


def collect(root: Path, wanted: str | None, results: str | None, interval: float) -> int:
    """``energyctl collect``; returns the exit code of the campaign."""
    journal = find(Workspace(root), wanted, results)
    slurm.require()
    overviews, console = Overviews(journal), make_console()
    seen = follow(overviews, console, interval)
    for line in ending.settle(journal, []):
        console.print(line, markup=False, soft_wrap=True)
    seen = overviews.look()
    names = journal.finished()
    found = [journal.folder.load(names[index]) or {} for index in sorted(names)]
    if found:
        console.print(tables.closing_table(found))
    for text in tables.warnings_of(found):
        console.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)
    _show_machines(console, journal, found)
    console.print(f"results: {journal.folder.root}", markup=False, soft_wrap=True)
    console.print(reports.headline(seen), markup=False, soft_wrap=True)
    for line in reports.advice(seen):
        console.print(line, style="yellow", markup=False, soft_wrap=True)
    return 1 if seen.count("missing", "unknown") else _failed(journal)


def _show_machines(
    console: Console, journal: Journal, results: Sequence[Mapping[str, Any]]
) -> None:
    """What the nodes are, where there are several, and how far they differ."""
    rows = [run_row(Part(dict(result), ""), "") for result in results if result]
    found = nodes.machines(rows, calibrations.of_campaign(journal.folder.root, journal.name))
    if len(found) > 1 or any(one.calibration for one in found):
        console.print(machines_table(found))
    for spread in nodes.spreads(rows):
        console.print(nodes.sentence(spread), markup=False, soft_wrap=True)


def _failed(journal: Journal) -> int:
    names = journal.finished()
    found = [journal.folder.load(name) or {} for name in names.values()]
    failed = any(result.get("status") != "succeeded" for result in found)
    return int(failed or bool(journal.head().get("invalid")) or len(names) < len(journal.runs()))


def follow(
    overviews: Overviews,
    console: Console,
    interval: float,
    wait: Callable[[float], str | None] | None = None,
) -> Overview:
    """Shows a campaign until it is over: a live view on a terminal, plain lines elsewhere.

    *wait* waits and returns the key that was pressed meanwhile; ``q`` ends it.
    """
    wait = wait or _wait
    seen = overviews.look()
    if not (console.is_terminal and os.environ.get("TERM", "dumb") != "dumb"):
        return _follow_plainly(overviews, seen, interval)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not seen.over:
            live.update(reports.screen(seen, console.size.height), refresh=True)
            if wait(interval) == "q":
                break
            seen = overviews.look()
    return seen


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _follow_plainly(overviews: Overviews, seen: Overview, interval: float) -> Overview:
    said, at = "", 0.0
    while not seen.over:
        line, now = reports.headline(seen), time.monotonic()
        if line != said or now - at >= PLAIN_EVERY_SECONDS:
            said, at = line, now
            click.echo(f"{time.strftime('%H:%M:%S')}  {reports.plain(seen)}")
            sys.stdout.flush()
        time.sleep(interval)
        seen = overviews.look()
    return seen


def cancel(root: Path, wanted: str | None, results: str | None) -> int:
    """``energyctl cancel``; returns the exit code."""
    journal = find(Workspace(root), wanted, results)
    slurm.require()
    done = ending.cancel(journal, lambda line: click.echo(line, err=True))
    for line in done:
        click.echo(line)
    click.echo(f"{journal.name}: nothing is left in the queue")
    return 0
