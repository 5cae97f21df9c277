"""The parts of a result, put together: of finished, failed, interrupted and imported runs alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from energyctl.config.plan import Run, Training
from energyctl.energy import Energy, EnergyAboveBaseline
from energyctl.energy.schema import PhaseJson, SamplerJson
from energyctl.results.background_load import JobLoad
from energyctl.results.foreign_load import ForeignLoad, unknown
from energyctl.results.schema import (
    BACKGROUND_NOTE,
    SCHEMA,
    WHOLE_MACHINE_NOTE,
    AddedJson,
    AttemptJson,
    BackgroundInfo,
    EnergyJson,
    Environment,
    ForegroundResult,
    ForeignByPhase,
    GroupEndJson,
    Hyperparameters,
    Imported,
    JobInfo,
    Metrics,
    Mode,
    ProcessEndJson,
    Result,
    SettleJson,
    Status,
)
from energyctl.system.processes import EndReport

AddedFigures = tuple[EnergyAboveBaseline, dict[str, EnergyAboveBaseline]]
"""Energy above a baseline: of the total, and by name of the domain."""


def make_result(
    *,
    experiment_id: str,
    campaign: str | None,
    mode: Mode | None,
    status: Status,
    foreground: ForegroundResult,
    background: BackgroundInfo | None,
    energy: EnergyJson | str,
    foreign: ForeignByPhase,
    phases: list[PhaseJson],
    warnings: Sequence[str],
    environment: Environment,
    imported: Imported | None = None,
) -> Result:
    """The whole document. *energy*: or the reason why there is none."""
    result: Result = {
        "schema": SCHEMA,
        "experiment_id": experiment_id,
        "campaign": campaign,
        "mode": mode,
        "status": status,
        "foreground_result": foreground,
        "background_info": background,
        "energy": None if isinstance(energy, str) else energy,
        "energy_missing": energy if isinstance(energy, str) else None,
        "energy_note": WHOLE_MACHINE_NOTE,
        "foreign": foreign,
        "phases": phases,
        "warnings": list(dict.fromkeys(warnings)),
        "environment": environment,
    }
    if imported is not None:
        result["imported"] = imported
    return result


def foreground_result(
    experiment_id: str,
    training: Training,
    *,
    error: str | None,
    duration: float | None = None,
    retries: int | None = None,
    exit_code: int | None = None,
    metrics: Metrics | None = None,
    log: str | None = None,
    outputs: str | None = None,
    attempts: Sequence[AttemptJson] = (),
) -> ForegroundResult:
    """The training that was measured; without more, one that never ran. *error*: None where it
    succeeded."""
    return {
        "experiment_id": experiment_id,
        "success": error is None,
        "duration": duration,
        "retries": retries,
        "repo": training.repo,
        "model": training.model,
        "hyperparameters": training.hyperparameters,
        "exit_code": exit_code,
        "error": error,
        "performance_metrics": dict(metrics or {}),
        "log": log,
        "outputs": outputs,
        "attempts": list(attempts),
    }


def background_info(
    jobs: Sequence[JobInfo],
    *,
    note: str = BACKGROUND_NOTE,
    stop: GroupEndJson | None = None,
    settle: SettleJson | None = None,
) -> BackgroundInfo:
    """What ran as load, or was to."""
    only = jobs[0] if len(jobs) == 1 else None
    return {
        "repo": only and only["repo"],
        "model": only and only["model"],
        "hyperparameters": only["hyperparameters"] if only else None,
        "note": note,
        "jobs": list(jobs),
        "stop": stop,
        "settle": settle,
    }


def job_info(
    job: str,
    load: JobLoad,
    *,
    repo: str | None,
    model: str | None,
    hyperparameters: Hyperparameters | None,
    iterations: int | None = None,
    failures: int | None = None,
    coverage: float | None = None,
    max_gap_seconds: float | None = None,
    why: str | None = None,
    missing: Mapping[str, str] | None = None,
    logs: str | None = None,
    error: str | None = None,
) -> JobInfo:
    """A job. *why*: the reason for the figures that are None; *missing*: further reasons."""
    figures = {
        "iterations": iterations,
        "failures": failures,
        "coverage": coverage,
        "max_gap_seconds": max_gap_seconds,
    }
    reasons = {name: why for name, value in figures.items() if value is None and why is not None}
    return {
        "job": job,
        "repo": repo,
        "model": model,
        "hyperparameters": hyperparameters,
        "iterations": iterations,
        "failures": failures,
        "coverage": coverage,
        "max_gap_seconds": max_gap_seconds,
        **load.to_json(),
        "missing": {**reasons, **load.missing, **(missing or {})},
        "logs": logs,
        "error": error,
    }


def energy_json(
    energy: Energy,
    above_idle: AddedFigures,
    marginal: AddedFigures,
    missing: Mapping[str, str],
    sampler: SamplerJson | None = None,
) -> EnergyJson:
    """Energy of the last attempt. *missing*: reasons for what is null, but for what was added."""
    reasons = dict(missing)
    for key, (total, _) in {"above_idle": above_idle, "marginal": marginal}.items():
        if total.missing is not None:
            reasons[f"{key}_joules"] = total.missing
    return {
        "seconds": energy.seconds,
        "total_joules": energy.total_joules,
        "uncertainty_joules": energy.uncertainty_joules,
        "cpu_package_joules": energy.cpu_package_joules,
        "cpu_dram_joules": energy.cpu_dram_joules,
        "gpu_joules": energy.gpu_joules,
        "measured": energy.measured,
        "domains": [
            {**one.to_json(), **_added(above_idle[1][name], marginal[1][name])}
            for one in energy.domains
            for name in (one.domain.name,)
        ],
        "sampler": sampler or energy.sampler.to_json(),
        "above_idle_joules": above_idle[0].joules,
        "above_idle_uncertainty_joules": above_idle[0].uncertainty_joules,
        "marginal_joules": marginal[0].joules,
        "marginal_uncertainty_joules": marginal[0].uncertainty_joules,
        "missing": reasons,
    }


def _added(above_idle: EnergyAboveBaseline, marginal: EnergyAboveBaseline) -> AddedJson:
    return {
        "above_idle_joules": above_idle.joules,
        "above_idle_uncertainty_joules": above_idle.uncertainty_joules,
        "marginal_joules": marginal.joules,
        "marginal_uncertainty_joules": marginal.uncertainty_joules,
    }


def nothing_added(energy: Energy, why: str) -> AddedFigures:
    """Where there is no baseline."""
    nothing = EnergyAboveBaseline(None, None, why)
    return nothing, {one.domain.name: nothing for one in energy.domains}


def foreign_by_phase(loads: Mapping[str, ForeignLoad], why: str) -> ForeignByPhase:
    """Foreign load by phase; *why*: the reason where it is not known of one."""
    nothing = unknown(why)
    return {
        "idle": loads.get("idle", nothing).to_json(),
        "foreground": loads.get("foreground", nothing).to_json(),
    }


def process_end(ended: EndReport) -> ProcessEndJson:
    return {
        "seconds": ended.seconds,
        "survivors": [f"{one.pid} {one.command}" for one in ended.found],
        "left": [f"{one.pid} {one.command}" for one in ended.left],
    }


def environment(run: Run | None, facts: Mapping[str, object]) -> Environment:
    """Where *run* ran, as planned, and what is known of it."""
    # What the machine and the cluster say of themselves is an open list.
    return cast(Environment, {**facts, "run": None if run is None else run.to_json()})
