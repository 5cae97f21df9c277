"""Calibrates the total against a meter at the wall: ``energyctl calibrate --against NAME``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from energyctl import __version__
from energyctl.energy.wall import Level, WallFit, fit_wall, levels_of, too_little
from energyctl.errors import SettingsError
from energyctl.results.api import Run
from energyctl.results.tables import Part
from energyctl.results.wall import record
from energyctl.results.wall.phases import Machine, WallPhases, counted, machine_of
from energyctl.system.records import keep_or_warn
from energyctl.text import count, first_of, percent

WIDE = 0.05
"""Of a band, as a share of the power at the wall."""
NAMES = {1: ("constant_watts", "slope"), 2: ("constant_watts", "cpu_slope", "gpu_slope")}
CURE = (
    "run trainings alone and beside a background on it, with idle_seconds of a minute and "
    '"references": true, and calibrate again'
)


def calibrate_wall(runs: Iterable[Run], meter: str, now_unix: float) -> dict[str, Any]:
    """A document with a record of each machine, which is kept, or with `refused`, the reasons.

    SettingsError where no run has a domain of that name.
    """
    machines = phases_of(runs, meter)
    found = [_calibrated(machine, phases, meter, now_unix) for machine, phases in machines.items()]
    return {"against": meter, "machines": found}


def phases_of(runs: Iterable[Run], meter: str) -> dict[Machine, WallPhases]:
    """By machine, of those runs that have a domain of that name."""
    machines: dict[Machine, WallPhases] = {}
    names: set[str] = set()
    for run in runs:
        result = Part(run.result)
        domains = {str(d.text("name")): d for d in result.part("energy").parts("domains")}
        names |= {name for name, one in domains.items() if not one.flag("in_total")}
        machine = machine_of(result)
        if meter not in domains or machine is None:
            continue
        phases = machines.setdefault(machine, WallPhases())
        if domains[meter].flag("in_total"):
            phases.left_out[f"a run with {meter} in its total"] += 1
        elif not all(one.flag("measured") for one in counted(result)):
            phases.left_out["a run whose total is in part an estimate"] += 1
        else:
            phases.add(result, meter)
    if not machines:
        beside = f": beside the total they have {first_of(sorted(names), 8)}" if names else ""
        raise SettingsError(f"--against {meter}: these results have no domain {meter!r}{beside}")
    return machines


def _calibrated(
    machine: Machine, phases: WallPhases, meter: str, now_unix: float
) -> dict[str, Any]:
    head = {
        "schema": record.SCHEMA,
        "energyctl": __version__,
        "date_unix": now_unix,
        "meter": meter,
        "machine": asdict(machine),
        "runs": phases.runs,
        "phases": len(phases.phases),
        "left_out": dict(phases.left_out),
    }
    levels = levels_of(phases.phases)
    refused = too_little(levels)
    fit = None if refused else fit_wall(levels, phases.scale)
    if not refused:
        refused = ["the phases do not tell a line"] if fit is None else fit.refusals
    if fit is None or refused:
        return {**head, "refused": refused, "cure": CURE}
    document = {**head, **_fitted(fit), "warnings": warnings(fit)}
    document["file"] = keep_or_warn(record.path_of(machine, meter), document)
    return document


def _fitted(fit: WallFit) -> dict[str, Any]:
    model = fit.model
    figures = zip(
        NAMES[model.slopes], model.coefficients, model.coefficient_uncertainties(), strict=True
    )
    return {
        "parameters": {
            name: {"value": value, "uncertainty": uncertainty}
            for name, value, uncertainty in figures
        },
        "left_out_rms_watts": fit.left_out_rms,
        "left_out_worst_share": fit.left_out_worst,
        "levels": [
            _level(fit, level, error)
            for level, error in zip(fit.levels, fit.left_out_watts, strict=True)
        ],
        "model": asdict(model),
    }


def _level(fit: WallFit, level: Level, error: float) -> dict[str, Any]:
    mean, model = level.mean, fit.model
    return {
        "of": level.names,
        "phases": len(level.phases),
        "seconds": mean.seconds,
        "cpu_watts": mean.cpu_watts,
        "gpu_watts": mean.gpu_watts,
        "wall_watts": mean.wall_watts,
        "estimated_watts": model.watts(mean.cpu_watts, mean.gpu_watts),
        "estimated_uncertainty_watts": model.uncertainty_watts(mean.cpu_watts, mean.gpu_watts),
        "left_out_watts": error,
    }


def warnings(fit: WallFit) -> list[str]:
    """What a reader of the estimates should know."""
    lines, model = [], fit.model
    bands = [
        model.uncertainty_watts(one.mean.cpu_watts, one.mean.gpu_watts) / one.mean.wall_watts
        for one in fit.levels
    ]
    if max(bands) > WIDE:
        why = _widest(fit)
        lines.append(f"the band is up to {percent(max(bands))} of the power at the wall: {why}")
    if not model.scale:
        lines.append(
            "the meter states no accuracy: what its scale is off by, energies at the wall are, "
            "too, and it is not in their band"
        )
    return lines


def _widest(fit: WallFit) -> str:
    model, wall = fit.model, min(one.mean.wall_watts for one in fit.levels)
    if model.meter_watts > WIDE / 2 * wall:
        return "the phases are short for so slow or coarse a meter, longer ones help"
    if model.scale > WIDE / 2:
        return f"the meter is stated to be within {percent(model.scale)}"
    return f"a line through {count(len(fit.levels), 'power')} misses some, more of them help"
