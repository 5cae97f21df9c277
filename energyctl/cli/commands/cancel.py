"""The command ``cancel``."""

from __future__ import annotations

import click

from energyctl.cli import options
from energyctl.cli.output.lines import show
from energyctl.system.workspace import Workspace


@click.command()
@options.campaign
@options.results
@click.pass_obj
def cancel(workspace: Workspace, campaign: str | None, folder: str | None) -> int:
    """End a campaign on a cluster.

    Without CAMPAIGN, it takes the newest. It returns once nothing of it is left in the queue.
    """
    from energyctl.cli.result_arguments import results_folder
    from energyctl.slurm import commands, finish
    from energyctl.slurm.overview import find

    journal = find(results_folder(workspace, folder), campaign)
    commands.require()
    for line in finish.cancel(journal, lambda line: show(line, err=True)):
        show(line)
    show(f"{journal.name}: nothing is left in the queue")
    return 0
