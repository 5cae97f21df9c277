"""The command ``run-task``: what a job of `submit` calls on its node."""

from __future__ import annotations

import click

from energyctl.cli import options
from energyctl.errors import Interrupted
from energyctl.system.workspace import Workspace
from energyctl.text import count


@click.command("run-task", hidden=True)
@click.argument("campaign")
@click.argument("index", type=click.IntRange(min=1))
@options.results
@options.textfile
@options.metrics_port
@click.pass_obj
def run_task(
    workspace: Workspace,
    campaign: str,
    index: int,
    folder: str | None,
    textfile: str | None,
    metrics_port: int | None,
) -> int:
    """Do the runs of one task of a campaign on a cluster.

    The jobs of `submit` call it on their nodes. INDEX counts from 1.
    """
    from energyctl.cli.conduct import checked_exports, exported
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.ending import show_end
    from energyctl.cli.output.live import Progress
    from energyctl.cli.result_arguments import results_folder
    from energyctl.slurm import commands, task

    exports = checked_exports(workspace, textfile, metrics_port)
    console = make_console()
    results = results_folder(workspace, folder)
    with Progress(console, 0, 0, live=False) as progress:
        mine = task.load(workspace, results, campaign, index, progress)
        start = f", start {mine.here.restarts + 1}" if mine.here.restarts else ""
        where = f"on {mine.here.node}, job {mine.here.job}{start}"
        todo = f"{mine.left} of {count(mine.runs, 'run')} to do"
        console.print_line(f"task {index} of {mine.journal.name} {where}: {todo}")
        progress.last, progress.planned = mine.journal.runs()[-1].index, mine.left
        if not mine.left:
            return 0
        name = mine.campaign.settings.experiment_name
        with exported(progress, exports, name, mine.left) as observer:
            outcome = task.carry_out(mine, observer, progress.expected_end)
    goes_on = outcome.interrupted is not None and task.goes_on(mine, outcome)
    if goes_on:  # first of all: little time is left, and Slurm ends us as soon as it is asked
        console.print_line(
            "the time limit is near: back into the queue, for the runs that are left"
        )
        commands.requeue(mine.here.job)
    show_end(console, outcome.results, mine.journal.folder.root)
    for line in outcome.paused:
        console.print_line(line)
    if outcome.interrupted is None:
        failed = any(result["status"] != "succeeded" for result in outcome.results)
        return int(failed or bool(outcome.paused))
    if not goes_on and outcome.interrupted == commands.WARNED:
        console.print_line(
            "the time limit is near, and no run was finished within it: give the tasks more time "
            f"with: {mine.journal.resume_command} --sbatch time=…",
        )
    return Interrupted.exit_code
