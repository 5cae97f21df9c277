"""What ``energyctl compare`` shows on a terminal: tables, then what they say."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.table import Table
from rich.text import Text

from energyctl.analysis import compare
from energyctl.analysis.compare import cells
from energyctl.analysis.compare.comparison import WHAT
from energyctl.cli.output.console import LineConsole, make_table
from energyctl.text import count

ROOMY = 100
"""Columns of a terminal from which on a table has all of its figures."""


def show(study: compare.Study, console: LineConsole) -> None:
    """A table per pair of groups and training, then what it all says."""
    tables: dict[tuple[str | None, str, str], list[compare.Comparison]] = {}
    for one in study.comparisons:
        tables.setdefault((one.training, one.a.name, one.b.name), []).append(one)
    for rows in tables.values():
        console.print(_comparison_table(rows, console.width))
        console.print(cells.foot(rows[:1]), style="dim")
    if study.correlations:
        console.print(_correlation_table(study.correlations))
    for sentence, below in study.sentences():
        console.print(sentence)
        for line in below:
            console.print(f"  {line}")
    if study.notes:
        console.print()
    for line in study.notes:
        console.print(f"note: {line}", style="dim")


def _comparison_table(rows: list[compare.Comparison], width: int) -> Table:
    """Where it is narrow, without the count of blocks in which it was more."""
    first = rows[0]
    limit, more = first.options.margin is not None, bool(first.sample.blocks) and width >= ROOMY
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", title_style="bold")
    what = WHAT[first.sample.design]
    blocks = bool(first.sample.blocks)
    counted = count(first.found.n, what) if blocks else f"{cells.size_text(first)} {what}s"
    table.title = f"{first.training or 'all'}: {first.b.name} against {first.a.name}, {counted}"
    table.add_column("", overflow="fold")
    for side in (first.a, first.b):
        table.add_column(Text(f"{side.name}\nmean"), justify="right", overflow="fold")
    level = f"{100 * first.options.confidence:g} % interval"
    table.add_column(Text(f"B ÷ A − 1\n{level}"), justify="right", no_wrap=True)
    if limit:
        table.add_column("at most", justify="right", no_wrap=True)
    if more:
        table.add_column("more in", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("verdict", min_width=len("confounded"))
    for one in rows:
        scale = cells.scale_of([other for other in rows if other.unit == one.unit])
        value, *edges = cells.changes(one, scale)
        change = f"{value}{cells.unit_of_change(one, scale)}"
        table.add_row(
            compare.name_of(one.measure),
            *(_mean(one, side, scale, first) for side in (one.a, one.b)),
            Text("\n".join([change, *([" … ".join(edges)] if edges else [])])),
            *([cells.at_most_text(one, scale)] if limit else []),
            *([cells.more_in_text(one)] if more else []),
            cells.p_cell(one.p_adjusted),
            one.verdict,
        )
    return table


def _mean(
    found: compare.Comparison, side: compare.Summary, scale: cells.Scale, usual: compare.Comparison
) -> str:
    """With its unit."""
    text = f"{cells.mean_text(found, side, scale)} {scale.unit}".strip()
    return text if side.n in (usual.a.n, usual.b.n) else f"{text} (n = {side.n})"


def _correlation_table(rows: Iterable[compare.Correlation]) -> Table:
    figures = ("runs", "rho", "p")
    table = make_table("training", "", *figures, figures=figures)
    for one in rows:
        pair = f"{compare.name_of(one.measure)} against {one.name}"
        rho = rho_text(one.rho, "\n{} … {}")
        table.add_row(
            one.training or "all", pair, str(one.n), Text(rho), cells.p_cell(one.p_adjusted)
        )
    return table


def rho_text(rho: compare.Estimate, interval: str) -> str:
    """*interval*: how both ends of it are written."""
    if rho.value is None:
        return "–"
    if rho.low is None or rho.high is None:
        return f"{rho.value:+.2f}"
    return f"{rho.value:+.2f}" + interval.format(f"{rho.low:+.2f}", f"{rho.high:+.2f}")
