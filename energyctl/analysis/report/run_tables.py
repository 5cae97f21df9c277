"""The figures of runs in words, as tables: what stands on a page beside its charts. Pure.

A cell is a text; ``{"why": reason}`` where there is none to show.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from energyctl.results.phases import phase_words
from energyctl.results.schema import BackgroundInfo
from energyctl.results.tables import Row, total
from energyctl.text import (
    count,
    duration,
    energy,
    energy_unit,
    parameter,
    percent,
    power,
    short_duration,
)

if TYPE_CHECKING:
    from energyctl.results.api import Run, RunPhase

Cell = str | dict[str, str]

NOT_KNOWN = "not known, or not measured"
WORDS: dict[str, Callable[[Any], str]] = {
    "number": str, "mode": str, "status": str, "seconds": duration, "watts": power,
    "coverage": percent, "warnings": str,
}  # fmt: skip
"""Column of a run's row → its figure in words; hyper-parameters and metrics are values."""


def columns(hyperparameters: Iterable[str], metrics: Iterable[str]) -> list[dict[str, Any]]:
    """Of the table of runs: name, the key by which it is sorted, and whether it is a number."""
    texts = [("run", "number"), ("mode", "mode"), ("status", "status")]
    figures = [("energy", "joules"), ("time", "seconds"), ("power", "watts")]
    figures += [(name.removeprefix("hyperparam_"), name) for name in hyperparameters]
    figures += [(name.removeprefix("metric_"), name) for name in metrics]
    figures += [("covered", "coverage"), ("warnings", "warnings")]
    return [
        {"name": name, "key": key, "number": (name, key) in figures}
        for name, key in (*texts, *figures)
    ]


def describe(rows: Sequence[Row], runs: Sequence[Run], keys: Sequence[str]) -> None:
    """Adds to each run's row `cells`, a text or null for each of *keys*, the reason `missing` for
    these, and `summary`, some texts."""
    unit = energy_unit(row["joules"] for row in rows)
    for row, run in zip(rows, runs, strict=True):
        energies = _total(run, unit)
        row["cells"] = [energies if key == "joules" else _cell(key, row.get(key)) for key in keys]
        row["cells"][0] = row["label"]
        row["missing"] = run.row.get("energy_missing") or NOT_KNOWN
        row["summary"] = [energies or "energy not known", duration(row["seconds"])]
        if row["warnings"]:
            row["summary"].append(count(row["warnings"], "warning"))


def _total(run: Run, unit: str) -> str | None:
    if run.energy is None or run.energy.total_joules is None:
        return None
    whole = run.energy
    return energy(whole.total_joules, whole.uncertainty_joules, measured=whole.measured, unit=unit)


def _cell(key: str, value: Any) -> str | None:
    if value is None:
        return "not recorded" if key == "mode" else None
    return WORDS.get(key, parameter)(value)


def facts(run: Run) -> dict[str, Any]:
    """What stands beside the pictures of a run: error, warnings, tables with or without a head."""
    tables = [
        _domains(run),
        _phases(run),
        _jobs(run),
        _pairs("hyper-parameters", _values(run.hyperparameters)),
        _pairs("metrics", _values(run.metrics)),
        _pairs("more", _more(run)),
    ]
    return {
        "error": run.row.get("error"),
        "warnings": run.warnings,
        "tables": [table for table in tables if table["rows"]],
    }


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> dict[str, Any]:
    return {"title": title, "head": head, "rows": rows}


def _pairs(title: str, rows: Sequence[Sequence[Cell]]) -> dict[str, Any]:
    return _table(title, (), rows)


def _domains(run: Run) -> dict[str, Any]:
    domains = run.energy.domains if run.energy else ()
    unit = energy_unit(one.joules for one in domains)
    rows: list[list[Cell]] = []
    for one in domains:
        joules: Cell = {"why": one.missing or "not known"}
        if one.joules is not None:
            joules = energy(one.joules, one.uncertainty_joules, measured=one.measured, unit=unit)
        notes = [one.missing, None if one.in_total else "not in the total"]
        note = "; ".join(text for text in notes if text)
        rows.append([one.name, joules, one.source or "not recorded", note])
    return _table("energy", ["domain", "energy", "source", ""], rows)


def _phases(run: Run) -> dict[str, Any]:
    """With the power of each domain that is part of the total, and the energy of all of these."""
    counted = [one.name for one in run.energy.domains if one.in_total] if run.energy else []
    names = [name for name in counted if any(name in phase.watts for phase in run.phases)]
    energies = [_joules(phase, names) for phase in run.phases]
    unit = energy_unit(energies)
    rows: list[list[Cell]] = [
        [
            phase_words(phase.name, phase.step),
            duration(phase.end - phase.start),
            {"why": NOT_KNOWN} if joules is None else energy(joules, unit=unit),
            *(_power(phase.watts.get(name)) for name in names),
        ]
        for phase, joules in zip(run.phases, energies, strict=True)
    ]
    return _table("phases", ["phase", "length", "energy", *names], rows)


def _joules(phase: RunPhase, names: Sequence[str]) -> float | None:
    return total([phase.joules.get(name) for name in names])


def _power(watts: float | None) -> Cell:
    return {"why": NOT_KNOWN} if watts is None else power(watts)


def _jobs(run: Run) -> dict[str, Any]:
    background = run.result.get("background_info")
    rows: list[list[Cell]] = []
    for job in run.jobs:
        why = {"why": _missing(background, job.name) or "not known"}
        gap = job.max_gap_seconds
        cells: list[str | None] = [
            None if job.iterations is None else str(job.iterations),
            None if job.failures is None else str(job.failures),
            None if job.coverage is None else percent(job.coverage),
            None if job.load is None else percent(job.load, 0),
            None if gap is None else short_duration(gap),
        ]
        rows.append([job.name, *(cell or why for cell in cells)])
    head = ["job", "iterations", "failed", "covered", "busy", "longest gap"]
    return _table("background", head, rows)


def _missing(background: BackgroundInfo | None, name: str) -> str | None:
    for job in (background.get("jobs") if background else None) or ():
        if (
            isinstance(job, dict)
            and job.get("job") == name
            and isinstance(job.get("missing"), dict)
        ):
            return "; ".join(f"{key}: {why}" for key, why in job["missing"].items()) or None
    return None


def _values(of: Mapping[str, Any]) -> list[Sequence[Cell]]:
    return [(name, _whole(value)) for name, value in of.items() if value is not None]


def _whole(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else parameter(value, whole=True)


def _more(run: Run) -> list[Sequence[Cell]]:
    row, training = run.row, run.result["foreground_result"]
    facts = [
        ("above the idle machine", _added(row, "above_idle")),
        ("above the background alone", _added(row, "marginal")),
        ("not known", row.get("energy_missing")),
        ("samples", _samples(row)),
        ("attempts", len(training.get("attempts") or ()) or None),
        ("log", training.get("log")),
        ("result", run.path),
        ("imported from", row.get("imported_from")),
    ]
    return [(name, str(value)) for name, value in facts if value is not None]


def _added(row: Row, name: str) -> str | None:
    joules, band = row.get(f"{name}_joules"), row.get(f"{name}_uncertainty_joules")
    return None if joules is None else energy(joules, band, measured=row.get("energy_measured"))


def _samples(row: Row) -> str | None:
    if row.get("samples") is None:
        return None
    return f"{row['samples']}, {row.get('samples_missed') or 0} missed"
