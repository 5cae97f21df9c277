"""The console that commands print to."""

from __future__ import annotations

import os
import sys

from rich.console import Console


class LineConsole(Console):
    """Prints text as it is, whatever brackets it holds.

    Its reader may go away: rich would end the whole program then.
    """

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def print_line(self, text: str, style: str | None = None) -> None:
        """A line, however long."""
        self.print(text, style=style, soft_wrap=True)


def make_console() -> LineConsole:
    """Standard output: a terminal at its width, a file or pipe at 120 columns (COLUMNS wins)."""
    plain = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    width = 120 if plain else None
    return LineConsole(highlight=False, markup=False, emoji=False, width=width)
