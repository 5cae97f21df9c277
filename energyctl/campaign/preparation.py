"""What the registry's `prepare` does before a campaign's first run: data and weights are fetched.

Each repository's runs once per campaign, in its clone, before anything else is started, and is not
metered.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing

from energyctl.campaign.journal import Journal
from energyctl.campaign.run_state import Context
from energyctl.campaign.training import preflight
from energyctl.campaign.training.unmetered_command import run_preparation
from energyctl.config.plan import Run
from energyctl.config.registry import Repository
from energyctl.errors import SettingsError
from energyctl.results.paths import prepare_log
from energyctl.system import processes
from energyctl.system.logs import OutputLog
from energyctl.text import duration, printable, safe_name

SHOWN_LINES = 5


class NotPrepared(SettingsError):
    """A repository's `prepare` failed; no run was started."""


def prepare_all(context: Context, journal: Journal, runs: Sequence[Run]) -> bool:
    """Prepares all repositories of *runs*; whether any had to be.

    One that was prepared before in this campaign is, where something is missing again. Raises
    NotPrepared and Interrupted.
    """
    done, trainings = journal.prepared(), context.trainings
    prepared = False
    for repository in _with_preparation(context, runs):
        its = [run for run in runs if repository.name in _repositories(run)]
        if repository.name in done and not preflight.check(its, trainings, prepared=True):
            continue
        _prepare(context, repository)
        prepared = True
        if missing := preflight.check(its, trainings, prepared=True):
            raise NotPrepared(*(f"{line}, although it was prepared" for line in missing))
        journal.append("prepared", repo=repository.name)
    return prepared


def _repositories(run: Run) -> list[str]:
    return [run.foreground.repo, *(job.training.repo for job in run.background)]


def _with_preparation(context: Context, runs: Sequence[Run]) -> list[Repository]:
    """Those that have one, in the order in which they are needed."""
    names = dict.fromkeys(name for run in runs for name in _repositories(run))
    used = [context.trainings.registry.repositories[name] for name in names]
    return [repository for repository in used if repository.prepare is not None]


def _prepare(context: Context, repository: Repository) -> None:
    """Raises NotPrepared."""
    began, monotonic = time.time(), time.monotonic()
    path = prepare_log(context.folder.root, repository.name, began)
    context.observer.say(f"preparing {repository.name}, not metered; its log: {path}")
    marker = processes.marker(context.nonce, f"prepare_{safe_name(repository.name)}", "foreground")
    cgroup = context.cgroup.part("foreground") if context.cgroup else None
    with closing(OutputLog(path)) as log:
        error = run_preparation(
            repository, context.trainings, log, marker, context.interrupts, cgroup
        )
        last_lines = log.last_lines(SHOWN_LINES)
    if error is not None:
        line = f"{repository.name}: prepare failed: {error}; no run was started; its log: {path}"
        raise NotPrepared(line, *(f"> {printable(text)}" for text in last_lines))
    took = duration(time.monotonic() - monotonic)
    context.observer.say(f"{repository.name} is prepared, in {took}")
