"""Tables and words for the terminal: meters, left-out runs, energies."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from energyctl import text
from energyctl.cli.output.console import make_table
from energyctl.config.plan import Run, SkippedValues
from energyctl.meters import Row
from energyctl.results import reader
from energyctl.results.schema import Result


def passed_over_lines(skipped: Sequence[SkippedValues], most: int) -> list[str]:
    """What was not drawn again, and where it was run before; `most` of them one by one."""
    if not skipped:
        return []
    lines = [f"passed over, since run before: {text.count(len(skipped), 'combination')} of values"]
    for item in skipped[:most]:
        training = item.training
        name = f"{training.repo} / {training.model}"
        instead_of = f"run {item.run}" if item.run else "no run left"
        drawn = ", ".join(f"{key} {value!r}" for key, value in training.hyperparameters.items())
        lines.append(f"  {instead_of}: {name}  {drawn}  ({item.source})")
    if len(skipped) > most:
        lines.append(f"  … and {len(skipped) - most} more; energyctl plan shows all")
    return lines


def earlier_lines(runs: Sequence[Run], now: float, most: int) -> list[str]:
    """The runs alone that are not done again, and what stands for them; `most` one by one."""
    found = {run.block: run.alone_of for run in runs if run.alone_of is not None}
    if not found:
        return []
    lines = [
        f"not done again, since an earlier run stands for it: {text.count(len(found), 'run')} alone"
    ]
    for block, alone in list(found.items())[:most]:
        age = text.duration(max(0.0, now - alone.started))
        lines.append(f"  block {block}: {alone.experiment_id}, {age} old")
    if len(found) > most:
        lines.append(f"  … and {len(found) - most} more; energyctl plan shows all")
    return lines


def meters_table(rows: Sequence[Row]) -> Group:
    """What can be metered here and how well; below it, in sentences, why not and what to do.

    updates every: the time between two steps of its counter, step: their size. not in total:
    measured, and not added, since another domain holds the same joules.
    """
    table = make_table("domain", "covers", "source", "state", "now", "updates every", "step")
    table.collapse_padding = table.columns[0].no_wrap = True
    for row in rows:
        style = "" if row.readable and row.measured else "yellow" if row.needed else "dim"
        cells = [
            row.domain or "-",
            row.covers,
            row.source.replace(" energy", ""),
            meter_state(row),
            "" if row.watts is None else text.power(row.watts),
            _update_words(row),
            "" if row.step_joules is None else text.small_energy(row.step_joules),
        ]
        table.add_row(*(Text(cell, style=style) for cell in cells))
    names: dict[str, list[str]] = {}
    for row in rows:
        if row.cure:
            names.setdefault(row.cure, []).append(row.domain or row.source)
    cures = [Text(f"{', '.join(hit)}: {cure}") for cure, hit in names.items()]
    return Group(table, *cures)


def _update_words(row: Row) -> str:
    if row.update_seconds is None:
        return ""
    return "≤ " * row.at_most + text.short_duration(row.update_seconds)


def meter_state(row: Row) -> str:
    if not row.needed:
        return "not needed"
    if not row.readable:
        return "missing"
    if not row.measured:
        return "estimated"
    return "measured" if row.in_total else "not in total"


def total_energy(result: Result, unit: str | None = None) -> str:
    """The energy of a result with its uncertainty, labelled where it is estimated."""
    total = reader.total_energy(result)
    return text.energy(total.joules, total.uncertainty_joules, measured=total.measured, unit=unit)


def presence(result: Result) -> str:
    """The background's part of a result, in a few words."""
    info = result.get("background_info")
    jobs = info["jobs"] if info else []
    covered = [job["coverage"] for job in jobs if job["coverage"] is not None]
    if not jobs:
        return ""
    iterations = sum(job["iterations"] or 0 for job in jobs)
    share = "coverage unknown" if not covered else f"{text.percent(min(covered))} covered"
    return f"{share}, {text.count(iterations, 'iteration')}"
