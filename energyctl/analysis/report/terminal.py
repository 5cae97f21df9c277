"""``energyctl report`` in the terminal: warnings first, then a row per run."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from energyctl.analysis.comparing import conditions_of
from energyctl.analysis.interference import means_of, sentences, share_words
from energyctl.analysis.report.sources import drift_of
from energyctl.analysis.report.summary import Glance, WarningGroup, glance
from energyctl.errors import SettingsError
from energyctl.results import reach
from energyctl.results.api import Run, Runs
from energyctl.text import (
    UNKNOWN,
    count,
    duration,
    energy,
    energy_unit,
    one_line,
    percent,
    printable,
    values,
)

MOST_ROWS = 60
_STYLES = {"failed": "red", "interrupted": "yellow"}


def show(runs: Runs, console: Console) -> None:
    """Counts, energy, what to know before using the numbers, and the runs."""
    seen = glance(runs)
    for one in (*seen.errors, *seen.warnings):
        bad = one in seen.errors
        console.print(Text(_warned(one, seen, bad), style="red" if bad else "yellow"))
    console.print(_table(runs))
    if len(runs) > MOST_ROWS:
        console.print(f"… and {len(runs) - MOST_ROWS} more", markup=False)
    console.print(_counts(seen), markup=False)
    of_pairs = *sentences(means_of(runs.pairs)), *share_words.sentences(runs.pairs)
    for line in (*_compared(runs), *of_pairs, *drift_of(runs)):
        console.print(Text(printable(line)))
    if runs.pairs:
        console.print(Text("each pair: energyctl attribute"))
    console.print(Text("pictures and every figure: energyctl report --html report.html"))


def _compared(runs: Runs) -> list[str]:
    """What is said of conditions; else the library that is missing."""
    try:
        study = conditions_of(runs)
    except SettingsError as error:
        return [f"conditions are not compared: {error}"]
    return [] if study is None else [sentence for sentence, _ in study.sentences()]


def _warned(one: WarningGroup, seen: Glance, bad: bool) -> str:
    kind = "error" if bad else "warning"
    like = "" if one.same else ", the first shown"
    return f"{kind}: {one_line(one.text, 400)} ({one.runs} of {count(seen.runs, 'run')}{like})"


def _counts(seen: Glance) -> str:
    tally = ", ".join(f"{number} {status}" for status, number in seen.statuses.items())
    text = f"{', '.join(seen.campaigns) or 'no campaign'}: {count(seen.runs, 'run')} ({tally})"
    text += f"; {energy(seen.joules, seen.uncertainty_joules, measured=seen.measured)}"
    if seen.known < seen.runs:
        text += f", of {seen.known} runs"
    return f"{text}; {duration(seen.seconds)} metered"


def _table(runs: Runs) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", overflow="fold")
    table.add_column("training", overflow="fold")
    table.add_column("condition", overflow="fold")
    for name in ("took", "energy", "covered"):
        table.add_column(name, justify="right")
    shown = list(runs)[:MOST_ROWS]
    some = any(run.result.get("reach") for run in shown)
    if some:
        table.add_column("until a value was reached", overflow="fold")
    unit = energy_unit(run.energy.total_joules for run in shown if run.energy)
    for run in shown:
        more = [_lines(*reach.words(run.result))] if some else []
        table.add_row(*_cells(run, unit), *more)
    return table


def _cells(run: Run, unit: str) -> list[Text]:
    planned = run.environment.get("run") or {}
    varied = [*planned.get("grid", ()), *str(run.row.get("mutated") or "").split(",")]
    drawn = values(run.hyperparameters, tuple(n for n in varied if n in run.hyperparameters))
    training = [f"{run.repository} / {run.model}", drawn]
    coverage = run.row.get("background_min_coverage")
    seconds, joules = None, UNKNOWN
    if (of := run.energy) is not None:
        seconds = of.seconds
        joules = energy(of.total_joules, of.uncertainty_joules, measured=of.measured, unit=unit)
    figures = (duration(seconds), joules, "" if coverage is None else percent(coverage))
    name = _lines(run.experiment_id, "" if run.status == "succeeded" else run.status)
    name.stylize(_STYLES.get(run.status, ""))
    condition = _lines(run.condition, "warm-up" if run.warm_up else "")
    return [name, _lines(*training), condition, *map(Text, figures)]


def _lines(*lines: str) -> Text:
    """Those that are not empty, below one another."""
    return Text("\n".join(printable(line) for line in lines if line))
