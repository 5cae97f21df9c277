"""The levels of the factors of a grid on a terminal: energy, time, and how they compare."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from energyctl.analysis.factor_tables import FactorTable, factor_table
from energyctl.analysis.grid_factors import GridFactor
from energyctl.cli.output.layout import GAP
from energyctl.cli.output.runs_table import Limits
from energyctl.text import count, printable


def factor_levels(
    factors: Sequence[GridFactor], limits: Limits, width: int
) -> list[RenderableType]:
    """A table for each factor of a training under a condition, which are named where there are
    several."""
    shown = list[RenderableType]()
    for factor in factors[: limits.factors]:
        table = factor_table(factor)
        if len(factors) > 1:
            shown.append(Text(f"{printable(factor.place)}:"))
        shown.append(_table(table, limits, width))
        if limits.levels is not None and (hidden := len(table.rows) - limits.levels) > 0:
            shown.append(Text(f"and {count(hidden, 'more level')}: {limits.more}", style="dim"))
    if limits.factors is not None and (hidden := len(factors) - limits.factors) > 0:
        shown.append(Text(f"and {count(hidden, 'more table')} like it: {limits.more}", style="dim"))
    return shown


def _table(told: FactorTable, limits: Limits, width: int) -> Table:
    rows = [[printable(cell) for cell in row] for row in told.rows[: limits.levels]]
    columns = list(zip(told.head, *rows, strict=True))
    widths = [max(map(cell_len, (*head, *cells))) for head, *cells in columns]
    kept = list(range(len(columns)))
    for place in told.spare:
        if sum(widths[number] + GAP for number in kept) - GAP > width:
            kept.remove(place)
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, GAP, 0, 0))
    for number in kept:
        head = Text("\n".join(map(printable, told.head[number])))
        table.add_column(head, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(row[number] for number in kept))
    return table
