"""Logs results to a tracker, and says what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from energyctl.cli.output.lines import say, show
from energyctl.cli.progress import ProgressBar
from energyctl.config.settings import Settings
from energyctl.errors import EnergyctlError
from energyctl.integrations.log_to import target_of
from energyctl.integrations.logging_runs import log_pages, log_runs
from energyctl.integrations.opening import open_store
from energyctl.integrations.store import Target
from energyctl.results.api import Runs, load_files
from energyctl.text import count


def log_results(runs: Runs, target: Target, folder: Path, *, page: bool = True) -> bool:
    """Whether all *runs* are logged now. *folder*: of the results. Raises EnergyctlError."""
    store = open_store(target, folder, say)
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
    return not (runs.problems or logged.problems)


def log_collected(settings: Settings, folder: Path, paths: Iterable[Path]) -> None:
    """The results of a campaign on a cluster, where its settings say `log_to`. Never raises: how
    the campaign ended does not depend on it."""
    if settings.log_to is None:
        return
    try:
        log_results(load_files(paths, say), target_of(settings.log_to), folder)
    except EnergyctlError as error:
        say(f"warning: not all runs are logged: {error}")
