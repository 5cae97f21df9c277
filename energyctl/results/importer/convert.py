"""An old run → a result of our format. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from energyctl.config.plan import Training
from energyctl.energy import Energy
from energyctl.energy.recording import phase_json
from energyctl.energy.schema import SamplerJson
from energyctl.results import background_load, document, schema
from energyctl.results.importer.background_presence import judge
from energyctl.results.importer.parse import OldRun, number
from energyctl.results.paths import PARALLEL

NOT_SAID = "the older tool's files do not say"
ONE_UNKNOWN = "one of the two figures is unknown"
NOT_METERED = "the older tool metered the foreground alone"
NOT_RUN = ("idle", "background_start", "background_only", "background_stop", "cooldown")
KINDS = {"cpu_package_joules": "cpu", "cpu_dram_joules": "dram", "gpu_joules": "gpu"}


@dataclass(frozen=True)
class Source:
    """Where a run was read; sha256: of its files."""

    folder: Path
    campaign: str | None
    sha256: str


def make_result(run: OldRun, experiment_id: str, source: Source) -> schema.Result:
    succeeded = run.facts["training_success"] is True
    presence = judge(run.utilization, run.span.start, run.span.end)
    missing = {"run": NOT_SAID, "machine": NOT_SAID}
    return document.make_result(
        experiment_id=experiment_id,
        campaign=source.campaign,
        mode=_mode(run),
        status="succeeded" if succeeded else "failed",
        foreground=_foreground(run, experiment_id, succeeded),
        background=_background(run, presence) if run.parallel else None,
        energy=_energy(run),
        foreign=document.foreign_by_phase({}, NOT_SAID),
        phases=[phase_json("foreground", run.energy)],
        warnings=_warnings(run, presence, succeeded),
        environment=document.environment(None, {"started": run.span.start, "missing": missing}),
        imported=_imported(run, source, presence),
    )


def _mode(run: OldRun) -> schema.Mode | None:
    mode = run.whole.get("mode")
    if run.parallel:
        return "parallel"
    return mode if mode in ("mutation", "default") else None


def _foreground(run: OldRun, experiment_id: str, succeeded: bool) -> schema.ForegroundResult:
    facts = run.facts
    metrics = facts.get("performance_metrics")
    error = None if succeeded else str(facts.get("error_message") or "the training failed")
    training = Training(facts["repository"], facts["model"], facts["hyperparameters"])
    result = document.foreground_result(experiment_id.removesuffix(PARALLEL), training, error)
    result["duration"] = number(facts.get("duration_seconds"))
    result["retries"] = facts.get("retries")
    result["performance_metrics"] = metrics if isinstance(metrics, dict) else {}
    unknown = ["exit_code", "log", "outputs", "attempts"]
    unknown += [key for key in ("duration", "retries") if result[key] is None]
    result["missing"] = dict.fromkeys(unknown, NOT_SAID)
    return result


def _background(run: OldRun, presence: schema.PresenceJson) -> schema.BackgroundInfo:
    """One job, of which nothing is known but what it was, and the GPU's utilisation."""
    facts = run.background or {}
    values = facts.get("hyperparameters")
    repo, model = facts.get("repository"), facts.get("model")
    training = {
        "repo": repo,
        "model": model,
        "hyperparameters": values if isinstance(values, dict) else None,
    }
    place = facts.get("log_directory")
    logs = f"not among what was imported; they were in {place}" if place else NOT_SAID
    missing = {key: NOT_SAID for key, value in training.items() if value is None}
    job = document.job_info(
        f"{repo}_{model}" if repo else "background",
        training,
        background_load.unknown("the older tool did not watch it"),
        why="the older tool kept no ledger of its iterations",
        missing={**missing, "logs": logs},
    )
    info = document.background_info([job], note=str(facts.get("note") or NOT_SAID))
    info["presence"] = presence
    info["missing"] = {"stop": NOT_SAID, "settle": NOT_SAID}
    return info


def _energy(run: OldRun) -> schema.EnergyJson:
    energy = run.energy
    missing: dict[str, str] = {}
    for key, kind in KINDS.items():
        reasons = [d.missing for d in energy.domains if d.domain.kind == kind and d.missing]
        if getattr(energy, key) is None:
            missing[key] = (reasons or [NOT_SAID])[0]
    for key in ("total_joules", "uncertainty_joules", "own_joules", "common_joules"):
        if getattr(energy, key) is None:
            missing[key] = "a part of the total is unknown"
    nothing = document.nothing_added(energy, NOT_METERED)
    return document.energy_json(energy, nothing, nothing, missing, _sampler(run))


def _sampler(run: OldRun) -> SamplerJson:
    """Of the GPU's power: the CPU's counters were read at both ends only."""
    power, span = run.power, run.span
    unknown = {"missed": NOT_SAID, "cpu_seconds": NOT_SAID}
    if power.missing is not None:
        keys = ("interval_seconds", "samples", "max_gap_seconds")
        unknown |= dict.fromkeys(keys, power.missing)
    inside = [time for time in power.times if span.start < time < span.end]
    edges = [span.start, *inside, span.end]
    known = power.missing is None
    return {
        "interval_seconds": power.mean_interval_seconds if known else None,
        "samples": len(inside) if known else None,
        "missed": None,
        "max_gap_seconds": max(b - a for a, b in pairwise(edges)) if known else None,
        "cpu_seconds": None,
        "missing": unknown,
    }


def _imported(run: OldRun, source: Source, presence: schema.PresenceJson) -> schema.Imported:
    """Where it comes from, the old figures, and what ours differ by."""
    span = run.span
    figures, missing = _compared(run)
    missing |= {f"phases.{name}": NOT_METERED for name in NOT_RUN}
    if run.whole.get("mode") is None and not run.parallel:
        missing["mode"] = "the older tool's files do not say whether values were drawn"
    if span.utc_offset_seconds is None:
        missing["utc_offset_seconds"] = "no samples beside it: the local time was taken for UTC"
    if run.power.mean_interval_seconds is None:
        missing["mean_interval_seconds"] = run.power.missing or "there is one sample alone"
    return {
        "from": str(source.folder),
        "experiment_id": run.experiment_id,
        "timestamp": run.whole.get("timestamp"),
        "sha256": source.sha256,
        **figures,
        "reported": dict(run.reported),
        "span_from": span.source,
        "utc_offset_seconds": span.utc_offset_seconds,
        "mean_interval_seconds": run.power.mean_interval_seconds,
        "unread_rows": run.power.unread + run.utilization.unread,
        "gpu_presence": presence,
        "missing": missing,
    }


def _compared(run: OldRun) -> tuple[schema.ComparedFigures, dict[str, str]]:
    """The old figures, ours less them, and the reasons for what is null."""
    energy, reported = run.energy, run.reported
    gpu = number(reported.get("gpu_energy_total_joules"))
    package = number(reported.get("cpu_energy_pkg_joules"))
    dram = number(reported.get("cpu_energy_ram_joules"))
    difference = _difference(energy.gpu_joules, gpu)
    doubt = None if difference is None else _doubt_of_difference(energy)
    percent = 100 * difference / gpu if gpu and difference is not None else None
    figures: schema.ComparedFigures = {
        "gpu_joules_reported": gpu,
        "gpu_joules_difference": difference,
        "gpu_joules_difference_uncertainty_joules": doubt,
        "gpu_difference_percent": percent,
        "cpu_package_joules_reported": package,
        "cpu_package_joules_difference": _difference(energy.cpu_package_joules, package),
        "cpu_dram_joules_reported": dram,
        "cpu_dram_joules_difference": _difference(energy.cpu_dram_joules, dram),
    }
    missing: dict[str, str] = {}
    for key, value in figures.items():
        if value is None:
            missing[key] = NOT_SAID if key.endswith("_reported") else ONE_UNKNOWN
    if difference is not None and percent is None:
        missing["gpu_difference_percent"] = "the old figure is 0"
    return figures, missing


def _difference(ours: float | None, old: float | None) -> float | None:
    return None if ours is None or old is None else ours - old


def _doubt_of_difference(energy: Energy) -> float:
    """What is stated of the sensor holds for both figures alike, and is not in their difference."""
    gpus = [d for d in energy.domains if d.domain.kind == "gpu"]
    return sum(joules for gpu in gpus for cause, joules in gpu.budget.items() if cause != "stated")


def _warnings(run: OldRun, presence: schema.PresenceJson, succeeded: bool) -> list[str]:
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
