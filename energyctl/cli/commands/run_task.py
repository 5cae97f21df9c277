"""What `run-task` does, on a node of a cluster."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from energyctl import text as words
from energyctl.campaign.campaign import Outcome
from energyctl.cli.commands import run as conducting
from energyctl.cli.output import tables
from energyctl.cli.output.live import Progress, make_console
from energyctl.slurm import commands as slurm
from energyctl.slurm import task
from energyctl.slurm.commands import WARNED
from energyctl.system.workspace import Workspace

INTERRUPTED = 130


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
    elif outcome.interrupted == WARNED:
        console.print(
            "the time limit is near, and no run was finished within it: give the tasks more time "
            f"with: {mine.journal.resume_command} --sbatch time=…",
            markup=False,
            soft_wrap=True,
        )
    return INTERRUPTED
