"""What people see while a campaign runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from energyctl.campaign.observer import View
from energyctl.campaign.watcher import HISTORY, CampaignProgress, FinishedRun, Scene, finished_run
from energyctl.cli.output.run_view import plain_line
from energyctl.cli.output.tables import presence, total_energy
from energyctl.cli.output.watch import screen
from energyctl.config.plan import Run
from energyctl.results.schema import Result
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
    """When the campaign is expected to end (Unix seconds), where that is known: from finished
    runs of its kind at first, then from its own."""

    name: str = "campaign"
    runs: Sequence[Run] = ()
    """The plan, where what comes next shall be shown."""

    _live: Live | None = None
    _view: View | None = None
    _last: tuple[object, ...] = ()
    _last_monotonic: float = 0.0
    _done: tuple[FinishedRun, ...] = ()
    _power: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    _began: float = field(default_factory=time.time)
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
            with contextlib.suppress(OSError):
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
            self.say(plain_line(view, self.last, self.ends))

    def say(self, text: str) -> None:
        """One line with the time. Returns at once, whatever becomes of the output."""
        self._lines.put(Text(printable(f"{time.strftime('%H:%M:%S')}  {text}")))

    def _print(self) -> None:
        """Prints in a thread of its own: a reader that stalls (Ctrl-S, a pager) or is gone must
        neither hold up a measurement nor end it."""
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError):
                # A terminal would break a line inside a number; a log shall have it whole.
                self.console.print(line, soft_wrap=not self.console.is_terminal)

    def finished(self, index: int, result: Result) -> None:
        self._done = (*self._done, finished_run(index, result))
        left = self.planned - len(self._done)
        each = (time.time() - self._began) / len(self._done)
        self.ends = time.time() + left * each
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
        statuses = {one.index: one.status for one in self._done}
        return Scene(
            now=time.time(),
            view=view,
            ends=self.ends,
            run=next((run for run in self.runs if run.index == view.index), None),
            next_runs=[run for run in self.runs if run.index > view.index],
            done=self._done,
            power=self._power,
            lines=(view.last_line,) if view.last_line else (),
            closed=CampaignProgress(self.name, self.planned, self.last, statuses, None, False, ""),
        )
