"""Reports in the format of BoAmps (github.com/Boavizta/BoAmps, model/): one for each training that
ran alone. Written from the description of its fields; only what is known is in them.

A run beside a background has none: the format has no word for the energy of several trainings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from energyctl.analysis.footprint import JOULES_PER_KWH
from energyctl.errors import SettingsError
from energyctl.integrations.bundle.description import Description
from energyctl.results import shape
from energyctl.results.api import Run, RunDomain, Runs
from energyctl.results.folder import read_text

FOLDER = "boamps"
QUALITIES = ((0.10, "high"), (0.25, "medium"), (0.50, "low"))
"""Uncertainty as a share up to which it is called so (report_schema.json, quality)."""

REQUIRED = ("task.taskFamily", "task.dataset", "infrastructure.infraType")
"""What the format requires and a campaign does not tell."""

OWN = ("header", "measures", "quality")
"""What a user's file may add to, but not replace."""


def told_by_user(path: Path) -> dict[str, Any]:
    """What a file says of the task and its place, in the format's own words. SettingsError."""
    try:
        data = shape.parse(read_text(path, "the words for BoAmps"))
    except ValueError as error:
        raise SettingsError(f"{path}: not JSON: {error}") from error
    if not isinstance(data, dict) or not all(isinstance(one, dict) for one in data.values()):
        raise SettingsError(f'{path}: write objects, as {{"task": {{"taskFamily": "…"}}}}')
    if unfit := sorted({"measures", "quality"} & data.keys()):
        raise SettingsError(f"{path}: {unfit[0]} is what energyctl measured: leave it out")
    return data


def not_told(told: Mapping[str, Any]) -> list[str]:
    """Of :data:`REQUIRED`, what the user did not tell."""
    return [n for n in REQUIRED if n.split(".")[1] not in told.get(n.split(".")[0], {})]


def reported(runs: Runs) -> list[Run]:
    """The runs that have a report: trainings that ended well, alone, with an energy."""
    return [run for run in runs if _alone(run) and run.status == "succeeded" and _joules(run)]


def _alone(run: Run) -> bool:
    return not run.jobs and run.result.get("background_info") is None


def _joules(run: Run) -> float | None:
    return run.energy.total_joules if run.energy else None


def report(run: Run, description: Description) -> dict[str, Any]:
    """The report of a run of :func:`reported`, with what the user told under it."""
    facts = run.environment
    document: dict[str, Any] = {
        "header": {
            "formatVersionSpecificationUri": "https://github.com/Boavizta/BoAmps/tree/main/model",
            "reportId": f"{description.journal}/{run.experiment_id}",
            "reportDatetime": _moment(description.created),
            **({"licensing": description.license} if description.license else {}),
        },
        "task": {
            "taskStage": "training",
            "algorithms": [_algorithm(run)],
            "taskDescription": f"{run.repository} / {run.model}, run {run.experiment_id}",
        },
        "measures": [_measure(run)],
        "system": {"os": "Linux", **_known(distribution=facts.get("os"))},
        "infrastructure": {"components": _components(run)},
        **_quality(run),
    }
    return _under(document, description.boamps)


def _under(document: dict[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """*document* with what is *told*; of the task and its place the user knows better."""
    merged = dict(document)
    for name, value in told.items():
        own = merged.get(name, {})
        merged[name] = {**value, **own} if name in OWN else {**own, **value}
    return merged


def _moment(instant: float) -> str:
    return datetime.fromtimestamp(int(instant), timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _algorithm(run: Run) -> dict[str, Any]:
    epochs = run.hyperparameters.get("epochs")
    number = isinstance(epochs, int | float) and not isinstance(epochs, bool)
    return {"algorithmName": str(run.model), **({"epochsNumber": epochs} if number else {})}


def _measure(run: Run) -> dict[str, Any]:
    energy = run.energy
    assert energy is not None
    assert energy.total_joules is not None
    counted = [domain for domain in energy.domains if domain.in_total]
    return {
        "measurementMethod": "energyctl",
        "version": str(run.environment.get("energyctl")),
        **_known(
            cpuTrackingMode=_sources(counted, "cpu"),
            gpuTrackingMode=_sources(counted, "gpu"),
            measurementDuration=energy.seconds,
            measurementDateTime=None if run.started is None else _moment(run.started),
        ),
        "powerConsumption": energy.total_joules / JOULES_PER_KWH,
    }


def _sources(domains: Iterable[RunDomain], kind: str) -> str | None:
    found = sorted({str(one.source) for one in domains if one.kind == kind and one.source})
    return ", ".join(found) or None


def _quality(run: Run) -> dict[str, str]:
    """By the band of the total; none where it is wider than the format has a word for."""
    energy = run.energy
    assert energy is not None
    if energy.uncertainty_joules is None or not energy.total_joules:
        return {}
    share = energy.uncertainty_joules / energy.total_joules
    words = [word for most, word in QUALITIES if share <= most]
    return {"quality": words[0]} if words else {}


def _components(run: Run) -> list[dict[str, Any]]:
    """GPUs that were metered, memory, and CPUs where their packages were counted."""
    facts, energy = run.environment, run.energy
    assert energy is not None
    packages = [d for d in energy.domains if d.kind == "cpu" and d.name.startswith("package-")]
    found: list[dict[str, Any]] = []
    if packages:
        number = len({domain.name for domain in packages})
        name = _known(componentName=facts.get("cpu"))
        found.append({"componentType": "cpu", "nbComponent": number, **name})
    names = Counter(gpu.get("name") for gpu in facts.get("gpus") or () if gpu.get("name"))
    for name, number in sorted(names.items()):
        found.append({"componentName": name, "componentType": "gpu", "nbComponent": number})
    if memory := facts.get("memory_bytes"):
        size = round(memory / 2**30, 1)
        found.append({"componentType": "ram", "nbComponent": 1, "memorySize": size})
    return found
