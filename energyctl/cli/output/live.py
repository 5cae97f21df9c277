"""What people see while a campaign runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from energyctl.campaign.observer import View
from energyctl.campaign.time_left import TimeLeft
from energyctl.campaign.watcher import (
    HISTORY,
    SHOWN_DONE,
    CampaignProgress,
    FinishedRun,
    Scene,
    finished_run,
)
from energyctl.cli.output.run_view import plain_line, seconds_left
from energyctl.cli.output.tables import presence, total_energy
from energyctl.cli.output.watch import screen
from energyctl.config.plan import Run
from energyctl.results.conditions import condition_of
from energyctl.results.schema import Result
from energyctl.system.logs import last_lines
from energyctl.text import duration, printable

PLAIN_EVERY_SECONDS = 60.0
LAST_LINES_SECONDS = 10.0
ABOVE_LINES = 4
"""Lines of the terminal that stay free for what was printed last."""


@dataclass
class Progress:
    """The observer of ``run`` and ``resume``: the screen of ``watch``, drawn from what it is told.

    Use as a context manager.
    """

    console: Console
    last: int
    """The highest number of a run of the plan."""

    planned: int
    """Runs that are done now."""

    live: bool
    ends: float | None = None
    """When the campaign is expected to end by earlier runs of its kind (Unix seconds)."""

    name: str = "campaign"
    runs: Sequence[Run] = ()
    """The plan, where what comes next shall be shown."""

    _live: Live | None = None
    _view: View | None = None
    _last: tuple[object, ...] = ()
    _last_monotonic: float = 0.0
    _done: tuple[FinishedRun, ...] = ()
    _statuses: dict[int, str] = field(default_factory=dict)
    _power: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    _left: TimeLeft = field(default_factory=lambda: TimeLeft(time.time()))
    _lines: SimpleQueue[Text | None] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self._printer = threading.Thread(target=self._print, name="console", daemon=True)

    def __enter__(self) -> Progress:
        self._printer.start()
        if self.live:
            self._live = Live(
                console=self.console,
                get_renderable=self._draw,
                refresh_per_second=1,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._lines.put(None)
        self._printer.join(LAST_LINES_SECONDS)
        if self._live is not None:
            # It draws once more: what fails there says nothing of how the campaign ended.
            with contextlib.suppress(Exception):
                self._live.stop()

    def view(self, view: View) -> None:
        self._view = view
        if self.live:
            self._power = {
                domain: (*self._power.get(domain, ())[1 - HISTORY :], watts)
                for domain, watts in view.watts.items()
            }
            return
        now, place = time.monotonic(), (view.index, view.attempt, view.phase)
        if place != self._last or now - self._last_monotonic >= PLAIN_EVERY_SECONDS:
            self._last, self._last_monotonic = place, now
            self.say(plain_line(view, self.last, self.expected_end()))

    def expected_end(self) -> float | None:
        """When the campaign will have ended, as far as that can be told now (Unix seconds)."""
        self._left.planned, view = self.ends, self._view
        if view is None:
            return self.ends
        conditions = [run.condition for run in self._next_runs(view)]
        waiting = conditions if self.runs else [""] * (self.planned - len(self._done) - 1)
        if self.runs:  # a search plans its trials one after the other
            waiting += [""] * (self.planned - len(self.runs))
        now = time.time()
        return self._left.ends(now, view.condition, waiting, seconds_left(view, now))

    def _next_runs(self, view: View) -> list[Run]:
        return [run for run in self.runs if run.index > view.index]

    def say(self, text: str) -> None:
        """One line with the time. Returns at once, whatever becomes of the output."""
        self._lines.put(Text(printable(f"{time.strftime('%H:%M:%S')}  {text}")))

    def _print(self) -> None:
        """Prints in a thread of its own: a reader that stalls (Ctrl-S, a pager) or is gone must
        neither hold up a measurement nor end it."""
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(Exception):
                # Not broken inside a number: a log shall have the line whole.
                self.console.print(line, soft_wrap=not self.live)

    def finished(self, index: int, result: Result) -> None:
        self._done = (*self._done, finished_run(index, result))
        self._statuses = {**self._statuses, index: str(result["status"])}
        self._left.finished(condition_of(result), time.time())
        training = result["foreground_result"]
        parts = [
            f"run {index} of {self.last} {result['status']}",
            str(result["experiment_id"]),
            duration(training["duration"]),
            total_energy(result),
            presence(result),
            training["error"] or "",
        ]
        self.say("  ".join(part for part in parts if part))

    def _draw(self) -> Group:
        view = self._view
        if view is None:
            return Group(Text("starting"))
        size = self.console.size
        return screen(self._scene(view), size.width, max(10, size.height - ABOVE_LINES))

    def _scene(self, view: View) -> Scene:
        return Scene(
            now=time.time(),
            view=view,
            ends=self.expected_end(),
            run=next((run for run in self.runs if run.index == view.index), None),
            next_runs=self._next_runs(view),
            done=self._done[-SHOWN_DONE:],
            power=self._power,
            lines=last_lines(Path(view.log), self.console.size.height) if view.log else (),
            closed=CampaignProgress(
                self.name, self.planned, self.last, self._statuses, None, False, ""
            ),
        )
