"""The console that commands print to, and the tables on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from energyctl.text import printable


class LineConsole(Console):
    """Prints text as it is, whatever brackets it holds, and nothing in it commands the terminal.

    A string is one line, also in a table's cell; of a `Text`, line ends are kept. Its reader may
    go away: rich would end the whole program then.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text, style, control = segment
            if not control and not text.isprintable():
                text = "\n".join(printable(line) for line in text.split("\n"))
            yield Segment(text, style, control)

    def print_line(self, text: str, style: str | None = None) -> None:
        """A line, however long."""
        self.print(text, style=style, soft_wrap=True)


def can_draw() -> bool:
    """Whether standard output is a terminal on which a view can be drawn again and again."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def make_console() -> LineConsole:
    """Standard output: a terminal at its width, a file or pipe at 120 columns (COLUMNS wins)."""
    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    width = 120 if plain else None
    return LineConsole(highlight=False, markup=False, emoji=False, width=width)


def make_table(*columns: str, figures: Sequence[str] = ()) -> Table:
    """With these columns: *figures* of them stand at the right, the others are folded."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        if name in figures:
            table.add_column(name, justify="right", no_wrap=True)
        else:
            table.add_column(name, overflow="fold")
    return table
