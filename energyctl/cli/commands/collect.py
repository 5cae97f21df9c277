"""The command ``collect``."""

from __future__ import annotations

import click

from energyctl.cli import options
from energyctl.system.workspace import Workspace


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
    from energyctl.campaign.campaign import checked_settings
    from energyctl.cli.follow import follow_cluster, look_until_settled
    from energyctl.cli.log_results import log_collected
    from energyctl.cli.notice import Notice, status_of
    from energyctl.cli.output.console import make_console
    from energyctl.cli.output.ending import show_end
    from energyctl.cli.output.machines import show_machines
    from energyctl.cli.output.slurm import advice, headline
    from energyctl.cli.result_arguments import results_folder
    from energyctl.results.paths import RunFiles
    from energyctl.slurm import commands, finish
    from energyctl.slurm.overview import Overviews, find

    journal = find(results_folder(workspace, folder), campaign)
    commands.require()
    overviews, console = Overviews(journal), make_console()
    follow_cluster(overviews, console, interval)
    for line in finish.settle(journal):
        console.print_line(line)
    seen, results = look_until_settled(overviews), journal.results()
    show_end(console, results, journal.folder.root)
    show_machines(console, journal, results)
    console.print_line(f"results: {journal.folder.root}")
    console.print_line(headline(seen))
    for line in advice(seen):
        console.print_line(line, "yellow")
    code = int(bool(seen.count("missing", "unknown")) or not journal.succeeded())
    settings = checked_settings(journal.head(), str(journal.path))[1]
    root, names = journal.folder.root, journal.finished().values()
    log_collected(settings, root, [RunFiles.of(root, name).result for name in names])
    if notice := Notice.of(settings, workspace.root):
        notice.tell(status_of(code), code, journal, results)
    return code
