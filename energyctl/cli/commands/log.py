"""The command ``log``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from energyctl.cli import options
from energyctl.cli.output.lines import say, show
from energyctl.cli.progress import ProgressBar
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace
from energyctl.text import count

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
    from energyctl.cli.result_arguments import load_runs, results_folder
    from energyctl.integrations.logging_runs import log_pages, log_runs
    from energyctl.integrations.store import Target, open_store, require

    target = Target(to, uri, experiment)
    require(target.to)
    runs = load_runs(workspace, results, folder)
    if not runs:
        raise SettingsError("no result could be read: nothing to log")
    store = open_store(target, results_folder(workspace, folder).root, say)
    try:
        with ProgressBar("logging runs") as steps:
            logged = log_runs(store, runs, target.to, say, steps)
        if page:
            with ProgressBar("logging pages"):
                log_pages(store, runs, logged, say)
    finally:
        store.close()
    parts = [f"{count(logged.count('logged'), 'run')} logged"]
    parts += [f"{number} updated"] if (number := logged.count("updated")) else []
    parts += [f"{number} there already"] if (number := logged.count("there")) else []
    pages = [one for one in logged.pages.values() if one != "there"]
    parts += [count(len(pages), "page")] if pages else []
    show(f"{target.title}, {store.place}: {', '.join(parts)}")
    return int(bool(runs.problems or logged.problems))
