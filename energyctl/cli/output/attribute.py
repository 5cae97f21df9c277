"""What ``energyctl attribute`` shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from energyctl.analysis.interference import means_of, sentences, share_words, tables
from energyctl.analysis.interference.share_means import by_domain, share_means
from energyctl.cli.output.console import LineConsole
from energyctl.results.pairs import Pairs
from energyctl.text import count, printable

MOST_ROWS = 60


def show(found: Pairs, console: LineConsole) -> None:
    """A row per pair, their means, and what they say."""
    shown, unit = found.pairs[:MOST_ROWS], tables.unit_of(found.pairs)
    rows = (tables.pair_row(pair, unit) for pair in shown)
    console.print(_table(tables.pair_columns(unit), rows))
    if len(found.pairs) > len(shown):
        console.print(f"… and {count(len(found.pairs) - len(shown), 'pair')} more")
    console.print(tables.PAIR_NOTE)
    means = means_of(found.pairs)
    rows = (tables.mean_row(one, unit) for one in means)
    console.print(_table(tables.mean_columns(unit), rows))
    console.print(tables.MEAN_NOTE)
    console.print()
    for line in sentences(means):
        console.print(line)
    if share_words.shown_domains(found.pairs):
        _show_shares(found, console)
    notes = [*found.notes, *tables.reasons(found.pairs), *share_words.reasons(found.pairs)]
    if notes:
        console.print()
    for line in notes:
        console.print(f"note: {line}", style="dim")


def _show_shares(found: Pairs, console: LineConsole) -> None:
    """Whose energy it was: a row per pair and domain, their means, and what they say."""
    unit = tables.unit_of(found.pairs)
    console.print()
    rows = share_words.rows(found.pairs[:MOST_ROWS], unit)
    console.print(_table(share_words.columns(unit), rows))
    console.print(share_words.NOTE)
    means = [one for one in share_means(found.pairs, by_domain) if one.parts]
    if means:
        mean_rows = [share_words.mean_row(one, unit) for one in means]
        console.print(_table(share_words.mean_columns(unit), mean_rows))
        console.print(share_words.MEAN_NOTE)
        console.print()
    for line in share_words.sentences(share_words.known_means(found.pairs)):
        console.print(line)


def _table(columns: Sequence[str], rows: Iterable[Sequence[tables.Cell]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        first = name == columns[0]
        side: JustifyMethod = "left" if first else "right"
        table.add_column(name, justify=side, overflow="fold", no_wrap=not first)
    for row in rows:
        table.add_row(*(Text("\n".join(map(printable, cell))) for cell in row))
    return table
