"""Tables for the terminal: the plan, the meters, the closing table."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from energyctl.config.plan import Run, SkippedValues
from energyctl.meters import Row
from energyctl.results import reader
from energyctl.results.schema import Result
from energyctl.text import (
    count,
    duration,
    energy,
    energy_unit,
    one_line,
    percent,
    power,
    short_duration,
    small_energy,
    values,
)

_STATUS_STYLE = {"succeeded": "green", "failed": "red", "interrupted": "yellow"}


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in table.columns:
        column.overflow = "fold"
    return table


def plan_table(runs: Sequence[Run], estimates: Sequence[float | None], most: int) -> Table:
    """One row a run: what is trained with which values, and under which load."""
    table = _table("run", "mode", "foreground", "values", "background", "takes")
    for run, seconds in list(zip(runs, estimates, strict=True))[:most]:
        training = run.foreground
        shown = values(training.hyperparameters, run.mutated or None)
        load = ", ".join(
            f"{job.training.repo} / {job.training.model}" + f" x{job.copies}" * (job.copies > 1)
            for job in run.background
        )
        takes = "?" if seconds is None else f"~{duration(seconds)}"
        cells = [
            str(run.index),
            run.mode,
            f"{training.repo} / {training.model}",
            shown,
            load,
            takes,
        ]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def passed_over_lines(found: Sequence[SkippedValues], most: int) -> list[str]:
    """What was not drawn again, and where it was run before; `most` of them one by one."""
    if not found:
        return []
    lines = [f"passed over, since run before: {count(len(found), 'combination')} of values"]
    for item in found[:most]:
        training = item.training
        wanted = f"run {item.run}" if item.run else "no run left"
        whole = ", ".join(f"{name} {value!r}" for name, value in training.hyperparameters.items())
        lines.append(f"  {wanted}: {training.repo} / {training.model}  {whole}  ({item.source})")
    if len(found) > most:
        lines.append(f"  … and {len(found) - most} more; energyctl plan shows all")
    return lines


def meters_table(rows: Sequence[Row]) -> Group:
    """What can be metered here and how well; below it, in sentences, why not and what to do.

    updates every: the time between two steps of its counter, step: their size. not in total:
    measured, and not added, since another domain holds the same joules.
    """
    table = _table("domain", "covers", "source", "state", "now", "updates every", "step")
    table.collapse_padding = table.columns[0].no_wrap = True
    for row in rows:
        style = "" if row.readable and row.measured else "yellow" if row.needed else "dim"
        cells = [
            row.domain or "-",
            row.covers,
            row.source.replace(" energy", ""),
            _state(row),
            "" if row.watts is None else power(row.watts),
            ""
            if row.update_seconds is None
            else "≤ " * row.at_most + short_duration(row.update_seconds),
            "" if row.step_joules is None else small_energy(row.step_joules),
        ]
        table.add_row(*(Text(cell, style=style) for cell in cells))
    names: dict[str, list[str]] = {}
    for row in rows:
        if row.cure:
            names.setdefault(row.cure, []).append(row.domain or row.source)
    cures = [Text(f"{', '.join(hit)}: {cure}") for cure, hit in names.items()]
    return Group(table, *cures)


def _state(row: Row) -> str:
    if not row.needed:
        return "not needed"
    if not row.readable:
        return "missing"
    if not row.measured:
        return "estimated"
    return "measured" if row.in_total else "not in total"


def closing_table(results: Sequence[Result]) -> Table:
    """One row a run: how it ended, what it took, what it found."""
    table = _table("run", "status", "took", "energy", "background", "metrics")
    unit = energy_unit(reader.total_energy(result).joules for result in results)
    for result in results:
        status = str(result["status"])
        training, run = result["foreground_result"], result["environment"].get("run")
        metrics = {k: v for k, v in training["performance_metrics"].items() if v is not None}
        table.add_row(
            str(run["index"]) if run else "",
            Text(status, style=_STATUS_STYLE.get(status, "")),
            duration(training["duration"]),
            total_energy(result, unit),
            Text(presence(result)),
            Text(values(metrics)),
        )
    return table


def total_energy(result: Result, unit: str | None = None) -> str:
    """The energy of a result with its uncertainty, labelled where it is estimated."""
    total = reader.total_energy(result)
    return energy(total.joules, total.uncertainty_joules, measured=total.measured, unit=unit)


def presence(result: Result) -> str:
    """The background's part of a result, in a few words."""
    info = result.get("background_info")
    jobs = info["jobs"] if info else []
    covered = [job["coverage"] for job in jobs if job["coverage"] is not None]
    if not jobs:
        return ""
    iterations = sum(job["iterations"] or 0 for job in jobs)
    share = "coverage unknown" if not covered else f"{percent(min(covered))} covered"
    return f"{share}, {count(iterations, 'iteration')}"


def warnings_of(results: Sequence[Result]) -> list[str]:
    """Every warning of the results once, with the number of runs that have it."""
    counts: dict[str, int] = {}
    for result in results:
        for text in dict.fromkeys(result["warnings"]):
            counts[text] = counts.get(text, 0) + 1
    most = len(results)
    return [
        one_line(text, 300) + (f" ({count} of {most} runs)" if most > 1 else "")
        for text, count in counts.items()
    ]
