"""The table of the runs at the end of a campaign, and how much of an end is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from energyctl.cli.output.console import make_table
from energyctl.cli.output.layout import GAP, Column, cut, fitting
from energyctl.results import reach
from energyctl.results.api import Run
from energyctl.text import (
    count,
    duration,
    energy,
    energy_unit,
    parameter,
    percent,
    printable,
    values,
)

_STYLES = {"succeeded": "green", "failed": "red", "interrupted": "yellow"}


@dataclass(frozen=True)
class Limits:
    """How many of each are shown; None: all. kinds: of errors and warnings. factors: those of which
    the levels are shown. blank: whether parts
    are a line apart. names: the longest one. more: what shows the rest.
    footprint: whether a line tells of CO2e and cost, where factors are stated."""

    runs: int | None = None
    kinds: int | None = None
    levels: int | None = None
    sentences: int | None = None
    blank: bool = True
    names: int | None = None
    more: str = ""
    factors: int | None = None
    footprint: bool = True


def name_of(text: str, limits: Limits) -> str:
    shown = printable(text)
    return shown if limits.names is None else cut(Text(shown), limits.names).plain


def runs_table(runs: Sequence[Run], limits: Limits, width: int) -> list[RenderableType]:
    """A table of the runs, those first that did not succeed; in the order of time."""
    shown, most = list(runs), limits.runs
    if most is not None and len(shown) > most:
        ranked = sorted(runs, key=lambda run: (run.status == "succeeded", -(run.started or 0)))
        chosen = {run.experiment_id for run in ranked[:most]}
        shown = [run for run in runs if run.experiment_id in chosen]
    unit = energy_unit(run.energy.total_joules for run in runs if run.energy)
    columns = fitting(_columns(shown, unit, limits), width)
    table = make_table(
        *(one.head for one in columns), figures=[one.head for one in columns if one.right]
    )
    table.show_edge = False
    table.padding = (0, GAP - 1, 0, 0)  # beside the line between columns, which is a blank
    for cells in zip(*(one.cells for one in columns), strict=True):
        table.add_row(*cells)
    if len(shown) == len(runs):
        return [table]
    return [
        table,
        Text(f"and {count(len(runs) - len(shown), 'more run')}: {limits.more}", style="dim"),
    ]


def _columns(runs: Sequence[Run], unit: str, limits: Limits) -> list[Column]:
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
        *([of("training", lambda run: name_of(_training(run), limits))] if several else []),
        of("condition", lambda run: name_of(run.condition, limits) + ", warm-up" * run.warm_up),
        *([of("status", lambda run: run.status)] if failed else []),
        of("took", lambda run: duration(run.energy.seconds) if run.energy else "", True),
        _energy(runs, unit),
        *_wall(runs, unit),
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
    known = {**run.hyperparameters, **(planned.get("machine") or {})}
    return values(known, tuple(name for name in varied if name in known))


def _energy(runs: Sequence[Run], unit: str) -> Column:
    """What is estimated is said in the head where all of it is."""
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


def _wall(runs: Sequence[Run], unit: str) -> list[Column]:
    """Where a calibration of their machines tells it."""
    energies = [run.energy for run in runs]
    if all(one is None or one.wall_joules_estimated is None for one in energies):
        return []
    cells = [
        energy(one.wall_joules_estimated, one.wall_uncertainty_joules_estimated, unit=unit)
        if one is not None
        else ""
        for one in energies
    ]
    head = f"at the wall, estimated ({unit})"
    texts = [Text(cell.replace(f" {unit}", "")) for cell in cells]
    return [Column(head, texts, right=True, optional=True)]


def _covered(run: Run) -> str:
    coverage = run.row.get("background_min_coverage")
    return "" if coverage is None else percent(coverage)


def _metric(run: Run, name: str) -> str:
    return parameter(run.metrics[name]) if name in run.metrics else ""
