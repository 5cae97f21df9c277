"""What a page holds of one run: its series as small numbers, compressed. Pure.

Times are steps of 0.05 s, each less the one before; values whole steps of a 4,000th of the
series' largest: less than the width of a line.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from energyctl.analysis import charts
from energyctl.results.phases import phase_words
from energyctl.results.tables import Row

if TYPE_CHECKING:
    from energyctl.results.api import Run

BUCKETS, GPU_BUCKETS = 240, 120
TIME_STEP, VALUE_STEPS = 0.05, 4_000


def packed(run: Run) -> str:
    """Everything that opening the run shows, as base64 of gzipped JSON."""
    text = json.dumps(content(run), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # mtime: the same run gives the same page.
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()


def content(run: Run) -> dict[str, Any]:
    """The series of a run, and its facts in words and figures."""
    domains = [one.name for one in run.energy.domains if one.in_total] if run.energy else None
    return {
        "power": series(
            charts.power_rows(run, BUCKETS, domains), "domain", ("watts",), flags=("mean",)
        ),
        "gpu": series(
            charts.gpu_rows(run, GPU_BUCKETS), "gpu", ("celsius", "percent", "memory_percent")
        ),
        "phases": charts.phase_rows(run),
        "iterations": _iterations(charts.iteration_rows(run)),
        "facts": facts(run),
    }


def series(
    rows: Iterable[Row], key: str, values: Sequence[str], flags: Sequence[str] = ()
) -> dict[str, dict[str, Any]]:
    """Rows with ``seconds`` → by series: ``t`` (steps since the row before), and each value's
    ``scale`` and ``v``; null stays null."""
    inside: dict[str, list[Row]] = {}
    for row in rows:
        inside.setdefault(str(row[key]), []).append(row)
    return {name: _columns(members, values, flags) for name, members in inside.items()}


def _columns(rows: Sequence[Row], values: Sequence[str], flags: Sequence[str]) -> dict[str, Any]:
    steps = [round(row["seconds"] / TIME_STEP) for row in rows]
    columns: dict[str, Any] = {
        "t": [now - before for before, now in zip([0, *steps], steps, strict=False)]
    }
    for name in values:
        known = [abs(row[name]) for row in rows if row[name] is not None]
        scale = max(known, default=0.0) / VALUE_STEPS or 1.0
        columns[name] = {
            "scale": scale,
            "v": [None if row[name] is None else round(row[name] / scale) for row in rows],
        }
    for name in flags:
        if any(row[name] for row in rows):
            columns[name] = [int(bool(row[name])) for row in rows]
    return columns


def unpacked(columns: Mapping[str, Any], values: Sequence[str]) -> list[Row]:
    """What the page makes of a series; for who wants to check it."""
    rows, steps = list[Row](), 0
    for index, step in enumerate(columns["t"]):
        steps += step
        row: Row = {"seconds": steps * TIME_STEP}
        for name in values:
            value = columns[name]["v"][index]
            row[name] = None if value is None else value * columns[name]["scale"]
        rows.append(row)
    return rows


def _iterations(rows: Iterable[Row]) -> list[Row]:
    return [{**row, "start": round(row["start"], 2), "end": round(row["end"], 2)} for row in rows]


def facts(run: Run) -> dict[str, Any]:
    """What stands beside the pictures of a run."""
    result, row = run.result, run.row
    training = result.get("foreground_result") or {}
    background = result.get("background_info") or {}
    return {
        "error": row.get("error"),
        "warnings": run.warnings,
        "hyperparameters": {name: _plain(v) for name, v in run.hyperparameters.items()},
        "metrics": {name: _plain(value) for name, value in run.metrics.items()},
        "domains": [
            {
                **{name: getattr(one, name) for name in ("name", "source", "measured", "in_total")},
                **{name: getattr(one, name) for name in ("joules", "uncertainty_joules")},
                "missing": one.missing,
            }
            for one in (run.energy.domains if run.energy else ())
        ],
        "phases": [_phase(phase, run) for phase in run.phases],
        "jobs": [
            {name: getattr(job, name) for name in JOB} | {"missing": _missing(background, job.name)}
            for job in run.jobs
        ],
        "above_idle": row.get("above_idle_joules"),
        "above_idle_band": row.get("above_idle_uncertainty_joules"),
        "marginal": row.get("marginal_joules"),
        "marginal_band": row.get("marginal_uncertainty_joules"),
        "missing": row.get("energy_missing"),
        "idle_watts": row.get("idle_watts"),
        "samples": row.get("samples"),
        "samples_missed": row.get("samples_missed"),
        "attempts": len(training.get("attempts") or ()),
        "log": training.get("log"),
        "imported_from": row.get("imported_from"),
        "file": str(run.path),
        "estimated": [
            one.name for one in (run.energy.domains if run.energy else ()) if not one.measured
        ],
    }


JOB = ("name", "iterations", "failures", "coverage", "load", "max_gap_seconds")


def _missing(background: Mapping[str, Any], name: str) -> str | None:
    for job in background.get("jobs") or ():
        if (
            isinstance(job, dict)
            and job.get("job") == name
            and isinstance(job.get("missing"), dict)
        ):
            return "; ".join(f"{key}: {why}" for key, why in job["missing"].items()) or None
    return None


def _phase(phase: Any, run: Run) -> dict[str, Any]:
    """With the power of each domain that is part of the total."""
    counted = {one.name for one in run.energy.domains if one.in_total} if run.energy else set()
    return {
        "name": phase_words(phase.name, phase.step),
        "seconds": phase.end - phase.start,
        "watts": {name: watts for name, watts in phase.watts.items() if name in counted},
    }


def _plain(value: Any) -> Any:
    """As JSON holds it; nan and infinities as text."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value
