"""What a campaign ends with, and `report` shows: warnings by kind, the runs, what was found."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from energyctl.analysis.answer import Answer, answer_of
from energyctl.analysis.footprint import brief, footprints
from energyctl.analysis.report.summary import Glance, WarningGroup, glance
from energyctl.analysis.wall_sentences import wall_sentences
from energyctl.cli.output.console import LineConsole
from energyctl.cli.output.factor_levels import factor_levels
from energyctl.cli.output.layout import GAP, cut
from energyctl.cli.output.runs_table import Limits, name_of, runs_table
from energyctl.cli.output.search_front import found_parts
from energyctl.results.api import Run, Runs, of_results
from energyctl.results.schema import Result
from energyctl.text import (
    count,
    duration,
    energy,
    printable,
)

LEAST_HEIGHT = 24
"""Lines that the end may have on any terminal."""
REPORT = "energyctl report"
LONGEST_NAME = 30
"""Of a training or a condition on a terminal, in characters."""


MOST_RUNS, FOLDED_RUNS = 8, 3
"""Rows of the runs on a terminal, and where there are more of them."""
STEPS = (
    Limits(8, 8, 12, 8), Limits(8, 4, 8, 6, False), Limits(8, 2, 6, 4, False),
    Limits(8, 2, 6, 2, False), Limits(8, 2, 4, 1, False, factors=1),
    Limits(8, 1, 4, 1, False, factors=1), Limits(3, 1, 3, 1, False, factors=1),
    Limits(2, 1, 2, 1, False, factors=1),
)  # fmt: skip
"""On a terminal, until it fits."""


def show_end(
    console: LineConsole, results: Iterable[Result], folder: Path, last: Sequence[str] = ()
) -> None:
    """The end of a campaign whose results are in *folder*; *last*: lines below it.

    On a terminal it is folded until it fits 24 lines, or the terminal. Never raises because of a
    result: what is measured must not be lost to what is said of it.
    """
    report = REPORT
    if folder.absolute() != Path("results").absolute():
        report += f" {shlex.quote(str(folder))}"
    try:
        shown = _folded(console, of_results(results, folder), report, last)
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        shown = [Text(f"what was found cannot be shown here ({why}); try: {report}")]
    _show(console, shown, last)
    if shown:
        console.print_line(page_hint(report))


def page_hint(report: str) -> str:
    return f"a page of it, with pictures: {report} --html report.html"


def _folded(
    console: LineConsole, runs: Runs, report: str, last: Sequence[str]
) -> list[RenderableType]:
    shown = list[RenderableType]()
    if not runs:
        return shown
    seen, answer = glance(runs), answer_of(runs)
    if not console.is_terminal:
        return _parts(console, runs, seen, answer, Limits(more=REPORT))
    below = [Text(line) for line in (*last, page_hint(report))]
    for limits in STEPS:
        rows = limits.runs if len(runs) <= MOST_RUNS else FOLDED_RUNS
        folded = replace(limits, runs=rows, names=LONGEST_NAME, more=REPORT)
        shown = _parts(console, runs, seen, answer, folded)
        lines = sum(len(console.render_lines(one, pad=False)) for one in (*shown, *below))
        if lines < max(LEAST_HEIGHT, console.size.height):
            break
    return shown


def show_report(console: LineConsole, runs: Runs, last: Sequence[str]) -> None:
    """What runs found, all of it but for some rows of a long table on a terminal."""
    rows = 60 if console.is_terminal else None
    limits = Limits(runs=rows, more="energyctl export", footprint=False)
    _show(console, _parts(console, runs, glance(runs), answer_of(runs), limits), last)


def _show(console: LineConsole, parts: Sequence[RenderableType], last: Sequence[str]) -> None:
    """A file gets each sentence as one line."""
    for one in parts:
        console.print(one, soft_wrap=isinstance(one, Text) and not console.is_terminal)
    for line in last:
        console.print_line(line)


def _parts(
    console: Console, runs: Sequence[Run], seen: Glance, answer: Answer, limits: Limits
) -> list[RenderableType]:
    """Warnings first, the answer last."""
    warnings = _warnings(seen, limits, console.width)
    blank = [Text("")] * limits.blank
    return [
        *warnings,
        *(blank if warnings else []),
        *runs_table(runs, limits, console.width),
        *blank,
        Text(printable(totals(seen)), style="bold"),
        *(Text(printable(line)) for line in wall_sentences(runs)),
        *(Text(printable(brief(one))) for one in footprints(runs) if limits.footprint),
        *found_parts(runs, limits.runs, limits.more),
        *_levels(answer, limits),
        *factor_levels(answer.factors, limits, console.width),
        *_sentences(answer, limits),
    ]


# -- warnings ------------------------------------------------------------------------------------


def _warnings(seen: Glance, limits: Limits, width: int) -> list[Text]:
    """Of each kind, errors first; where kinds are limited, a line each."""
    kinds = [("error", one) for one in seen.errors] + [("warning", one) for one in seen.warnings]
    shown = kinds[: limits.kinds]
    lines = [
        Text(
            warned(word, one, seen, None if limits.kinds is None else width),
            style="red" if word == "error" else "yellow",
        )
        for word, one in shown
    ]
    if hidden := kinds[len(shown) :]:
        what = "errors and warnings" if hidden[0][0] == "error" else "warnings"
        text = f"{count(len(hidden), 'more kind')} of {what}: {limits.more}"
        lines.append(Text(text, style="yellow"))
    return lines


def warned(word: str, one: WarningGroup, seen: Glance, width: int | None) -> str:
    """``warning: 3 of 15 runs: …``, cut between two words where it is longer than *width*."""
    of = f"{one.runs} of {count(seen.runs, 'run')}: " if seen.runs > 1 else ""
    text = f"{word}: {of}{printable(one.text)}"
    return text if width is None else cut(Text(text), width).plain


# -- what was found ------------------------------------------------------------------------------


def totals(seen: Glance) -> str:
    """``load_study: 9 runs, all succeeded; 41.25 ± 0.25 kJ; 1 min 42 s metered``."""
    tally = ", ".join(f"{number} {status}" for status, number in seen.statuses.items())
    if set(seen.statuses) == {"succeeded"}:
        tally = "all succeeded" if seen.runs > 1 else "succeeded"
    text = f"{', '.join(seen.campaigns) or 'no campaign'}: {count(seen.runs, 'run')}, {tally}"
    if not seen.known:
        return f"{text}; no energy is known"
    if seen.joules is None:
        return f"{text}; their totals are not of the same; {duration(seen.seconds)} metered"
    text += f"; {energy(seen.joules, seen.uncertainty_joules, measured=seen.measured)}"
    if seen.known < seen.runs:
        text += f", of {count(seen.known, 'run')}"
    return f"{text}; {duration(seen.seconds)} metered"


def _levels(answer: Answer, limits: Limits) -> list[RenderableType]:
    """The mean of each training and condition, where some have several runs."""
    levels = answer.conditions
    if all(len(level.runs) < 2 for level in levels):
        return []
    unit, several = answer.unit, answer.several
    estimated = ", estimated" * (not all(level.measured for level in answer.levels))
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, GAP, 0, 0))
    names = ["training"] * several + ["condition"]
    for name in names:
        table.add_column(name, overflow="fold")
    for name in ("runs", f"mean energy ({unit}{estimated})", f"95 % interval of it ({unit})"):
        table.add_column(name, justify="right")
    shown = levels[: limits.levels]
    for level in shown:
        mean, *interval = level.figures(unit) or [""]
        names = [level.training] * several + [level.condition]
        cells = [*(name_of(name, limits) for name in names), str(len(level.runs)), mean]
        table.add_row(*cells, " to ".join(interval))
    if hidden := len(levels) - len(shown):
        return [table, Text(f"and {count(hidden, 'more mean')}: {limits.more}", style="dim")]
    return [table]


def _sentences(answer: Answer, limits: Limits) -> list[Text]:
    """In their order; what stands below a sentence is left out before any sentence is."""
    lines = answer.sentences()
    ranked = sorted(range(len(lines)), key=lambda number: lines[number].startswith(" "))
    chosen = [lines[number] for number in sorted(ranked[: limits.sentences])]
    if hidden := len(lines) - len(chosen):
        chosen.append(
            f"and {count(hidden, 'more sentence')}, with what stands against these: {limits.more}"
        )
    names = {name for level in answer.levels for name in (level.training, level.condition)}
    return [Text(_with_names(printable(line), names, limits)) for line in chosen]


def _with_names(line: str, names: Iterable[str], limits: Limits) -> str:
    """Long *names* in it cut as in the tables; the first letter may be a capital."""
    for name in names:
        line = line.replace(printable(name)[1:], name_of(name, limits)[1:])
    return line
