"""The command ``stop``."""

from __future__ import annotations

import click

from energyctl.cli.output.lines import say, show
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
    from energyctl.system import privileges
    from energyctl.system.lock import lock_problem

    if not job:  # of any user, each with their rights
        privileges.give_up(control=True, cgroup=True)
    if problem := lock_problem():
        say(problem)
    done, left = stop_job(job) if job else stop_everything(workspace)
    for line in done:
        show(line)
    if left:
        raise MachineError(f"not ended: {', '.join(left)}")
    show("nothing is running" if not done else "nothing is left")
    return 0
