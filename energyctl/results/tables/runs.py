"""A result → its row in the table of runs. Files beside the result come as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from energyctl.results import throttling
from energyctl.results.conditions import condition_of, is_warm_up
from energyctl.results.phases import kind_of
from energyctl.results.tables import accessors
from energyctl.results.tables.columns import Row, known, plain, total
from energyctl.results.tables.footprint import footprint_row
from energyctl.results.tables.layouts import METRICS, REACH
from energyctl.results.tables.part import NoResult, Part
from energyctl.results.tables.totals import total_of


@dataclass(frozen=True)
class GpuSeries:
    """Figures of the time series of the GPUs during the last attempt; None where unknown."""

    max_watts: float | None = None
    min_watts: float | None = None
    mean_celsius: float | None = None
    max_celsius: float | None = None
    mean_percent: float | None = None
    max_percent: float | None = None

    def row(self) -> Row:
        return {f"gpu_{name}": value for name, value in vars(self).items()}


@dataclass(frozen=True)
class WallEstimate:
    """Over the last attempt, by a calibration. note: by which, or why it is not estimated; None:
    there is no calibration of that host."""

    joules: float | None = None
    uncertainty_joules: float | None = None
    note: str | None = None

    def row(self) -> Row:
        return {
            "wall_joules_estimated": self.joules,
            "wall_uncertainty_joules_estimated": self.uncertainty_joules,
            "wall_note": self.note,
        }


NO_SERIES, NO_ESTIMATE = GpuSeries(), WallEstimate()
LEAST_SECONDS = 1.0
"""A baseline that is shorter tells next to nothing of the power."""

REPORTED = {
    "max_watts": "gpu_power_max_watts",
    "min_watts": "gpu_power_min_watts",
    "mean_celsius": "gpu_temp_avg_celsius",
    "max_celsius": "gpu_temp_max_celsius",
    "mean_percent": "gpu_util_avg_percent",
    "max_percent": "gpu_util_max_percent",
}
"""Ours → the old tool's, of an imported run: there is no time series beside it."""


def run_row(
    result: Part, file: str, gpu: GpuSeries = NO_SERIES, wall: WallEstimate = NO_ESTIMATE
) -> Row:
    """The row of a run."""
    training = result.part("foreground_result")
    started, ended = accessors.attempt_span(result)
    warnings = result.items("warnings")
    return {
        **{name: result.text(name) for name in ("experiment_id", "campaign", "mode", "status")},
        "condition": condition_of(result.document),
        "block": result.integer("block"),
        "trial": result.integer("trial"),
        "training_seed": result.integer("training_seed"),
        "warm_up": is_warm_up(result.document),
        "alone_of": result.part("alone_of").text("experiment_id"),
        "repository": training.text("repo"),
        "model": training.text("model"),
        "training_success": training.flag("success"),
        "exit_code": training.integer("exit_code"),
        "error": training.text("error"),
        "retries": training.integer("retries"),
        "started": started,
        "ended": ended,
        "duration_seconds": training.number("duration"),
        **_energy(result),
        **wall.row(),
        **footprint_row(result),
        **_gpu(result, gpu).row(),
        **_background(result),
        **_foreign(result.part("foreign")),
        "throttled_by": _throttled_by(result),
        "warning_count": len(warnings),
        "warnings": accessors.joined(warnings, " | "),
        **_imported(result),
        **_environment(result.part("environment")),
        **_machine(result.part("machine_settings")),
        "result_file": file,
        **accessors.hyperparameters(training),
        **_metrics(training),
        **_reach(result.part("reach")),
    }


def _gpu(result: Part, gpu: GpuSeries) -> GpuSeries:
    reported = result.part("imported").part("reported")
    if gpu != NO_SERIES or not reported.names():
        return gpu
    return GpuSeries(**{ours: reported.number(theirs) for ours, theirs in REPORTED.items()})


def _energy(result: Part) -> Row:
    energy, sampler = result.part("energy"), result.part("energy").part("sampler")
    seconds, joules = energy.number("seconds"), energy.number("total_joules")
    domains = energy.parts("domains")
    estimates = [
        one.number("joules") for one in domains if one.flag("in_total") and not one.flag("measured")
    ]
    row: Row = {
        "energy_seconds": seconds,
        "total_joules": joules,
        "total_uncertainty_joules": energy.number("uncertainty_joules"),
        "total_own_joules": energy.number("own_joules"),
        "total_watts": accessors.watts(joules, seconds),
        "total_of": total_of(energy),
        "energy_measured": energy.flag("measured"),
        "estimated_joules": total(estimates),
        **{name: energy.number(name) for name in accessors.ADDED},
        "gpu_mean_watts": accessors.watts(energy.number("gpu_joules"), seconds),
        "sample_interval_seconds": sampler.number("interval_seconds"),
        "samples": sampler.integer("samples"),
        "samples_missed": sampler.integer("missed"),
        "max_sample_gap_seconds": sampler.number("max_gap_seconds"),
        "energy_missing": result.text("energy_missing")
        or accessors.reasons(energy.part("missing")),
    }
    for name, kind in (("cpu_package", "cpu"), ("cpu_dram", "dram"), ("gpu", "gpu")):
        figure = energy.number(f"{name}_joules")
        of_kind = [one for one in domains if one.text("kind") == kind and one.flag("in_total")]
        row[f"{name}_joules"] = figure
        for part in ("uncertainty_joules", "own_joules"):
            bands = [one.number(part) for one in of_kind]
            row[f"{name}_{part}"] = None if figure is None else total(bands)
    return {**row, **_baselines(result)}


def _baselines(result: Part) -> Row:
    """Power of the whole machine in its baselines, or in the phases before the last attempt."""
    counted = [
        str(one.text("name"))
        for one in result.part("energy").parts("domains")
        if one.flag("in_total")
    ]
    start = accessors.attempt_span(result)[0]
    row: Row = {}
    for name in ("idle", "background_only"):
        seconds, joules = list[float | None](), list[float | None]()
        for phase in result.parts("phases"):
            end = phase.time("end")
            if phase.text("name") == name and start is not None and end is not None:
                if end > start:
                    continue
                figures = phase.numbers("joules")
                joules.append(total([figures.get(domain) for domain in counted]))
                seconds.append(accessors.seconds_between(phase.time("start"), end))
        length = total(seconds)
        watts = result.part("energy").part("baselines").part(name).number("watts")
        if watts is None and length and length >= LEAST_SECONDS:
            watts = accessors.watts(total(joules), length)
        row[f"{name}_watts"] = watts
    return row


def _background(result: Part) -> Row:
    info = result.part("background_info")
    jobs = info.parts("jobs")
    iterations = known(job.integer("iterations") for job in jobs)
    failures = known(job.integer("failures") for job in jobs)
    coverages = known(job.number("coverage") for job in jobs)
    loads = known(job.number("load") for job in jobs)
    gaps = known(job.number("max_gap_seconds") for job in jobs)
    settle, only = info.part("settle"), jobs[0] if len(jobs) == 1 else Part({})
    return {
        "background_jobs": len(jobs),
        "background_repository": only.text("repo"),
        "background_model": only.text("model"),
        "background_iterations": sum(iterations) if iterations else None,
        "background_failures": sum(failures) if failures else None,
        "background_min_coverage": min(coverages, default=None),
        "background_min_load": min(loads, default=None),
        "background_max_gap_seconds": max(gaps, default=None),
        "settle_seconds": settle.number("seconds"),
        "settle_steady": settle.flag("steady"),
        "background_stop_seconds": info.part("stop").number("seconds"),
    }


def _foreign(foreign: Part) -> Row:
    meanwhile = foreign.part("foreground")
    gpu = meanwhile.raw("gpu_processes")
    return {
        "foreign_idle_cores": foreign.part("idle").number("cpu_cores"),
        "foreign_cores": meanwhile.number("cpu_cores"),
        "foreign_gpu_processes": None if gpu is None else len(meanwhile.items("gpu_processes")),
    }


def _throttled_by(result: Part) -> str | None:
    """What held GPUs and CPUs down during the last attempt; None where that is not known."""
    start, _ = accessors.attempt_span(result)
    known = throttling.shares(
        _stretch(phase)
        for phase in result.parts("phases")
        if kind_of(phase.text("name") or "") == "foreground"
        and start is not None
        and (phase.time("start") or 0.0) >= start
    )
    causes = [
        f"{device} {cause}"
        for (device, cause), share in known.items()
        if share > throttling.LEAST_SHARE
    ]
    return ("; ".join(causes) or "nothing") if known else None


def _stretch(phase: Part) -> throttling.Stretch:
    acted: dict[throttling.Cause, float | None] = {}
    gpus, cpus = (phase.part("state").part(kind) for kind in ("gpus", "cpus"))
    for name in gpus.names():
        limited = gpus.part(name).numbers("limited_seconds")
        acted |= {(name, limit): seconds for limit, seconds in limited.items()}
    for name in cpus.names():
        acted[name, "heat"] = cpus.part(name).number("throttle_seconds")
    return accessors.seconds_between(phase.time("start"), phase.time("end")) or 0.0, acted


def _imported(result: Part) -> Row:
    imported = result.part("imported")
    row: Row = {"imported": result.raw("imported") is not None}
    for name in ("from", "experiment_id", "timestamp"):
        row[f"imported_{name}"] = imported.text(name)
    for name in ("gpu_joules_reported", "gpu_joules_difference", "gpu_difference_percent"):
        row[f"imported_{name}"] = imported.number(name)
    return row


def _environment(facts: Part) -> Row:
    run, gpus = facts.part("run"), list(facts.parts("gpus"))
    return {
        "journal": facts.text("journal"),
        "run": run.integer("index"),
        **{name: run.integer(name) for name in ("experiment", "repetition")},
        "mutated": accessors.joined(run.items("mutated"), ","),
        "seed": facts.integer("seed"),
        **{name: facts.text(name) for name in ("hostname", "cpu", "kernel", "energyctl")},
        "node": facts.text("node") or facts.text("hostname"),
        "constraint": facts.part("slurm").text("constraint"),
        "slurm_job": facts.part("slurm").text("job_id"),
        "gpus": accessors.joined((gpu.text("name") for gpu in gpus), "; "),
        "gpu_uuids": accessors.joined((gpu.text("uuid") for gpu in gpus), "; "),
        "gpu_driver": accessors.joined(dict.fromkeys(gpu.text("driver") for gpu in gpus), "; "),
        "gpu_power_limit_watts": _numbers(gpus, "power_limit_watts"),
        "governors": accessors.joined(facts.items("governors"), ","),
    }


def _numbers(gpus: Iterable[Part], key: str) -> str | None:
    """Those that are known."""
    figures = [gpu.number(key) for gpu in gpus]
    return accessors.joined((f"{figure:g}" for figure in figures if figure is not None), "; ")


def _machine(settings: Part) -> Row:
    """What was set for the run, and what of it was enforced."""
    limit, clock, governor = (
        settings.part(name) for name in ("gpu_power_limit_watts", "gpu_clock_mhz", "governor")
    )
    return {
        "requested_gpu_power_limit_watts": limit.number("requested"),
        "enforced_gpu_power_limit_watts": _numbers(limit.parts("gpus"), "enforced"),
        "requested_gpu_clock_mhz": clock.integer("requested"),
        "enforced_gpu_clock_mhz": _numbers(clock.parts("gpus"), "enforced"),
        "requested_governor": governor.text("requested"),
        "enforced_governor": accessors.joined(governor.items("enforced"), "; "),
    }


def _metrics(training: Part) -> Row:
    inner = training.part("performance_metrics")
    found: Row = {}
    for name in inner.names():
        value = inner.raw(name)
        try:  # nan and inf, too: a training may well print them
            found[METRICS.name(name)] = None if value is None else float(value)
        except (TypeError, ValueError, OverflowError):
            raise NoResult(f"{inner.place(name)} is {value!r}, not a number") from None
    return found


def _reach(reach: Part) -> Row:
    return {
        family.name(plain(name)): reach.part(name).number(figure)
        for name in reach.names()
        for figure, family in REACH.items()
    }
