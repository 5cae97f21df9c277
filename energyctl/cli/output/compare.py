"""What ``energyctl compare`` shows: tables for people, and booktabs tables for papers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich import box
from rich.table import Table

from energyctl.analysis import compare
from energyctl.cli.output.console import LineConsole, make_table
from energyctl.text import ENERGY_UNITS, count, energy_unit, with_uncertainty


def show(study: compare.Study, console: LineConsole) -> None:
    """A table per pair of groups and training, then what it all says."""
    tables: dict[tuple[str | None, str, str], list[compare.Comparison]] = {}
    for one in study.comparisons:
        tables.setdefault((one.training, one.a.name, one.b.name), []).append(one)
    for rows in tables.values():
        console.print(_comparison_table(rows))
    if study.correlations:
        console.print(_correlation_table(study.correlations))
    for line in study.sentences():
        console.print(line)
    if study.notes:
        console.print()
    for line in study.notes:
        console.print(f"note: {line}", style="dim")


def _comparison_table(rows: list[compare.Comparison]) -> Table:
    first = rows[0]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", title_style="bold")
    table.title = f"{first.training or 'all'}: {first.b.name} against {first.a.name}"
    table.add_column("", overflow="fold")
    for side in (first.a, first.b):
        head = f"{side.name}\n{count(side.n, 'run')}, mean ± SD"
        table.add_column(head, justify="right", overflow="fold")
    level = f"{100 * (1 - first.alpha):g} % interval"
    table.add_column(f"difference\n{level}", justify="right", min_width=10)
    table.add_column(f"ratio\n{level}", justify="right")
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("delta", justify="right", no_wrap=True)
    for one in rows:
        scale = _scale(one.unit, rows)
        table.add_row(
            compare.name_of(one.measure),
            _mean(one.a, scale, first.a.n),
            _mean(one.b, scale, first.b.n),
            _difference(one.difference, scale),
            _interval(one.ratio, "{:.3f}"),
            "too few" if one.verdict == "too few" else _p(one.p_adjusted),
            f"{one.delta.value:+.2f}",
        )
    return table


def _mean(side: compare.Summary, scale: Scale, usual: int) -> str:
    text = f"{' ± '.join(_figures(side, scale))} {scale.unit}".strip()
    return text if side.n == usual else f"{text} (n = {side.n})"


def _figures(side: compare.Summary, scale: Scale) -> tuple[str, ...]:
    """Mean and, where known, standard deviation."""
    spread = None if side.sd is None else side.sd / scale.factor
    return with_uncertainty(side.mean / scale.factor, spread)


class Scale(NamedTuple):
    """A unit for figures, and how many of the measure's own it is."""

    unit: str
    factor: float


def _scale(unit: str, comparisons: Iterable[compare.Comparison]) -> Scale:
    """One for both sides of all comparisons in that unit."""
    means = [side.mean for one in comparisons if one.unit == unit for side in (one.a, one.b)]
    if unit == "J":
        fitting = energy_unit(means)
        return Scale(fitting, ENERGY_UNITS[fitting])
    hours = unit == "s" and max(map(abs, means), default=0.0) >= 7200
    return Scale("h", 3600.0) if hours else Scale(unit, 1.0)


def _p(p: float) -> str:
    return compare.p_text(p).removeprefix("p ").removeprefix("= ")


def _interval(estimate: compare.Estimate, form: str) -> str:
    if estimate.value is None:
        return "–"
    bounds = _bounds(estimate, form)
    return form.format(estimate.value) + (f"\n{' … '.join(bounds)}" if bounds else "")


def _bounds(estimate: compare.Estimate, form: str) -> list[str]:
    """Both ends of its interval; none where one is not known."""
    bounds = [value for value in (estimate.low, estimate.high) if value is not None]
    return [form.format(value) for value in bounds] if len(bounds) == 2 else []


def _difference(estimate: compare.Estimate, scale: Scale) -> str:
    """In one unit with its interval, to the place of the second digit of the interval's half."""
    known = [v for v in (estimate.value, estimate.low, estimate.high) if v is not None]
    half = None if len(known) < 3 else (known[2] - known[1]) / 2 / scale.factor
    value, *edges = (_signed(with_uncertainty(v / scale.factor, half)[0]) for v in known)
    return f"{value} {scale.unit}".strip() + (f"\n{' … '.join(edges)}" if edges else "")


def _signed(text: str) -> str:
    return text if text.startswith("-") else f"+{text}"


def _correlation_table(rows: Iterable[compare.Correlation]) -> Table:
    figures = ("runs", "rho", "p")
    table = make_table("training", "", *figures, figures=figures)
    for one in rows:
        pair = f"{compare.name_of(one.measure)} against {one.name}"
        p = "–" if one.p is None else _p(one.p)
        table.add_row(one.training or "all", pair, str(one.n), _interval(one.rho, "{:+.2f}"), p)
    return table


# -- LaTeX ---------------------------------------------------------------------------------------

_NEEDS = "% needs \\usepackage{booktabs}"
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
}  # fmt: skip


def escaped(text: str) -> str:
    """*text* as LaTeX sets it, character by character; control characters become spaces."""
    return "".join(_SPECIAL.get(c, c if c.isprintable() else " ") for c in text)


def latex(study: compare.Study) -> str:
    """A booktabs table of the main measure: a row for each training and pair of groups."""
    main = study.measures[0]
    if study.correlations:
        return _latex_correlations(study)
    rows = [one for one in study.comparisons if one.measure == main]
    level = f"{100 * study.settings.confidence:g}\\,\\%"
    scale = _scale(rows[0].unit if rows else "", rows)
    mean = "mean $\\pm$ SD" + (f" ({escaped(scale.unit)})" if scale.unit else "")
    lines = [
        f"Training & $n$ & A, {mean} & B, {mean} & $B/A$ ({level} interval) & $p$ & "
        "Cliff's $\\delta$ \\\\",
        "\\midrule",
    ]
    groups = None
    for one in rows:
        if (one.a.name, one.b.name) != groups:
            groups = (one.a.name, one.b.name)
            text = f"A: {escaped(groups[0])}; B: {escaped(groups[1])}"
            lines.append(f"\\multicolumn{{7}}{{l}}{{\\emph{{{text}}}}} \\\\")
        cells = (
            escaped(one.training or "all"),
            f"{one.a.n} / {one.b.n}",
            _latex_mean(one.a, scale),
            _latex_mean(one.b, scale),
            _latex_interval(one.ratio, "{:.3f}"),
            "too few" if one.verdict == "too few" else _latex_p(one.p_adjusted),
            f"${one.delta.value:+.2f}$",
        )
        lines.append(" & ".join(cells) + " \\\\")
    for overall in study.overalls:
        if overall.measure == main:
            ratio = _latex_interval(overall.ratio, "{:.3f}")
            p = "too few" if overall.verdict == "too few" else _latex_p(overall.p)
            name = f"All {overall.trainings} (geometric mean)"
            lines += ["\\midrule", f"{name} & & & & {ratio} & {p} & \\\\"]
    needs = f"{_NEEDS}; SD: standard deviation of runs; {_plain(compare.name_of(main))}"
    return "\n".join([needs, *_notes(study), *_tabular("lrrrrrr", lines)])


def _tabular(columns: str, lines: Sequence[str]) -> list[str]:
    begin, end = f"\\begin{{tabular}}{{{columns}}}", "\\end{tabular}"
    return [begin, "\\toprule", *lines, "\\bottomrule", end]


def _notes(study: compare.Study) -> list[str]:
    """As comments: a table that is pasted elsewhere keeps what its figures leave out."""
    return [f"% note: {_plain(line)}" for line in study.notes]


def _latex_correlations(study: compare.Study) -> str:
    lines = ["Training & $n$ & Spearman's $\\rho$ & $p$ \\\\", "\\midrule"]
    for one in study.correlations:
        if one.measure != study.measures[0]:
            continue
        p = "--" if one.p is None else _latex_p(one.p)
        rho = _latex_interval(one.rho, "{:+.2f}")
        lines.append(f"{escaped(one.training or 'all')} & {one.n} & {rho} & {p} \\\\")
    return "\n".join([*_notes(study), _NEEDS, *_tabular("lrrr", lines)])


def _plain(text: str) -> str:
    """For a comment: nothing may end its line."""
    return "".join(c if c.isprintable() else " " for c in text)


def _latex_mean(side: compare.Summary, scale: Scale) -> str:
    return "$" + " \\pm ".join(_figures(side, scale)) + "$"


def _latex_interval(estimate: compare.Estimate, form: str) -> str:
    if estimate.value is None:
        return "--"
    bounds = _bounds(estimate, form)
    return f"${form.format(estimate.value)}$" + (f" ($[{', '.join(bounds)}]$)" if bounds else "")


def _latex_p(p: float) -> str:
    return "$<0.0001$" if p < 0.0001 else f"${p:.2g}$"
