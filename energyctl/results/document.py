"""The parts of a result, put together: of finished, failed, interrupted and imported runs alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from energyctl.config.places import Placed
from energyctl.config.plan import Run, Training
from energyctl.energy import Energy, EnergyAboveBaseline
from energyctl.energy.schema import PhaseJson, SamplerJson
from energyctl.results import foreign_load, schema
from energyctl.results.background_load import JobLoad
from energyctl.system.processes import EndReport

NOT_COUNTED = cast(schema.LedgerFigures, dict.fromkeys(schema.LedgerFigures.__annotations__))

AddedFigures = tuple[EnergyAboveBaseline, dict[str, EnergyAboveBaseline]]
"""Energy above a baseline: of the total, and by name of the domain."""


def make_result(
    *,
    experiment_id: str,
    campaign: str | None,
    mode: schema.Mode | None,
    status: schema.Status,
    foreground: schema.ForegroundResult,
    background: schema.BackgroundInfo | None,
    energy: schema.EnergyJson | str,
    foreign: schema.ForeignByPhase,
    phases: list[PhaseJson],
    warnings: Sequence[str],
    environment: schema.Environment,
    imported: schema.Imported | None = None,
    reach: Mapping[str, schema.ReachJson] | None = None,
    activity: Sequence[schema.SpanJson] = (),
    run: Run | None = None,
    machine_settings: Mapping[str, schema.MachineSettingJson] | None = None,
    footprint_factors: Mapping[str, Any] | None = None,
) -> schema.Result:
    """The whole document. *energy*: or the reason why there is none. *run*: as planned."""
    result: schema.Result = {
        "schema": schema.SCHEMA,
        "experiment_id": experiment_id,
        "campaign": campaign,
        "mode": mode,
        "status": status,
        "foreground_result": foreground,
        "background_info": background,
        "energy": None if isinstance(energy, str) else energy,
        "energy_missing": energy if isinstance(energy, str) else None,
        "energy_note": schema.WHOLE_MACHINE_NOTE,
        "foreign": foreign,
        "phases": phases,
        "warnings": list(dict.fromkeys(warnings)),
        "environment": environment,
    }
    if run is not None:
        result["condition"], result["block"] = run.condition, run.block
        result["training_seed"], result["warm_up"] = run.training_seed, run.warm_up
        if run.trial is not None:
            result["trial"] = run.trial
        if run.alone_of is not None:
            started = environment.get("started")
            result["alone_of"] = {
                "experiment_id": run.alone_of.experiment_id,
                "age_seconds": None if started is None else started - run.alone_of.started,
            }
    if machine_settings:
        result["machine_settings"] = dict(machine_settings)
    if footprint_factors:
        result["footprint_factors"] = cast(schema.FootprintFactorsJson, dict(footprint_factors))
    if imported is not None:
        result["imported"] = imported
    if reach:
        result["reach"] = dict(reach)
    if activity:
        result["activity"] = list(activity)
    return result


def foreground_result(
    experiment_id: str,
    training: Training,
    error: str | None,
    attempts: Sequence[schema.AttemptJson] | None = None,
    outputs: str | None = None,
    series: Mapping[str, schema.MetricSeriesJson] | None = None,
    placed: Placed | None = None,
    told: schema.ToldJson | None = None,
) -> schema.ForegroundResult:
    """The training that was measured. *error*: None where it succeeded. *attempts*: in their
    order; None where nothing is known of them. *told*: by the training itself."""
    last = next((one for one in reversed(attempts or ()) if one["end"] is not None), None)
    shown = last or (attempts[-1] if attempts else None)
    result: schema.ForegroundResult = {
        "experiment_id": experiment_id,
        "success": error is None,
        "duration": last and last["duration"],
        "retries": None if attempts is None else max(0, len(attempts) - 1),
        "repo": training.repo,
        "model": training.model,
        "hyperparameters": training.hyperparameters,
        "exit_code": shown and shown["exit_code"],
        "error": error,
        "performance_metrics": dict(shown["performance_metrics"]) if shown else {},
        "log": shown and shown["log"],
        "outputs": outputs,
        "attempts": list(attempts or ()),
    }
    if series:
        result["metric_series"] = dict(series)
    if placed:
        result["place"] = place_json(placed)
    # mypy: an extended ToldJson might hold keys of another type.
    result.update(told or {})  # type: ignore[typeddict-item]
    return result


def place_json(placed: Placed) -> schema.PlaceJson:
    gpus = placed.gpus
    return {
        "gpus": None if gpus is None else [gpu.index for gpu in gpus],
        "uuids": None if gpus is None else [gpu.uuid for gpu in gpus],
        "cpus": placed.cpus,
    }


def background_info(
    jobs: Sequence[schema.JobInfo],
    *,
    note: str = schema.BACKGROUND_NOTE,
    stop: schema.GroupEndJson | None = None,
) -> schema.BackgroundInfo:
    """What ran as load, or was to."""
    only = jobs[0] if len(jobs) == 1 else None
    return {
        "repo": only and only["repo"],
        "model": only and only["model"],
        "hyperparameters": only["hyperparameters"] if only else None,
        "note": note,
        "jobs": list(jobs),
        "stop": stop,
        "settle": None,
    }


def job_info(
    job: str,
    training: Mapping[str, Any],
    load: JobLoad,
    figures: schema.LedgerFigures = NOT_COUNTED,
    *,
    why: str | None = None,
    missing: Mapping[str, str] | None = None,
    logs: str | None = None,
    error: str | None = None,
    placed: Placed | None = None,
) -> schema.JobInfo:
    """A job. *why*: the reason for the *figures* that are None; *missing*: further reasons."""
    reasons = {name: why for name, figure in figures.items() if figure is None and why is not None}
    info: schema.JobInfo = {
        "job": job,
        "repo": training["repo"],
        "model": training["model"],
        "hyperparameters": training["hyperparameters"],
        **figures,
        # mypy: an extended LoadJson might hold a place of another type.
        **load.to_json(),  # type: ignore[typeddict-item]
        "missing": {**reasons, **load.missing, **(missing or {})},
        "logs": logs,
        "error": error,
    }
    if placed:
        info["place"] = place_json(placed)
    return info


def energy_json(
    energy: Energy,
    above_idle: AddedFigures,
    marginal: AddedFigures,
    missing: Mapping[str, str],
    sampler: SamplerJson | None = None,
) -> schema.EnergyJson:
    """Energy of the last attempt. *missing*: reasons for what is null, but for what was added."""
    figures, reasons = energy.to_json(), dict(missing)
    for key, (total, _) in {"above_idle": above_idle, "marginal": marginal}.items():
        if total.missing is not None:
            reasons[f"{key}_joules"] = total.missing
    return {
        **figures,
        "domains": [
            {**one, **_added(above_idle[1][one["name"]], marginal[1][one["name"]])}
            for one in figures["domains"]
        ],
        "sampler": sampler or figures["sampler"],
        # mypy: an extended AddedJson might hold an idle_of of another type.
        **_added(above_idle[0], marginal[0]),  # type: ignore[typeddict-item]
        "missing": reasons,
    }


def _added(above_idle: EnergyAboveBaseline, marginal: EnergyAboveBaseline) -> schema.AddedJson:
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


def foreign_by_phase(
    loads: Mapping[str, foreign_load.ForeignLoad], why: str
) -> schema.ForeignByPhase:
    """Foreign load by phase; *why*: the reason where it is not known of one."""
    nothing = foreign_load.unknown(why)
    return {
        "idle": loads.get("idle", nothing).to_json(),
        "foreground": loads.get("foreground", nothing).to_json(),
    }


def process_end(ended: EndReport) -> schema.ProcessEndJson:
    return {
        "seconds": ended.seconds,
        "survivors": [f"{one.pid} {one.command}" for one in ended.found],
        "left": [f"{one.pid} {one.command}" for one in ended.left],
    }


def environment(run: Run | None, facts: Mapping[str, object]) -> schema.Environment:
    """Where *run* ran, as planned, and what is known of it."""
    # What the machine and the cluster say of themselves is an open list.
    return cast(schema.Environment, {**facts, "run": None if run is None else run.to_json()})
