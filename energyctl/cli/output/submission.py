"""What a campaign on a cluster is submitted as, and what may go wrong with it."""

from __future__ import annotations

from collections.abc import Sequence

import click

from energyctl.campaign.journal import Journal
from energyctl.cli.output.console import LineConsole
from energyctl.cli.output.lines import say
from energyctl.config.plan import Run
from energyctl.config.registry import Registry
from energyctl.config.settings import Settings, Slurm
from energyctl.config.settings.slurm import seconds_of
from energyctl.errors import MachineError
from energyctl.results.folder import ResultsFolder
from energyctl.slurm import commands, submit
from energyctl.slurm.arrays import arrays, ranges, task_numbers
from energyctl.slurm.submit import Submission
from energyctl.system.workspace import Workspace
from energyctl.text import count, duration, safe_name

USUAL_LARGEST_INDEX = 1000
CALIBRATION_SECONDS = 30.0
"""Ten idle seconds, the training, and what is around them."""


def show_submitted(
    console: LineConsole,
    journal: Journal,
    submissions: Sequence[Submission],
    runs: int,
    wanted: Slurm,
) -> None:
    """The jobs of Slurm that do so many *runs*, and what to type next."""
    for submission in submissions:
        tasks = submission.array.tasks
        at_once = f", at most {wanted.nodes_at_once} at once" if wanted.nodes_at_once else ""
        what = f"{count(len(tasks), 'task')} ({ranges(tasks)})"
        console.print_line(f"submitted job {submission.job}: {what}{at_once}")
    name = journal.name
    console.print_line(f"{name}: {count(runs, 'run')}")
    console.print_line(
        f"next: energyctl status, energyctl collect {name}, or energyctl cancel {name}"
    )


def print_scripts(
    workspace: Workspace, name: str, folder: ResultsFolder, runs: Sequence[Run], wanted: Slurm
) -> None:
    """The scripts alone on standard output."""
    try:
        commands.require()
        planned = submit.planned(runs, runs, wanted)
    except MachineError as error:
        say(str(error))
        tasks = task_numbers(runs, wanted.runs_per_task)
        planned = arrays(set(tasks.values()), USUAL_LARGEST_INDEX)
    journal = folder.campaigns / f"DATE_TIME_{safe_name(name)}.jsonl"
    for array in planned:
        click.echo(submit.script(workspace, name, journal, array, wanted))
    say("dry run: nothing was submitted")


def warn_of_time_limit(
    runs: Sequence[Run], estimates: Sequence[float | None], settings: Settings, wanted: Slurm
) -> None:
    """Where a task will not come to its end within its time limit."""
    limit = None if wanted.time is None else seconds_of(wanted.time)
    longest = _longest_task(runs, estimates, settings, wanted.runs_per_task)
    if limit is not None and longest is not None and longest > limit - wanted.warning_seconds:
        say(
            f"warning: a task takes about {duration(longest)}, and ends itself "
            f"{wanted.warning_seconds} s before its limit of {duration(limit)}: give it more "
            "(--sbatch time=…), or fewer runs (--runs-per-task)"
        )


def _longest_task(
    runs: Sequence[Run], estimates: Sequence[float | None], settings: Settings, size: int
) -> float | None:
    """Seconds of the longest task; None where some run's are not known."""
    task_of = task_numbers(runs, size)
    tasks: dict[int, float] = {}
    for run, seconds in zip(runs, estimates, strict=True):
        if seconds is None:
            return None
        task = task_of[run.index]
        rest = settings.cooldown_seconds if task in tasks else 0.0
        tasks[task] = tasks.get(task, 0.0) + seconds + rest
    calibration = CALIBRATION_SECONDS if settings.calibration else 0.0
    return max(tasks.values()) + calibration if tasks else None


def warn_of_shared_clones(runs: Sequence[Run], known: Registry, wanted: Slurm) -> None:
    """Two nodes that train in one clone may write over each other."""
    if wanted.nodes_at_once == 1:
        return
    used = {t.repo for run in runs for t in (run.foreground, *(j.training for j in run.background))}
    for name in sorted(used):
        if known.repositories[name].workspace == "in_place":
            say(
                f"warning: {name} trains in its clone, on several nodes at the same "
                'time; if it writes there, give it "workspace": "links" or "copy" in the registry'
            )
