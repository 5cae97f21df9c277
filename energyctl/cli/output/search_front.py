"""The trials of a search that nothing beats, in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from energyctl.analysis.report.sources import searches_of
from energyctl.analysis.trial_tables import columns, sentence
from energyctl.cli.output.console import make_table
from energyctl.cli.output.layout import GAP
from energyctl.results.api import Run
from energyctl.text import count, printable


def found_parts(runs: Sequence[Run], most: int | None, more: str) -> list[RenderableType]:
    """What the searches of these runs found: a sentence and the best trials of each."""
    parts = list[RenderableType]()
    for name, found in searches_of(runs).items():
        parts.append(Text(printable(sentence(name, found))))
        shown = found.best[:most]
        if not shown:
            continue
        heads = columns(found)
        table = make_table(
            *(head.name for head in heads), figures=[h.name for h in heads if h.figure]
        )
        table.show_edge, table.padding = False, (0, GAP - 1, 0, 0)
        for place in range(len(shown)):
            table.add_row(*(printable(head.cells[place]) for head in heads))
        parts.append(table)
        if hidden := len(found.best) - len(shown):
            parts.append(Text(f"and {count(hidden, 'more trial')}: {more}", style="dim"))
    return parts
