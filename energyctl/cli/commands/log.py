"""The command ``log``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from energyctl.cli import options
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace

if TYPE_CHECKING:
    from energyctl.config.settings.log_to import Tracker


@click.command()
@options.result_files
@options.results
@options.log_to
@options.log_uri
@options.log_experiment
@click.option(
    "--page/--no-page", default=True, help="Log the page of each campaign, too (default: yes)."
)
@click.pass_obj
def log(
    workspace: Workspace,
    results: tuple[str, ...],
    folder: str | None,
    to: Tracker,
    uri: str | None,
    experiment: str | None,
    page: bool,
) -> int:
    """Log results to MLflow or Weights & Biases.

    Each result is a run there, with its energies, values, metrics and files; logged again, nothing
    changes. RESULTS are result files or folders of them (default: the results folder).
    docs/tracking.md has all names.
    """
    from energyctl.cli.log_results import log_results
    from energyctl.cli.result_arguments import load_runs, results_folder
    from energyctl.integrations.store import Target, require

    require(to)
    runs = load_runs(workspace, results, folder)
    if not runs:
        raise SettingsError("no result could be read: nothing to log")
    root = results_folder(workspace, folder).root
    return int(not log_results(runs, Target(to, uri, experiment), root, page=page))
