"""An old run → a result of our format. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from energyctl.energy import Energy
from energyctl.results import background_load as workload
from energyctl.results.folder import SCHEMA, WHOLE_MACHINE_NOTE
from energyctl.results.foreign_load import unknown
from energyctl.results.importer.background_presence import judge
from energyctl.results.importer.parse import OldRun, number
from energyctl.results.paths import PARALLEL

NOT_SAID = "the older tool's files do not say"
NOT_METERED = "the older tool metered the foreground alone"
PHASES = ("idle", "background_start", "background_only", "background_stop", "cooldown")
KINDS = {"cpu_package_joules": "cpu", "cpu_dram_joules": "dram", "gpu_joules": "gpu"}
JOB_FIGURES = ("iterations", "failures", "coverage", "max_gap_seconds")
REPORTED = {
    "gpu": "gpu_energy_total_joules",
    "cpu_package": "cpu_energy_pkg_joules",
    "cpu_dram": "cpu_energy_ram_joules",
}


def make_result(run: OldRun, experiment_id: str, source: Mapping[str, Any]) -> dict[str, Any]:
    """*source*: ``from``, ``campaign``, ``sha256`` of where it was read."""
    succeeded = run.facts["training_success"] is True
    presence = judge(run.utilization, run.span.start, run.span.end)
    mode = run.whole.get("mode")
    why = unknown(NOT_SAID).to_json()
    return {
        "schema": SCHEMA,
        "experiment_id": experiment_id,
        "campaign": source["campaign"],
        "mode": "parallel" if run.parallel else mode if mode in ("mutation", "default") else None,
        "status": "succeeded" if succeeded else "failed",
        "foreground_result": _foreground(run, experiment_id, succeeded),
        "background_info": _background(run, presence) if run.parallel else None,
        "energy": _energy(run),
        "energy_missing": None,
        "energy_note": WHOLE_MACHINE_NOTE,
        "foreign": {"idle": why, "foreground": why},
        "phases": [_phase(run.energy)],
        "warnings": _warnings(run, presence, succeeded),
        "environment": {
            "started": run.span.start,
            "run": None,
            "missing": {"run": NOT_SAID, "machine": NOT_SAID},
        },
        "imported": _imported(run, source, presence),
    }


def _foreground(run: OldRun, experiment_id: str, succeeded: bool) -> dict[str, Any]:
    facts = run.facts
    metrics = facts.get("performance_metrics")
    found = {
        "duration": number(facts.get("duration_seconds")),
        "retries": facts.get("retries"),
        "exit_code": None,
        "log": None,
        "attempts": None,
    }
    return {
        "experiment_id": experiment_id.removesuffix(PARALLEL),
        "success": succeeded,
        "repo": facts["repository"],
        "model": facts["model"],
        "hyperparameters": facts["hyperparameters"],
        **found,
        # A list as in every result: an attempt of which nothing is known is none to show.
        "attempts": [],
        "error": None if succeeded else str(facts.get("error_message") or "the training failed"),
        "performance_metrics": metrics if isinstance(metrics, dict) else {},
        "missing": {key: NOT_SAID for key, value in found.items() if value is None},
    }


def _background(run: OldRun, presence: Mapping[str, Any]) -> dict[str, Any]:
    """One job, of which nothing is known but what it was, and the GPU's utilisation."""
    told = run.background or {}
    values = told.get("hyperparameters")
    training = {
        "repo": told.get("repository"),
        "model": told.get("model"),
        "hyperparameters": values if isinstance(values, dict) else None,
    }
    unknown = workload.unknown("the older tool did not watch it")
    figures = dict.fromkeys(JOB_FIGURES, "the older tool kept no ledger of its iterations")
    place = told.get("log_directory")
    logs = f"not among what was imported; they were in {place}" if place else NOT_SAID
    lacking = {key: NOT_SAID for key, value in training.items() if value is None}
    job = {
        "job": f"{training['repo']}_{training['model']}" if training["repo"] else "background",
        **training,
        **dict.fromkeys(JOB_FIGURES),
        **unknown.to_json(),
        "missing": {**figures, **unknown.missing, **lacking, "logs": logs},
        "logs": None,
        "error": None,
    }
    return {
        **training,
        "note": str(told.get("note") or NOT_SAID),
        "jobs": [job],
        "stop": None,
        "settle": None,
        "presence": dict(presence),
        "missing": {"stop": NOT_SAID, "settle": NOT_SAID},
    }


def _energy(run: OldRun) -> dict[str, Any]:
    data = run.energy.to_json()
    missing: dict[str, str] = {}
    for key, kind in KINDS.items():
        reasons = [d["missing"] for d in data["domains"] if d["kind"] == kind and d["missing"]]
        if data[key] is None:
            missing[key] = (reasons or [NOT_SAID])[0]
    for key in ("total_joules", "uncertainty_joules"):
        if data[key] is None:
            missing[key] = "a part of the total is unknown"
    for name in ("above_idle", "marginal"):
        for entry in (data, *data["domains"]):
            entry |= {f"{name}_joules": None, f"{name}_uncertainty_joules": None}
        missing[f"{name}_joules"] = NOT_METERED
    return {**data, "sampler": _sampler(run), "missing": missing}


def _sampler(run: OldRun) -> dict[str, Any]:
    """Of the GPU's power: the CPU's counters were read at both ends only."""
    power, span = run.power, run.span
    unknown = {"missed": NOT_SAID, "cpu_seconds": NOT_SAID}
    if power.missing is not None:
        keys = ("interval_seconds", "samples", "missed", "max_gap_seconds", "cpu_seconds")
        return {**dict.fromkeys(keys), "missing": dict.fromkeys(keys, power.missing) | unknown}
    inside = [time for time in power.times if span.start < time < span.end]
    edges = [span.start, *inside, span.end]
    return {
        "interval_seconds": power.mean_interval_seconds,
        "samples": len(inside),
        "missed": None,
        "max_gap_seconds": max(b - a for a, b in pairwise(edges)),
        "cpu_seconds": None,
        "missing": unknown,
    }


def _phase(energy: Energy) -> dict[str, Any]:
    domains = {d.domain.name: d for d in energy.domains}
    entry: dict[str, Any] = {
        "name": "foreground",
        "start": energy.start,
        "end": energy.end,
        "joules": {name: d.joules for name, d in domains.items()},
        "uncertainty_joules": {name: d.uncertainty_joules for name, d in domains.items()},
        "watts": {
            name: None if d.joules is None else d.joules / energy.seconds
            for name, d in domains.items()
        },
    }
    missing = {name: d.missing for name, d in domains.items() if d.joules is None}
    return {**entry, "missing": missing} if missing else entry


def _imported(
    run: OldRun, source: Mapping[str, Any], presence: Mapping[str, Any]
) -> dict[str, Any]:
    """Where it comes from, the old figures, and what ours differ by."""
    span = run.span
    figures, missing = _compared(run)
    missing |= {f"phases.{name}": NOT_METERED for name in PHASES}
    if run.whole.get("mode") is None and not run.parallel:
        missing["mode"] = "the older tool's files do not say whether values were drawn"
    if span.utc_offset_seconds is None:
        missing["utc_offset_seconds"] = "no samples beside it: the local time was taken for UTC"
    if run.power.mean_interval_seconds is None:
        missing["mean_interval_seconds"] = run.power.missing or "there is one sample alone"
    return {
        "from": source["from"],
        "experiment_id": run.experiment_id,
        "timestamp": run.whole.get("timestamp"),
        "sha256": source["sha256"],
        **figures,
        "reported": dict(run.reported),
        "span_from": span.source,
        "utc_offset_seconds": span.utc_offset_seconds,
        "mean_interval_seconds": run.power.mean_interval_seconds,
        "unread_rows": run.power.unread + run.utilization.unread,
        "gpu_presence": dict(presence),
        "missing": missing,
    }


def _compared(run: OldRun) -> tuple[dict[str, float | None], dict[str, str]]:
    """The old figures, ours less them, and the reasons for what is null."""
    energy = run.energy
    now = {
        "gpu": energy.gpu_joules,
        "cpu_package": energy.cpu_package_joules,
        "cpu_dram": energy.cpu_dram_joules,
    }
    figures: dict[str, float | None] = {}
    missing: dict[str, str] = {}
    for name, key in REPORTED.items():
        old, ours = number(run.reported.get(key)), now[name]
        difference = None if old is None or ours is None else ours - old
        figures[f"{name}_joules_reported"] = old
        figures[f"{name}_joules_difference"] = difference
        if old is None:
            missing[f"{name}_joules_reported"] = NOT_SAID
        if difference is None:
            missing[f"{name}_joules_difference"] = "one of the two figures is unknown"
    old, difference = figures["gpu_joules_reported"], figures["gpu_joules_difference"]
    known = difference is not None
    doubt = _doubt_of_difference(energy) if known else None
    figures["gpu_joules_difference_uncertainty_joules"] = doubt
    figures["gpu_difference_percent"] = (
        100 * difference / old if old and difference is not None else None
    )
    for key in ("gpu_joules_difference_uncertainty_joules", "gpu_difference_percent"):
        if figures[key] is None:
            missing[key] = "the old figure is 0" if known else "one of the two figures is unknown"
    return figures, missing


def _doubt_of_difference(energy: Energy) -> float:
    """What is stated of the sensor holds for both figures alike, and is not in their difference."""
    gpus = [d for d in energy.domains if d.domain.kind == "gpu"]
    return sum(joules for gpu in gpus for cause, joules in gpu.budget.items() if cause != "stated")


def _warnings(run: OldRun, presence: Mapping[str, Any], succeeded: bool) -> list[str]:
    lines = ["imported from an older tool's files: see `imported`", *run.energy.warnings]
    present = presence["present_at_start"]
    if run.parallel and present is False:
        lines.append(
            "no background was on the GPU when the foreground began: its utilisation was 0"
        )
    if not run.parallel and present is True:
        lines.append("something else was on the GPU when the foreground began, without background")
    unread = run.power.unread + run.utilization.unread
    if unread:
        lines.append(f"{unread} rows of the CSV files could not be read and were left out")
    if run.facts.get("retries"):
        lines.append("it was retried: whether its energy is that of the last attempt is not said")
    if run.span.source != "perf":
        lines.append("perf's time is unknown: the foreground's time is that of experiment.json")
    took = number(run.facts.get("duration_seconds"))
    if took is not None and abs(took - run.span.seconds) > max(5.0, 0.01 * took):
        lines.append(
            f"perf ran for {run.span.seconds:.0f} s and experiment.json says {took:.0f} s: the "
            "energy is of perf's time"
        )
    return lines
