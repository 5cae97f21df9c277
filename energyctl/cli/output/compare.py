"""What ``energyctl compare`` shows on a terminal: tables, then what they say."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from energyctl.analysis import compare
from energyctl.cli.output.console import LineConsole, make_table
from energyctl.text import ENERGY_UNITS, count, energy_unit, number, with_uncertainty

ROOMY = 100
"""Columns of a terminal from which on a table has all of its figures."""


def show(study: compare.Study, console: LineConsole) -> None:
    """A table per pair of groups and training, then what it all says."""
    tables: dict[tuple[str | None, str, str], list[compare.Comparison]] = {}
    for one in study.comparisons:
        tables.setdefault((one.training, one.a.name, one.b.name), []).append(one)
    for rows in tables.values():
        console.print(_comparison_table(rows, console.width))
        console.print(_caption(rows), style="dim")
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
    table.title = f"{first.training or 'all'}: {first.b.name} against {first.a.name}, {size(first)}"
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
        scale = scale_of(one.unit, rows)
        cells: list[str | Text] = [
            compare.name_of(one.measure),
            *(mean(side, scale, first) for side in (one.a, one.b)),
            Text(_change(one, scale)),
        ]
        if limit:
            cells.append(at_most(one))
        if more:
            cells.append(f"{one.more_in} of {one.found.n}")
        table.add_row(*cells, p_of(one.p_adjusted), one.verdict)
    return table


def _caption(rows: list[compare.Comparison]) -> str:
    """What the figures are."""
    means = "Geometric means" if all(one.ratio is not None for one in rows) else "Means"
    family = rows[0].family_size
    holm = "" if family == 1 else f", p corrected for {family} comparisons (Holm)"
    meters = meters_text(rows[0])
    return f"{means}; intervals by Student's t of the {counted(rows[0])}{holm}{meters}"


def size(found: compare.Comparison) -> str:
    """``8 blocks``, ``5 against 6 runs``."""
    if not found.sample.blocks:
        return f"{found.a.n} against {found.b.n} runs"
    blocks = found.sample.design == "blocks"
    return count(found.found.n, "block" if blocks else "pair of equal values").replace(
        "valuess", "values"
    )


def counted(found: compare.Comparison) -> str:
    """What the intervals are of."""
    if found.sample.blocks:
        return "blocks' log ratios" if found.ratio is not None else "blocks' differences"
    return "runs' logarithms (Welch)" if found.ratio is not None else "runs (Welch)"


def meters_text(found: compare.Comparison) -> str:
    """``; meters: within 0.05 %``, of the main measure."""
    if found.meter is None or found.a.mean <= 0:
        return ""
    share = found.meter.share
    share = found.meter.whole / found.a.mean if share is None else share
    return f"; meters: within {number(100 * share, 2)} %"


class Scale(NamedTuple):
    """A unit for figures, and how many of the measure's own it is."""

    unit: str
    factor: float


def scale_of(unit: str, comparisons: Iterable[compare.Comparison]) -> Scale:
    """One for both sides of all comparisons in that unit."""
    means = [side.mean for one in comparisons if one.unit == unit for side in (one.a, one.b)]
    if unit == "J":
        fitting = energy_unit(means)
        return Scale(fitting, ENERGY_UNITS[fitting])
    hours = unit == "s" and max(map(abs, means), default=0.0) >= 7200
    return Scale("h", 3600.0) if hours else Scale(unit, 1.0)


def mean(side: compare.Summary, scale: Scale, usual: compare.Comparison) -> str:
    """The geometric one where there is one, with its unit."""
    text = f"{mean_figure(side, scale)} {scale.unit}".strip()
    return text if side.n in (usual.a.n, usual.b.n) else f"{text} (n = {side.n})"


def mean_figure(side: compare.Summary, scale: Scale) -> str:
    value = side.mean if side.geometric_mean is None else side.geometric_mean
    return number(value / scale.factor)


def p_of(p: float | None) -> str:
    return "–" if p is None else compare.p_text(p).removeprefix("p ").removeprefix("= ")


def at_most(found: compare.Comparison) -> str:
    if found.ratio is None or found.ratio.at_most is None:
        return "–"
    return _percent(found.ratio.at_most, _half(found.ratio))


def change(found: compare.Effect) -> list[str]:
    """Of a log ratio, in per cent: value, and both ends of its interval where it has one."""
    if found.low is None or found.high is None:
        return [_percent(found.mean, None)]
    return [_percent(one, _half(found)) for one in (found.mean, found.low, found.high)]


def _half(found: compare.Effect) -> float | None:
    """Of the interval of a ratio, in per cent."""
    if found.low is None or found.high is None:
        return None
    return 100 * (math.exp(found.high) - math.exp(found.low)) / 2


def _percent(log_ratio: float, half: float | None) -> str:
    share = 100 * math.expm1(log_ratio)
    if half is None:
        return f"{share:+.2g} %"
    return f"{_signed(with_uncertainty(share, half)[0])} %"


def _change(found: compare.Comparison, scale: Scale) -> str:
    if found.ratio is not None:
        value, *edges = change(found.ratio)
    else:
        value, *edges = difference(found.difference, scale)
    return value + (f"\n{' … '.join(edge.removesuffix(' %') for edge in edges)}" if edges else "")


def difference(found: compare.Effect, scale: Scale) -> list[str]:
    """In one unit with its interval, to the place of the second digit of the interval's half."""
    known = [v for v in (found.mean, found.low, found.high) if v is not None]
    half = None if len(known) < 3 else (known[2] - known[1]) / 2 / scale.factor
    value, *edges = (_signed(with_uncertainty(v / scale.factor, half)[0]) for v in known)
    return [f"{value} {scale.unit}".strip(), *edges]


def _signed(text: str) -> str:
    return text if text.startswith("-") else f"+{text}"


def _correlation_table(rows: Iterable[compare.Correlation]) -> Table:
    figures = ("runs", "rho", "p")
    table = make_table("training", "", *figures, figures=figures)
    for one in rows:
        pair = f"{compare.name_of(one.measure)} against {one.name}"
        rho = rho_text(one.rho, "\n{} … {}")
        table.add_row(one.training or "all", pair, str(one.n), Text(rho), p_of(one.p_adjusted))
    return table


def rho_text(rho: compare.Estimate, interval: str) -> str:
    """*interval*: how both ends of it are written."""
    if rho.value is None:
        return "–"
    if rho.low is None or rho.high is None:
        return f"{rho.value:+.2f}"
    return f"{rho.value:+.2f}" + interval.format(f"{rho.low:+.2f}", f"{rho.high:+.2f}")
