"""The command ``collect``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from energyctl.cli import options
from energyctl.system.workspace import Workspace

if TYPE_CHECKING:
    from energyctl.campaign.journal import Journal
    from energyctl.cli.output.console import LineConsole
    from energyctl.results.schema import Result
    from energyctl.slurm import Overview, Overviews


@click.command()
@options.campaign
@options.results
@options.interval(5.0, 0.5)
@click.pass_obj
def collect(workspace: Workspace, campaign: str | None, folder: str | None, interval: float) -> int:
    """Wait until a campaign on a cluster is over.

    Without CAMPAIGN, it takes the newest. At the end it shows what `run` would show, and exits as
    `run` would.
    """
    from energyctl.cli.follow import follow_cluster
    from energyctl.cli.output.campaign import show_results
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.slurm import advice, headline
    from energyctl.cli.result_arguments import results_folder
    from energyctl.slurm import Overviews, commands, find, finish

    journal = find(results_folder(workspace, folder), campaign)
    commands.require()
    overviews, console = Overviews(journal), make_console()
    follow_cluster(overviews, console, interval)
    for line in finish.settle(journal):
        console.print_line(line)
    seen, results = _last_look(overviews), journal.results()
    show_results(console, results)
    _show_machines(console, journal, results)
    console.print_line(f"results: {journal.folder.root}")
    console.print_line(headline(seen))
    for line in advice(seen):
        console.print_line(line, "yellow")
    return int(bool(seen.count("missing", "unknown")) or not journal.succeeded())


def _last_look(overviews: Overviews) -> Overview:
    """Once the results are seen that other machines put into their place: a client of a shared
    file system may believe for a while that they are not there."""
    from energyctl.slurm import Tries

    attempts = Tries(overviews.journal.folder, overviews.journal)
    deadline = time.monotonic() + attempts.claims.stale_seconds
    while True:
        attempts.refresh()
        seen = overviews.look()
        done = {run.index for run in seen.runs if run.state in ("succeeded", "failed")}
        if {*attempts.claims.decisions()} <= done or time.monotonic() > deadline:
            return seen
        time.sleep(2.0)


def _show_machines(console: LineConsole, journal: Journal, results: Sequence[Result]) -> None:
    """What the nodes are, where there are several, and how far they differ."""
    from energyctl.analysis import machines
    from energyctl.cli.output.machines import machines_table
    from energyctl.results import calibrations
    from energyctl.results.tables import Part, run_row

    rows = [run_row(Part(dict(result), ""), "") for result in results]
    nodes = machines.machines(rows, calibrations.of_campaign(journal.folder.root, journal.name))
    if len(nodes) > 1 or any(node.calibration for node in nodes):
        console.print(machines_table(nodes))
    for spread in machines.spreads(rows):
        console.print_line(machines.sentence(spread))
