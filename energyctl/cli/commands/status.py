"""The command ``status``."""

from __future__ import annotations

import click

from energyctl.cli import options
from energyctl.cli.output.lines import show
from energyctl.system.workspace import Workspace
from energyctl.text import json_text


@click.command()
@options.as_json
@click.pass_obj
def status(workspace: Workspace, as_json: bool) -> int:
    """Show the daemon, the background, the current run, the power.

    Of a campaign on a cluster it shows every run, where it is and how far.
    """
    from energyctl.campaign.status import status_of
    from energyctl.cli.output import slurm
    from energyctl.cli.output.status import status_lines
    from energyctl.cli.result_arguments import results_folder
    from energyctl.slurm.overview import Overviews, newest

    here, journal = status_of(workspace.root), newest(results_folder(workspace, None))
    across_nodes = None if journal is None else Overviews(journal).look()
    if as_json:
        cluster = None if across_nodes is None else across_nodes.to_json()
        click.echo(json_text({**here, "cluster": cluster}))
        return 0
    show(*status_lines(here))
    if across_nodes is not None:
        show(*slurm.status_lines(across_nodes))
    return 0
