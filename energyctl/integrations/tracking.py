"""What a run is in an experiment tracker: parameters, metrics, tags and files, made from a result.

What is of energyctl is called `energyctl.…`, so that it never meets a name of the training's own;
docs/tracking.md has all names.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import energyctl
from energyctl.config.settings.log_to import Tracker
from energyctl.integrations.metric_series import Point, epoch_series, training_series
from energyctl.results.api import Run
from energyctl.results.machine_settings import NAMES as MACHINE_SETTINGS
from energyctl.results.machine_settings import requested
from energyctl.results.reader import LARGEST_RESULT
from energyctl.system.files import read_regular

PREFIX = "energyctl."

EXPERIMENT_ID, SHA256 = f"{PREFIX}experiment_id", f"{PREFIX}sha256"
"""Tags by which a run that was logged is known again."""

OF_TRAINING = ("repo", "model", "mode", "condition", "block", "training_seed")
PARAMETERS = (*OF_TRAINING, *MACHINE_SETTINGS)
"""Beside the hyper-parameters; one of the same name is `hyperparameters.NAME`."""

FIGURES = (
    "total_joules", "total_uncertainty_joules", "cpu_package_joules",
    "cpu_package_uncertainty_joules", "cpu_dram_joules", "cpu_dram_uncertainty_joules",
    "gpu_joules", "gpu_uncertainty_joules", "above_idle_joules", "above_idle_uncertainty_joules",
    "marginal_joules", "marginal_uncertainty_joules", "wall_joules_estimated",
    "wall_uncertainty_joules_estimated", "total_watts", "idle_watts", "background_only_watts",
    "duration_seconds", "retries", "background_min_coverage", "background_min_load",
    "background_iterations",
)  # fmt: skip
"""Columns of the table of runs that are metrics."""

OF_DOMAIN = (
    "joules", "uncertainty_joules", "above_idle_joules", "above_idle_uncertainty_joules",
    "marginal_joules", "marginal_uncertainty_joules",
)  # fmt: skip
OF_JOB = ("coverage", "load", "iterations", "failures", "max_gap_seconds")


@dataclass(frozen=True)
class OwnRun:
    """The run that the training itself has in a tracker."""

    run_id: str
    uri: str | None
    project: str | None


@dataclass(frozen=True)
class Record:
    """A run, as trackers take it. Times are Unix seconds. No value is null, no metric is infinite.

    metrics are single figures; series have a point for each step. performance, parameters: what
    the training tells, and was told, which a run of its own holds already.
    """

    path: Path
    sha256: str
    experiment_id: str
    campaign: str | None
    journal: str
    status: str
    started: float | None
    ended: float | None
    parameters: Mapping[str, Any]
    performance: Mapping[str, float]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    training_series: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    epoch_series: Mapping[str, tuple[Point, ...]] = field(default_factory=dict)
    own: OwnRun | None = None

    def series(self, *, own: bool) -> dict[str, tuple[Point, ...]]:
        """own: into the training's own run, which has its metrics already."""
        return {**self.epoch_series, **({} if own else self.training_series)}

    def figures(self, *, own: bool) -> dict[str, float]:
        """Those that are no series; own: as above."""
        performance = {} if own else self.performance
        figures = {**self.metrics, **performance}
        return {name: figures[name] for name in figures if name not in self.training_series}


def record_of(run: Run, tracker: Tracker) -> Record:
    """Of a run's result. Raises OSError where its file is gone."""
    sha256 = hashlib.sha256(read_regular(run.path, LARGEST_RESULT)).hexdigest()
    ended = run.ended or run.started or run.environment.get("started")
    journal = str(run.environment.get("journal") or run.campaign or "")
    return Record(
        path=run.path,
        sha256=sha256,
        experiment_id=run.experiment_id,
        campaign=run.campaign,
        journal=journal,
        status=run.status,
        started=run.started or run.environment.get("started"),
        ended=ended,
        parameters=_parameters(run),
        performance={name: value for name, value in run.metrics.items() if math.isfinite(value)},
        metrics=dict(_metrics(run)),
        tags={**_tags(run, journal), SHA256: sha256},
        training_series=training_series(run, ended),
        epoch_series=epoch_series(run, PREFIX),
        own=_own_run(run, tracker),
    )


def digest_of(records: Iterable[Record]) -> str:
    """Which results these are, whatever their order."""
    parts = sorted(f"{one.experiment_id} {one.sha256}" for one in records)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _parameters(run: Run) -> dict[str, Any]:
    ours = {
        "repo": run.repository,
        "model": run.model,
        "mode": run.mode,
        "condition": run.condition,
        "block": run.block,
        "training_seed": run.training_seed,
        **{name: requested(run.row, name) for name in MACHINE_SETTINGS},
    }
    values = {
        f"hyperparameters.{name}" if name in PARAMETERS else name: value
        for name, value in run.hyperparameters.items()
    }
    return {name: value for name, value in {**ours, **values}.items() if value is not None}


def _metrics(run: Run) -> Iterator[tuple[str, float]]:
    """Every figure of ours that is known."""
    figures = {name: run.row.get(name) for name in FIGURES}
    for domain in run.rows("domains"):
        name = domain["domain"]
        figures |= {f"domain.{name}.{figure}": domain.get(figure) for figure in OF_DOMAIN}
    for job in run.rows("jobs"):
        figures |= {f"job.{job['job']}.{figure}": job.get(figure) for figure in OF_JOB}
    for name, reached in run.result.get("reach", {}).items():
        figures[f"reach.{name}.seconds"] = reached.get("seconds")
        figures[f"reach.{name}.joules"] = reached.get("joules")
    for name, value in figures.items():
        if value is not None and math.isfinite(value):
            yield f"{PREFIX}{name}", float(value)


def _tags(run: Run, journal: str) -> dict[str, str]:
    energy = run.energy
    tags = {
        "experiment_id": run.experiment_id,
        "campaign": run.campaign,
        "journal": journal or None,
        "status": run.status,
        "repo": run.repository,
        "model": run.model,
        "condition": run.condition,
        "block": run.block,
        "warm_up": run.warm_up or None,
        "measured": None if energy is None else bool(energy.measured),
        "energy_missing": run.row.get("energy_missing"),
        "energy_note": run.result.get("energy_note"),
        "error": run.row.get("error"),
        "warnings": "\n".join(run.warnings),
        "host": run.row.get("node"),
        "version": run.row.get("energyctl") or energyctl.__version__,
    }
    return {f"{PREFIX}{name}": _text(value) for name, value in tags.items() if value is not None}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _own_run(run: Run, tracker: Tracker) -> OwnRun | None:
    """The newest that its training named, of this tracker."""
    for one in reversed(run.result["foreground_result"].get("tracking", ())):
        if one["to"] == tracker:
            return OwnRun(one["run_id"], one.get("uri"), one.get("project"))
    return None
