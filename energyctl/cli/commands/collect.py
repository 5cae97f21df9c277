"""What `collect`, `cancel` and a look across nodes do."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from energyctl.analysis import machines as nodes
from energyctl.campaign import journal as journals
from energyctl.campaign.journal import Journal
from energyctl.cli.commands import run as conducting
from energyctl.cli.commands.submit import failed
from energyctl.cli.output import slurm as reports
from energyctl.cli.output import tables
from energyctl.cli.output.live import make_console
from energyctl.cli.output.machines import machines_table
from energyctl.errors import SettingsError
from energyctl.results import calibrations
from energyctl.results.tables import Part, run_row
from energyctl.slurm import Attempts, Overview, Overviews
from energyctl.slurm import commands as slurm
from energyctl.slurm import finish as ending
from energyctl.system.workspace import Workspace

PLAIN_EVERY_SECONDS = 60.0


def find(workspace: Workspace, wanted: str | None, results: str | None) -> Journal:
    """The journal of a campaign on a cluster. Raises SettingsError where it runs elsewhere."""
    journal = journals.find(conducting.results_folder(workspace, results), wanted)
    if journal.cluster is None:
        raise SettingsError(
            f"{journal.name} runs on one machine, not on a cluster; energyctl status shows it"
        )
    return journal


def collect(root: Path, wanted: str | None, results: str | None, interval: float) -> int:
    """``energyctl collect``; returns the exit code of the campaign."""
    journal = find(Workspace(root), wanted, results)
    slurm.require()
    overviews, console = Overviews(journal), make_console()
    follow(overviews, console, interval)
    for line in ending.settle(journal):
        console.print(line, markup=False, soft_wrap=True)
    seen = _last_look(overviews)
    names = journal.finished()
    found = [journal.folder.load(names[index]) or {} for index in sorted(names)]
    if found:
        console.print(tables.closing_table(found))
    for text in tables.warnings_of(found):
        console.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)
    _show_machines(console, journal, found)
    console.print(f"results: {journal.folder.root}", markup=False, soft_wrap=True)
    console.print(reports.headline(seen), markup=False, soft_wrap=True)
    for line in reports.advice(seen):
        console.print(line, style="yellow", markup=False, soft_wrap=True)
    return 1 if seen.count("missing", "unknown") else failed(journal)


def _last_look(overviews: Overviews) -> Overview:
    """Once the results are seen that other machines put into their place: a client of a shared
    file system may believe for a while that they are not there."""
    attempts = Attempts(overviews.journal.folder, overviews.journal)
    deadline = time.monotonic() + attempts.claims.stale_seconds
    while True:
        attempts.refresh()
        seen = overviews.look()
        done = {run.index for run in seen.runs if run.state in ("succeeded", "failed")}
        if {*attempts.claims.decisions()} <= done or time.monotonic() > deadline:
            return seen
        time.sleep(2.0)


def _show_machines(
    console: Console, journal: Journal, results: Sequence[Mapping[str, Any]]
) -> None:
    """What the nodes are, where there are several, and how far they differ."""
    rows = [run_row(Part(dict(result), ""), "") for result in results if result]
    found = nodes.machines(rows, calibrations.of_campaign(journal.folder.root, journal.name))
    if len(found) > 1 or any(one.calibration for one in found):
        console.print(machines_table(found))
    for spread in nodes.spreads(rows):
        console.print(nodes.sentence(spread), markup=False, soft_wrap=True)


def follow(
    overviews: Overviews,
    console: Console,
    interval: float,
    wait: Callable[[float], str | None] | None = None,
) -> Overview:
    """Shows a campaign until it is over: a live view on a terminal, plain lines elsewhere.

    *wait* waits and returns the key that was pressed meanwhile; ``q`` ends it.
    """
    wait = wait or _wait
    seen = overviews.look()
    if not (console.is_terminal and os.environ.get("TERM", "dumb") != "dumb"):
        return _follow_plainly(overviews, seen, interval)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not seen.over:
            live.update(reports.screen(seen, console.size.height), refresh=True)
            if wait(interval) == "q":
                break
            seen = overviews.look()
    return seen


def _wait(seconds: float) -> None:
    time.sleep(seconds)


def _follow_plainly(overviews: Overviews, seen: Overview, interval: float) -> Overview:
    said, at = "", 0.0
    while not seen.over:
        line, now = reports.headline(seen), time.monotonic()
        if line != said or now - at >= PLAIN_EVERY_SECONDS:
            said, at = line, now
            click.echo(f"{time.strftime('%H:%M:%S')}  {reports.plain(seen)}")
            sys.stdout.flush()
        time.sleep(interval)
        seen = overviews.look()
    return seen


def cancel(root: Path, wanted: str | None, results: str | None) -> int:
    """``energyctl cancel``; returns the exit code."""
    journal = find(Workspace(root), wanted, results)
    slurm.require()
    done = ending.cancel(journal, lambda line: click.echo(line, err=True))
    for line in done:
        click.echo(line)
    click.echo(f"{journal.name}: nothing is left in the queue")
    return 0
