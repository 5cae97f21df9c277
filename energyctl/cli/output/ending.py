"""What a campaign ends with, and `report` shows: warnings by kind, the runs, what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from energyctl.analysis.answer import Answer, answer_of
from energyctl.analysis.report.summary import Glance, WarningGroup, glance
from energyctl.cli.output.console import LineConsole, make_table
from energyctl.cli.output.layout import GAP, Column, cut, fitting
from energyctl.results import reach
from energyctl.results.api import Run, Runs
from energyctl.text import (
    ENERGY_UNITS,
    count,
    duration,
    energy,
    energy_unit,
    parameter,
    percent,
    printable,
    values,
    with_uncertainty,
)

_STYLES = {"succeeded": "green", "failed": "red", "interrupted": "yellow"}
LEAST_HEIGHT = 24
"""Lines that the end may have on any terminal."""


@dataclass(frozen=True)
class Limits:
    """How many of each are shown; None: all."""

    runs: int | None = None
    kinds: int | None = None
    sentences: int | None = None
    blank: bool = True


MOST_RUNS, FOLDED_RUNS = 8, 3
"""Rows of the runs on a terminal, and where there are more of them."""
STEPS = (
    Limits(8, 8, 8), Limits(8, 4, 6, False), Limits(8, 2, 4, False), Limits(8, 2, 2, False),
    Limits(8, 2, 1, False), Limits(8, 0, 1, False), Limits(3, 0, 1, False),
)  # fmt: skip
"""On a terminal, until it fits."""
REPORT = Limits(runs=60)
PAGE = "a page of it, with pictures: energyctl report --html report.html"


def show_end(console: LineConsole, runs: Runs, last: Sequence[str] = ()) -> None:
    """The end of a campaign; *last*: lines below it. It fits a terminal, a file has all of it."""
    shown = list[RenderableType]()
    if runs:
        seen, answer = glance(runs), answer_of(runs)
        few = len(runs) <= MOST_RUNS
        for limits in STEPS if console.is_terminal else (Limits(),):
            if limits.runs is not None and not few:
                limits = replace(limits, runs=FOLDED_RUNS)
            shown = _parts(console, runs, seen, answer, limits)
            lines = sum(len(console.render_lines(one, pad=False)) for one in shown) + len(last)
            if lines < max(LEAST_HEIGHT, console.size.height):
                break
    _show(console, shown, last)


def show_report(console: LineConsole, runs: Runs, last: Sequence[str]) -> None:
    """What runs found, all of it but for some rows of a long table."""
    _show(console, _parts(console, runs, glance(runs), answer_of(runs), REPORT), last)


def _show(console: LineConsole, parts: Sequence[RenderableType], last: Sequence[str]) -> None:
    """A file gets each sentence as one line."""
    for one in parts:
        console.print(one, soft_wrap=isinstance(one, Text) and not console.is_terminal)
    for line in last:
        console.print_line(line)


def _parts(
    console: Console, runs: Sequence[Run], seen: Glance, answer: Answer, limits: Limits
) -> list[RenderableType]:
    """Warnings first, the answer last. A terminal gets a line for each kind of warning."""
    warnings = _warnings(seen, limits.kinds, console.width if console.is_terminal else None)
    blank = [Text("")] * limits.blank
    return [
        *warnings,
        *(blank if warnings else []),
        *_runs(runs, limits.runs, console.width),
        *blank,
        Text(printable(totals(seen)), style="bold"),
        *_levels(answer),
        *_sentences(answer, limits.sentences),
    ]


# -- warnings ------------------------------------------------------------------------------------


def _warnings(seen: Glance, most: int | None, width: int | None) -> list[Text]:
    """A line for each kind, errors first; *most* of the warnings."""
    lines = [Text(warned("error", one, seen, width), style="red") for one in seen.errors]
    shown = seen.warnings[:most]
    lines += [Text(warned("warning", one, seen, width), style="yellow") for one in shown]
    if hidden := len(seen.warnings) - len(shown):
        more = "more " if shown else ""
        text = f"{hidden} {more}kind{'' if hidden == 1 else 's'} of warnings: energyctl report"
        lines.append(Text(text, style="yellow"))
    return lines


def warned(word: str, one: WarningGroup, seen: Glance, width: int | None) -> str:
    """``warning: 3 of 15 runs: …``, cut between two words where it is longer than *width*."""
    of = f"{one.runs} of {count(seen.runs, 'run')}: " if seen.runs > 1 else ""
    text = f"{word}: {of}{printable(one.text)}"
    return text if width is None else cut(Text(text), width).plain


# -- runs ----------------------------------------------------------------------------------------


def _runs(runs: Sequence[Run], most: int | None, width: int) -> list[RenderableType]:
    """A table of *most* runs, those first that did not succeed; in the order of time."""
    shown = list(runs)
    if most is not None and len(shown) > most:
        ranked = sorted(runs, key=lambda run: (run.status == "succeeded", -(run.started or 0)))
        chosen = {run.experiment_id for run in ranked[:most]}
        shown = [run for run in runs if run.experiment_id in chosen]
    columns = fitting(_columns(shown), width)
    table = make_table(
        *(one.head for one in columns), figures=[one.head for one in columns if one.right]
    )
    table.show_edge = False
    table.padding = (0, GAP - 1, 0, 0)  # beside the line between columns, which is a blank
    for cells in zip(*(one.cells for one in columns), strict=True):
        table.add_row(*cells)
    if len(shown) == len(runs):
        return [table]
    return [table, Text(f"and {len(runs) - len(shown)} more: energyctl report", style="dim")]


def _columns(runs: Sequence[Run]) -> list[Column]:
    def of(
        head: str, cell: Callable[[Run], str], right: bool = False, optional: bool = False
    ) -> Column:
        cells = [Text(printable(cell(run)), _STYLES.get(cell(run), "")) for run in runs]
        return Column(head, cells, right, optional)

    def extra(head: str, cell: Callable[[Run], str], right: bool = False) -> Column:
        return of(head, cell, right, optional=True)

    metrics = dict.fromkeys(name for run in runs for name in run.metrics)
    failed = any(run.status != "succeeded" for run in runs)
    trainings = {(run.repository, run.model) for run in runs}
    numbered = len({run.environment.get("journal") for run in runs}) == 1 and all(map(_index, runs))
    # An experiment id names the training itself.
    several = numbered and len(trainings) > 1
    return [
        of("run", (lambda run: str(_index(run))) if numbered else (lambda run: run.experiment_id)),
        *([of("training", _training)] if several else []),
        of("condition", lambda run: run.condition + ", warm-up" * run.warm_up),
        *([of("status", lambda run: run.status)] if failed else []),
        of("took", lambda run: duration(run.energy.seconds) if run.energy else "", True),
        _energy(runs),
        extra("covered", _covered, True),
        *([] if several else [extra("values", _values)]),
        *(extra(name, lambda run, name=name: _metric(run, name), True) for name in metrics),  # type: ignore[misc]
        extra("until a value was reached", lambda run: "; ".join(reach.words(run.result))),
    ]


def _index(run: Run) -> int | None:
    planned = run.environment.get("run")
    return planned.get("index") if isinstance(planned, dict) else None


def _training(run: Run) -> str:
    return ", ".join(part for part in (f"{run.repository} / {run.model}", _values(run)) if part)


def _values(run: Run) -> str:
    """Those that vary from run to run."""
    planned = run.environment.get("run") or {}
    varied = [*planned.get("grid", ()), *str(run.row.get("mutated") or "").split(",")]
    return values(run.hyperparameters, tuple(n for n in varied if n in run.hyperparameters))


def _energy(runs: Sequence[Run]) -> Column:
    """In one unit; what is estimated is said in the head where all of it is."""
    unit = energy_unit(run.energy.total_joules for run in runs if run.energy)
    known = [run.energy for run in runs if run.energy and run.energy.total_joules is not None]
    estimated = bool(known) and not any(one.measured for one in known)
    cells = [
        energy(
            run.energy.total_joules if run.energy else None,
            run.energy.uncertainty_joules if run.energy else None,
            measured=estimated or run.energy is None or run.energy.measured,
            unit=unit,
        ).replace(f" {unit}", "")
        for run in runs
    ]
    head = f"energy ± band ({unit}{', estimated' * estimated})"
    return Column(head, [Text(cell) for cell in cells], right=True)


def _covered(run: Run) -> str:
    coverage = run.row.get("background_min_coverage")
    return "" if coverage is None else percent(coverage)


def _metric(run: Run, name: str) -> str:
    return parameter(run.metrics[name]) if name in run.metrics else ""


# -- what was found ------------------------------------------------------------------------------


def totals(seen: Glance) -> str:
    """``load_study: 9 runs, all succeeded; 41.25 ± 0.25 kJ; 1 min 42 s metered``."""
    tally = ", ".join(f"{number} {status}" for status, number in seen.statuses.items())
    if set(seen.statuses) == {"succeeded"}:
        tally = "all succeeded" if seen.runs > 1 else "succeeded"
    text = f"{', '.join(seen.campaigns) or 'no campaign'}: {count(seen.runs, 'run')}, {tally}"
    text += f"; {energy(seen.joules, seen.uncertainty_joules, measured=seen.measured)}"
    if seen.known < seen.runs:
        text += f", of {seen.known} runs"
    return f"{text}; {duration(seen.seconds)} metered"


def _levels(answer: Answer) -> list[RenderableType]:
    """The mean of each training and condition, where some have several runs."""
    if all(len(level.runs) < 2 for level in answer.levels):
        return []
    unit, several = answer.unit, answer.several
    estimated = ", estimated" * (not all(level.measured for level in answer.levels))
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, GAP, 0, 0))
    names = ["training"] * several + ["condition"]
    for name in names:
        table.add_column(name, overflow="fold")
    for name in ("runs", f"mean energy ({unit}{estimated})", f"95 % interval of it ({unit})"):
        table.add_column(name, justify="right")
    for level in answer.levels:
        mean, factor = level.mean, ENERGY_UNITS[unit]
        low, high = mean.low, mean.high
        half = None if low is None or high is None else (high - low) / 2 / factor
        figures = [
            "" if one is None else with_uncertainty(one / factor, half)[0]
            for one in (mean.value, low, high)
        ]
        cells = [level.training] * several + [level.condition, str(len(level.runs)), figures[0]]
        table.add_row(*map(printable, cells), " to ".join(filter(None, figures[1:])))
    return [table]


def _sentences(answer: Answer, most: int | None) -> list[Text]:
    """*most* of them, those that stand below another the last; in their order."""
    lines = answer.sentences()
    ranked = sorted(range(len(lines)), key=lambda number: lines[number].startswith(" "))
    chosen = [lines[number] for number in sorted(ranked[:most])]
    if hidden := len(lines) - len(chosen):
        chosen.append(f"and {hidden} more: energyctl report")
    return [Text(printable(line)) for line in chosen]
