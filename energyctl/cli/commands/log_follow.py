"""The command ``log-follow``: what a campaign with `log_to` starts."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from energyctl.cli import options
from energyctl.system.workspace import Workspace

if TYPE_CHECKING:
    from energyctl.config.settings.log_to import Tracker


@click.command("log-follow", hidden=True)
@options.log_to
@options.log_uri
@options.log_experiment
@options.results
@click.pass_obj
def log_follow(
    workspace: Workspace, to: Tracker, uri: str | None, experiment: str | None, folder: str | None
) -> int:
    """Log the runs of a campaign while it goes on.

    Started by `run` and `resume` where the settings have `log_to`; they tell it what to do.
    """
    from energyctl.cli.result_arguments import results_folder
    from energyctl.integrations.log_follower import Follower
    from energyctl.integrations.store import Target

    events = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no event

    def tell(event: dict[str, Any]) -> None:
        os.write(events, json.dumps(event).encode() + b"\n")

    target = Target(to, uri, experiment)
    root = results_folder(workspace, folder).root
    try:
        Follower(target, root, sys.stdin.fileno(), tell).follow()
    except Exception as error:
        tell({"crashed": f"{type(error).__name__}: {error}"})
        raise
    return 0
