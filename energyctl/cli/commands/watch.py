"""The command ``watch``."""

from __future__ import annotations

import os

import click

from energyctl.cli import options
from energyctl.cli.output.lines import say_once, show
from energyctl.system.workspace import Workspace


@click.command()
@click.option("--once", is_flag=True, help="Show it once, and end.")
@options.interval(1.0, 0.2)
@click.pass_obj
def watch(workspace: Workspace, once: bool, interval: float) -> int:
    """Watch the campaign that runs in this workspace.

    It shows how far it is, phase, power, GPUs, background, progress, warnings and queue; of a
    campaign on a cluster all runs, where they are and how far, and when it will end.

    It reads files only, and cannot disturb the run; begin it again whenever you like. q or Ctrl-C
    ends it; l, j and r show log, jobs and runs alone, Esc goes back. It ends with the campaign:
    with 0, or with 1 where the campaign died. In a pipe it prints a line for each change.
    """
    from energyctl.campaign.watcher import Watcher
    from energyctl.cli import follow
    from energyctl.cli.output import slurm
    from energyctl.slurm.overview import Overviews

    os.nice(10)
    watcher = Watcher(workspace, say_once)
    journal = watcher.journal_of_cluster()
    if journal is None:
        return follow.show_once(watcher) if once else follow.follow(watcher, interval)
    overviews = Overviews(journal)
    if once:
        show(*slurm.status_lines(overviews.look()))
    else:
        follow.watch_cluster(overviews, interval)
    return 0
