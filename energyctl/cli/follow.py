"""Follows a campaign until it is over: on this machine, or across the nodes of a cluster.

A terminal gets a live view, a pipe or a file a line for each change and one each minute.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live

from energyctl.campaign.watcher import Scene, Watcher
from energyctl.cli.keys import ESCAPE, KeyReader
from energyctl.cli.output import slurm, watch
from energyctl.cli.output.console import can_draw, make_console
from energyctl.cli.output.ending import show_end
from energyctl.cli.output.lines import show
from energyctl.cli.output.live import PLAIN_EVERY_SECONDS
from energyctl.cli.output.scene_head import closing, died
from energyctl.slurm.attempts import Tries
from energyctl.slurm.overview import Overview, Overviews

SLURM_SECONDS = 5.0
"""At least, between two looks of `watch`: each asks Slurm's controller, which many people share."""

LINES = 5
"""Of the training's log, where the height of the terminal is no limit."""


# -- on this machine ---------------------------------------------------------------------------


def show_once(watcher: Watcher) -> int:
    """What is to be seen now; 1 where the campaign has died."""
    scene = watcher.look(LINES)
    if can_draw():
        console = make_console()
        console.print(watch.screen(scene, console.width, 200))
    else:
        show(watch.plain(scene))
    return int(scene.dead)


def follow(watcher: Watcher, interval: float) -> int:
    """Until the campaign ends, or q; 1 where it has died."""
    if not can_draw():
        return _lines(watcher, interval)
    console, began, full = make_console(), False, ""
    scene = watcher.look(console.height)
    with KeyReader() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while not (began and (scene.view is None or scene.dead)):
            began = began or scene.view is not None
            size = console.size
            drawn = watch.screen(scene, size.width, size.height, full, watch.KEYS)
            live.update(drawn, refresh=True)
            key = keys.wait(interval)
            if key == "q":
                return 0
            full = watch.FULL.get(key, "" if key == ESCAPE else full) if key else full
            scene = watcher.look(size.height)
    return _end(scene, watcher)


def _lines(watcher: Watcher, interval: float) -> int:
    said, at = None, 0.0
    while True:
        scene = watcher.look(LINES)
        view = scene.view
        if view is None or scene.dead:
            return _end(scene, watcher if said else None)
        what, now = (view.index, view.attempt, view.phase), time.monotonic()
        if what != said or now - at >= PLAIN_EVERY_SECONDS:
            said, at = what, now
            show(f"{time.strftime('%H:%M:%S')}  {watch.plain(scene)}")
        time.sleep(interval)


def _end(scene: Scene, watcher: Watcher | None) -> int:
    """The last word, on a screen that stays; as of `run`, where *watcher* saw the campaign."""
    if scene.dead:
        show(died(scene))
        return 1
    closed = scene.closed
    if watcher is not None and closed is not None:
        journal = watcher.last_journal()
        if journal is not None:
            show_end(make_console(), journal.results(), journal.folder.root)
    show("no campaign runs" if closed is None else closing(closed, scene.now))
    return 0


# -- on a cluster ------------------------------------------------------------------------------


def watch_cluster(overviews: Overviews, interval: float) -> None:
    """Until the campaign is over, or q."""
    with KeyReader() as keys:
        every = max(interval, SLURM_SECONDS)
        seen = follow_cluster(overviews, make_console(), every, keys.wait)
    show(slurm.headline(seen))
    for line in slurm.advice(seen):
        show(line)


def follow_cluster(
    overviews: Overviews,
    console: Console,
    interval: float,
    wait: Callable[[float], str | None] = time.sleep,
) -> Overview:
    """Until the campaign is over; *wait* returns a key that was pressed, and ``q`` ends it."""
    seen = overviews.look()
    if not (console.is_terminal and os.environ.get("TERM", "dumb") != "dumb"):
        return _follow_plainly(overviews, seen, interval)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while not seen.over:
            live.update(slurm.screen(seen, console.size.height), refresh=True)
            if wait(interval) == "q":
                break
            seen = overviews.look()
    return seen


def _follow_plainly(overviews: Overviews, seen: Overview, interval: float) -> Overview:
    said, at = "", 0.0
    while not seen.over:
        line, now = slurm.headline(seen), time.monotonic()
        if line != said or now - at >= PLAIN_EVERY_SECONDS:
            said, at = line, now
            show(f"{time.strftime('%H:%M:%S')}  {slurm.plain(seen)}")
            sys.stdout.flush()
        time.sleep(interval)
        seen = overviews.look()
    return seen


def look_until_settled(overviews: Overviews) -> Overview:
    """Once the results are seen that other machines put into their place: a client of a shared
    file system may believe for a while that they are not there."""
    attempts = Tries(overviews.journal.folder, overviews.journal)
    deadline = time.monotonic() + attempts.claims.stale_seconds
    while True:
        attempts.refresh()
        seen = overviews.look()
        done = {run.index for run in seen.runs if run.state in ("succeeded", "failed")}
        if {*attempts.claims.decisions()} <= done or time.monotonic() > deadline:
            return seen
        time.sleep(2.0)
