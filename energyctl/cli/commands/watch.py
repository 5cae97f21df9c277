"""The command ``watch``: a live view of a running campaign, from another terminal."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from energyctl.campaign.journal import Journal
    from energyctl.campaign.watcher import Scene, Watcher

PLAIN_EVERY_SECONDS = 60.0
LINES = 5
SLURM_SECONDS = 5.0


@click.command()
@click.option("--once", is_flag=True, help="Show what is to be seen now, and end.")
@click.option(
    "--interval",
    metavar="S",
    type=click.FloatRange(0.2, 3600),
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
@click.pass_obj
def watch(root: Path, once: bool, interval: float) -> int:
    """Watch the campaign that runs in this workspace: phase, power, background, progress, queue.

    Of a campaign on a cluster: all runs, where they are and how far, and when it will end.

    It reads files only, and cannot disturb the run; end it with q or Ctrl-C, and begin it again
    whenever you like. It ends with the campaign: with 0, or with 1 where the campaign died. In a
    pipe it prints a line for each change.
    """
    from energyctl.campaign.watcher import Watcher
    from energyctl.system.workspace import Workspace

    os.nice(10)
    watcher = Watcher(Workspace(root))
    journal = watcher.journal_of_cluster()
    if journal is not None:
        return _across_nodes(journal, once, interval)
    live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if once:
        return _once(watcher, live)
    return _follow(watcher, interval) if live else _lines(watcher, interval)


def _across_nodes(journal: Journal, once: bool, interval: float) -> int:
    from energyctl.cli.commands import collect as collecting
    from energyctl.cli.keys import Keys
    from energyctl.cli.output import slurm as reports
    from energyctl.cli.output.live import make_console
    from energyctl.slurm import Overviews

    overviews = Overviews(journal)
    if once:
        click.echo("\n".join(reports.status_lines(overviews.look())))
        return 0
    # Each look asks Slurm's controller, which many people share.
    with Keys() as keys:
        every = max(interval, SLURM_SECONDS)
        seen = collecting.follow(overviews, make_console(), every, keys.wait)
    click.echo(reports.headline(seen))
    for line in reports.advice(seen):
        click.echo(line)
    return 0


def _once(watcher: Watcher, live: bool) -> int:
    from energyctl.cli.output import watch as reports
    from energyctl.cli.output.live import make_console

    scene = watcher.look(LINES)
    if live:
        console = make_console()
        console.print(reports.screen(scene, console.width, 200))
    else:
        click.echo(reports.plain(scene))
    return int(scene.dead)


def _follow(watcher: Watcher, interval: float) -> int:
    """On a terminal, until the campaign ends, or q."""
    from rich.live import Live

    from energyctl.cli.keys import Keys
    from energyctl.cli.output import watch as reports
    from energyctl.cli.output.live import make_console

    console, seen, scene = make_console(), False, watcher.look(LINES)
    with Keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while not (seen and _is_over(scene)):
            seen = seen or scene.view is not None
            size = console.size
            live.update(reports.screen(scene, size.width, size.height), refresh=True)
            if keys.wait(interval) == "q":
                return 0
            scene = watcher.look(LINES)
    return _end(scene)


def _lines(watcher: Watcher, interval: float) -> int:
    """In a pipe or a log: a line for each phase, and one each minute."""
    from energyctl.cli.output import watch as reports

    said, at = None, 0.0
    while True:
        scene = watcher.look(LINES)
        view = scene.view
        if view is None or scene.dead:
            return _end(scene)
        what, now = (view.index, view.attempt, view.phase), time.monotonic()
        if what != said or now - at >= PLAIN_EVERY_SECONDS:
            said, at = what, now
            click.echo(f"{time.strftime('%H:%M:%S')}  {reports.plain(scene)}")
        time.sleep(interval)


def _is_over(scene: Scene) -> bool:
    return scene.view is None or scene.dead


def _end(scene: Scene) -> int:
    """The last word, on a screen that stays."""
    from energyctl.cli.output import watch as reports

    if scene.dead:
        click.echo(reports.died(scene))
        return 1
    closed = scene.closed
    click.echo("no campaign runs" if closed is None else reports.closing(closed, scene.now))
    return 0


COMMANDS = (watch,)
