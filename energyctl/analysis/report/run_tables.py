"""The figures of runs in words, as tables: what stands on a page beside its charts. Pure.

A cell is a text; ``{"why": reason}`` where there is none to show.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from energyctl import text
from energyctl.analysis.charts.chart_data import FACTORS, total_domains, without
from energyctl.analysis.report.languages import Language
from energyctl.results.machine_settings import axis_title, told
from energyctl.results.phases import phase_words
from energyctl.results.schema import BackgroundInfo
from energyctl.results.tables import Row

if TYPE_CHECKING:
    from energyctl.results.api import Run, RunEnergy

Cell = str | dict[str, str]

VALUES = ("hyper-parameters", "metrics")
"""Tables of names and values that are not the program's."""
NOT_KNOWN = "not known, or not measured"
MOST_EPOCHS = 50
WORDS: dict[str, Callable[[Any], str]] = {
    "number": str, "condition": str, "status": str, "seconds": text.duration,
    "watts": text.power, "coverage": text.percent, "warnings": str,
}  # fmt: skip
"""Column of a run's row → its figure in words; hyper-parameters and metrics are values."""


def columns(factors: Iterable[str], metrics: Iterable[str]) -> list[dict[str, Any]]:
    """Of the table of runs: name, the key by which it is sorted, and whether it is a number."""
    texts = [("run", "number"), ("condition", "condition"), ("status", "status")]
    figures = [("energy", "joules"), ("time", "seconds"), ("power", "watts")]
    figures += [(factor_title(name), name) for name in factors]
    figures += [(name.removeprefix("metric_"), name) for name in metrics]
    figures += [("covered", "coverage"), ("warnings", "warnings")]
    return [
        {"name": name, "key": key, "number": (name, key) in figures}
        for name, key in (*texts, *figures)
    ]


def factor_title(column: str) -> str:
    """The name of a hyper-parameter, or of a machine setting in words."""
    return axis_title(without(FACTORS, column))


def describe(rows: Sequence[Row], runs: Sequence[Run], keys: Sequence[str], t: Language) -> None:
    """Adds to each run's row `cells`, a text or null for each of *keys*, the reasons `missing` for
    null, and `summary`, some texts."""
    unit = text.energy_unit(row["joules"] for row in rows)
    for row, run in zip(rows, runs, strict=True):
        energies = _total(run, unit)
        energies = None if energies is None else t(energies)
        row["cells"] = [energies if key == "joules" else _cell(key, row.get(key)) for key in keys]
        row["cells"][0] = row["label"] + (f" ({t('warm-up')})" if row["warm_up"] else "")
        row["cells"][keys.index("status")] = t(run.status)
        row["missing"] = [t(_why(run, key)) for key in keys]
        row["summary"] = [energies or t("energy not known"), text.duration(row["seconds"])]
        if row["warnings"]:
            row["summary"].append(t.count(row["warnings"], "warning"))


def _why(run: Run, key: str) -> str:
    """Why a cell is empty."""
    if key in ("joules", "watts"):
        return run.row.get("energy_missing") or NOT_KNOWN
    if key == "coverage" and not run.jobs:
        return "there is no background"
    return NOT_KNOWN


def _total(run: Run, unit: str) -> str | None:
    energy = run.energy
    if energy is None or energy.total_joules is None:
        return None
    return text.energy(
        energy.total_joules, energy.uncertainty_joules, measured=energy.measured, unit=unit
    )


def _cell(key: str, value: Any) -> str | None:
    return None if value is None else WORDS.get(key, text.parameter)(value)


def facts(run: Run, t: Language | None = None) -> dict[str, Any]:
    """What stands beside the pictures of a run: error, warnings, tables with or without a head."""
    t = t or Language()
    tables = [
        _phases(run),
        _epochs(run),
        _domains(run),
        _jobs(run),
        _table("hyper-parameters", (), _values(run.hyperparameters)),
        _table("metrics", (), _values(run.metrics)),
        _reach(run),
        _table("more", (), _more(run)),
    ]
    return {
        "error": run.row.get("error"),
        "warnings": run.warnings,
        "tables": [_translated(table, t) for table in tables if table["rows"]],
    }


def _translated(table: dict[str, Any], t: Language) -> dict[str, Any]:
    """Titles, heads and figures; values of settings and metrics stay as they are."""
    named = table["title"] in VALUES
    rows = [row if named else [_said(cell, t) for cell in row] for row in table["rows"]]
    foot = table.get("foot")
    told = {} if foot is None else {"foot": [_said(cell, t) for cell in foot]}
    return {"title": t(table["title"]), "head": [t(n) for n in table["head"]], "rows": rows, **told}


def _said(cell: Cell, t: Language) -> Cell:
    return t(cell) if isinstance(cell, str) else {"why": t(cell["why"])}


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> dict[str, Any]:
    return {"title": title, "head": head, "rows": rows}


def _domains(run: Run) -> dict[str, Any]:
    domains = run.energy.domains if run.energy else ()
    unit = text.energy_unit(one.joules for one in domains)
    rows: list[list[Cell]] = []
    for one in domains:
        joules: Cell = {"why": one.missing or "not known"}
        if one.joules is not None:
            joules = text.energy(
                one.joules, one.uncertainty_joules, measured=one.measured, unit=unit
            )
        notes = "; ".join(filter(None, [one.missing, "" if one.in_total else "not in the total"]))
        rows.append([one.name, joules, one.source or "not recorded", notes])
    if run.energy is not None and run.energy.wall_note is not None:
        rows.append(_wall(run.energy, unit))
    return _table("energy", ["domain", "energy", "source", ""], rows)


def _wall(of: RunEnergy, unit: str) -> list[Cell]:
    """By a calibration of the machine."""
    joules, note = of.wall_joules_estimated, of.wall_note or ""
    band = of.wall_uncertainty_joules_estimated
    figure: Cell = {"why": note}
    if joules is not None:
        figure = text.energy(joules, band, measured=False, unit=unit)
    return ["at the wall", figure, note, "not in the total"]


def _phases(run: Run) -> dict[str, Any]:
    """Length and the energy of each domain that is part of the total, of these together, and their
    mean power; at the foot the same of the whole run."""
    counted, _ = total_domains(run)
    names = [name for name in counted if any(name in phase.joules for phase in run.phases)]
    energies = [[phase.joules.get(name) for name in names] for phase in run.phases]
    lengths = [phase.end - phase.start for phase in run.phases]
    totals = [sum(column) if None not in column else None for column in zip(*energies, strict=True)]
    unit = text.energy_unit([_sum(totals), *(_sum(row) for row in energies)])

    def line(name: str, seconds: float, joules: Sequence[float | None]) -> list[Cell]:
        every = _sum(joules)
        shown = [None if one is None else _in_unit(one, unit) for one in (*joules, every)]
        watts = None if every is None or not seconds else text.power(every / seconds)
        return [name, f"{seconds:.1f}", *(one or {"why": NOT_KNOWN} for one in (*shown, watts))]

    rows = [
        line(phase_words(phase.name, phase.step), seconds, joules)
        for phase, seconds, joules in zip(run.phases, lengths, energies, strict=True)
    ]
    head = ["phase", "seconds", *(f"{name} ({unit})" for name in names)]
    head += [f"together ({unit})", "mean power"]
    foot = line("whole run", sum(lengths), totals)
    return {**_table("phases", head, rows), "foot": foot}


def _epochs(run: Run) -> dict[str, Any]:
    """Length and energy of each epoch that the training told; of many the first and the last."""
    told, most = run.epochs, MOST_EPOCHS // 2
    shown = told if len(told) <= MOST_EPOCHS else (*told[:most], *told[-most:])
    unit = text.energy_unit(one.joules for one in shown)
    measured = run.row.get("energy_measured")
    rows: list[list[Cell]] = []
    for one in shown:
        why: Cell = {"why": one.missing or NOT_KNOWN}
        joules, band = one.joules, one.uncertainty_joules
        energy = why if joules is None else text.energy(joules, band, measured=measured, unit=unit)
        rows.append([str(one.epoch), f"{one.end - one.start:.1f}", energy])
    return _table("epochs of the training", ["epoch", "seconds", "energy"], rows)


def _sum(joules: Sequence[float | None]) -> float | None:
    """None where one of them is not known, or there is none."""
    known = [one for one in joules if one is not None]
    return sum(known) if known and len(known) == len(joules) else None


def _in_unit(joules: float, unit: str) -> str:
    """With the decimals of a column."""
    return f"{joules / text.ENERGY_UNITS[unit]:.{1 if unit == 'J' else 2}f}"


def _jobs(run: Run) -> dict[str, Any]:
    background = run.result.get("background_info")
    told = any(job.work is not None for job in run.jobs)
    rows: list[list[Cell]] = []
    for job in run.jobs:
        why: Cell = {"why": _missing(background, job.name) or "not known"}
        cells: list[Cell] = [
            why if job.iterations is None else str(job.iterations),
            why if job.failures is None else str(job.failures),
            why if job.coverage is None else text.percent(job.coverage),
            why if job.load is None else text.percent(job.load, 0),
            why if job.max_gap_seconds is None else text.short_duration(job.max_gap_seconds),
        ]
        if told:
            done = text.work(job.work, job.work_uncertainty, job.work_unit)
            cells.append(done or {"why": NOT_KNOWN})
        rows.append([job.name, *cells])
    head = ["job", "iterations", "failed", "covered", "busy", "longest gap", *["did"] * told]
    return _table("background", head, rows)


def _missing(background: BackgroundInfo | None, name: str) -> str | None:
    for job in (background.get("jobs") if background else None) or ():
        if isinstance(job, dict) and job.get("job") == name:
            missing = job.get("missing")
            if isinstance(missing, dict):
                return "; ".join(f"{key}: {why}" for key, why in missing.items()) or None
    return None


def _reach(run: Run) -> dict[str, Any]:
    rows: list[list[Cell]] = []
    reached = run.result.get("reach") or {}
    unit = text.energy_unit(one.get("joules") for one in reached.values())
    for name, one in reached.items():
        why: Cell = {"why": one.get("missing") or NOT_KNOWN}
        joules, seconds = one.get("joules"), one.get("seconds")
        band, measured = one.get("uncertainty_joules"), run.row.get("energy_measured")
        rows.append(
            [
                f"{name} {text.parameter(one.get('value'))}",
                why if joules is None else text.energy(joules, band, measured=measured, unit=unit),
                why if seconds is None else text.duration(seconds),
            ]
        )
    return _table("until a value was reached", ["value", "energy", "time"], rows)


def _values(of: Mapping[str, Any]) -> list[Sequence[Cell]]:
    return [(name, _in_full(value)) for name, value in of.items() if value is not None]


def _in_full(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value)
    return text.parameter(value, whole=True)


def _more(run: Run) -> list[Sequence[Cell]]:
    row, training = run.row, run.result["foreground_result"]
    facts = [
        ("above the idle machine", _added(row, "above_idle")),
        ("above the background alone (no share)", _added(row, "marginal")),
        ("not known", row.get("energy_missing")),
        *told(row).items(),
        ("samples", _samples(row)),
        ("attempts", len(training.get("attempts") or ()) or None),
        ("log", training.get("log")),
        ("result", run.path),
        ("imported from", row.get("imported_from")),
    ]
    return [(name, str(value)) for name, value in facts if value is not None]


def _added(row: Row, name: str) -> str | None:
    joules, band = row.get(f"{name}_joules"), row.get(f"{name}_uncertainty_joules")
    return (
        None if joules is None else text.energy(joules, band, measured=row.get("energy_measured"))
    )


def _samples(row: Row) -> str | None:
    if row.get("samples") is None:
        return None
    return f"{row['samples']}, {row.get('samples_missed') or 0} missed"
