"""What people see while a campaign runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from energyctl.campaign.observer import View
from energyctl.cli.output.run_view import headline, job_lines, power
from energyctl.cli.output.tables import presence, total_energy
from energyctl.results.phases import TRAINING, kind_of
from energyctl.text import duration, one_line

PLAIN_EVERY_SECONDS = 60.0
LAST_LINES_SECONDS = 10.0


class SturdyConsole(Console):
    """A console whose reader may go away: rich would end the whole program then."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def make_console() -> Console:
    """Standard output: a terminal at its width, a file or pipe at 120 columns (COLUMNS wins)."""
    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return SturdyConsole(highlight=False, width=120 if plain else None)


@dataclass
class Progress:
    """The observer of ``run`` and ``resume``. Use as a context manager."""

    console: Console
    total: int
    """Runs of the plan, by which they are numbered."""

    planned: int
    """Runs that are done now."""

    live: bool
    ends: float | None = None
    """When the campaign is expected to end (Unix seconds), where that is known: from finished
    runs of its kind at first, then from its own."""

    _live: Live | None = None
    _view: View | None = None
    _said: tuple[str, int] = ("", 0)
    _plain: float = 0.0
    _finished: int = 0
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
            return
        now, said = time.monotonic(), (view.phase, view.index * 1000 + view.attempt)
        if said != self._said or now - self._plain >= PLAIN_EVERY_SECONDS:
            self._said, self._plain = said, now
            parts = [headline(view, self.total, self.ends), power(view), *job_lines(view)]
            if view.moving:
                parts.append(view.moving)
            if kind_of(view.phase) in TRAINING and view.last_line:
                parts.append(f"> {one_line(view.last_line)}")
            self.say(" | ".join(parts))

    def say(self, text: str) -> None:
        """One line with the time. Returns at once, whatever becomes of the output."""
        self._lines.put(Text(f"{time.strftime('%H:%M:%S')}  {text}"))

    def _print(self) -> None:
        """Prints in a thread of its own: a reader that stalls (Ctrl-S, a pager) or is gone must
        neither hold up a measurement nor end it."""
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError):
                # A terminal would break a line inside a number; a log shall have it whole.
                self.console.print(line, soft_wrap=not self.console.is_terminal)

    def finished(self, index: int, result: Mapping[str, Any]) -> None:
        self._finished += 1
        left = self.planned - self._finished
        each = (time.time() - self._began) / self._finished
        self.ends = time.time() + left * each
        training = result["foreground_result"]
        parts = [
            f"run {index} of {self.total} {result['status']}",
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
        lines: list[Text] = [
            Text(headline(view, self.total, self.ends), style="bold"),
            Text(power(view)),
        ]
        lines += [Text(line) for line in job_lines(view)[:12]]
        if len(view.jobs) > 12:
            lines.append(Text(f"… and {len(view.jobs) - 12} more background jobs"))
        if view.moving:
            lines.append(Text(view.moving, style="yellow"))
        if view.last_line:
            lines.append(Text(f"> {one_line(view.last_line)}", style="dim"))
        return Group(*lines)
