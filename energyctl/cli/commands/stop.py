"""The command ``stop``."""

from __future__ import annotations

import click

from energyctl.errors import MachineError
from energyctl.system.workspace import Workspace


@click.command()
@click.option(
    "--job", metavar="ID", help="End what this job of Slurm left here, whatever the workspace."
)
@click.pass_obj
def stop(workspace: Workspace, job: str | None) -> int:
    """End every background job, and prove that nothing is left.

    The background jobs are those of this workspace.
    """
    from energyctl.campaign.stop import stop_everything, stop_job

    done, left = stop_job(job) if job else stop_everything(workspace)
    for line in done:
        click.echo(line)
    if left:
        raise MachineError(f"not ended: {', '.join(left)}")
    click.echo("nothing is running" if not done else "nothing is left")
    return 0
