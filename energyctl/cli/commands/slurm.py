"""The commands for clusters: submit, run-task, collect, cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from energyctl.cli.commands import completion as completing
from energyctl.cli.commands.campaign import numbers

_results = click.option("--results", metavar="DIR", help="Another results folder.")
_campaign = click.argument("campaign", required=False, shell_complete=completing.campaigns)
sbatch_option = click.option(
    "--sbatch",
    metavar="KEY=VALUE",
    multiple=True,
    help="An option of sbatch, as partition=gpu, over the file's section `slurm`. Repeatable.",
)


@click.command()
@click.argument("file", shell_complete=completing.settings_files)
@sbatch_option
@click.option(
    "--runs-per-task", metavar="N", type=click.IntRange(min=1), help="So many runs in each task."
)
@click.option(
    "--nodes", "at_once", metavar="N", type=click.IntRange(min=1), help="So many tasks at once."
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the drawn values.")
@click.option("--dry-run", is_flag=True, help="Print what sbatch would be given; submit nothing.")
@click.option("--strict", is_flag=True, help="Submit nothing if any experiment is invalid.")
@click.option("--only", metavar="N[,N]", callback=numbers, help="Only these runs of the plan.")
@_results
@click.option("--models", metavar="FILE", help="Another model registry.")
@click.option("--rendered", metavar="DIR", help="Use the entries that `render` wrote there.")
@click.pass_obj
def submit(root: Path, /, file: str, **options: Any) -> int:
    """Run a settings FILE on a Slurm cluster: a task for each run, each alone on its node.

    Everything is checked as `run` does. `status` and `watch` show how it goes, `collect` waits for
    the end, `cancel` ends it, `resume` submits what is missing.
    """
    from energyctl.cli.commands import submit as submitting

    return submitting.submit(root, file, options)


@click.command("run-task")
@click.argument("campaign")
@click.argument("index", type=click.IntRange(min=1))
@_results
@click.pass_obj
def run_task(root: Path, campaign: str, index: int, results: str | None) -> int:
    """Do the runs of task INDEX of a CAMPAIGN: what a job of `submit` calls on its node."""
    from energyctl.cli.commands import run_task as tasking

    return tasking.run_task(root, campaign, index, results)


@click.command()
@_campaign
@_results
@click.option(
    "--interval",
    metavar="S",
    type=click.FloatRange(0.5, 3600),
    default=5.0,
    show_default=True,
    help="Seconds between two looks at the queue.",
)
@click.pass_obj
def collect(root: Path, campaign: str | None, results: str | None, interval: float) -> int:
    """Wait until a CAMPAIGN on a cluster is over, then show what `run` would show at its end."""
    from energyctl.cli.commands import collect as collecting

    return collecting.collect(root, campaign, results, interval)


@click.command()
@_campaign
@_results
@click.pass_obj
def cancel(root: Path, campaign: str | None, results: str | None) -> int:
    """End a CAMPAIGN on a cluster, and prove that nothing of it is left in the queue."""
    from energyctl.cli.commands import collect as collecting

    return collecting.cancel(root, campaign, results)


COMMANDS = (submit, run_task, collect, cancel)
