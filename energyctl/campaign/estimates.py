"""How long runs will take: by finished ones of their kind, else by the registry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from energyctl.config.plan import Run
from energyctl.config.registry import Registry
from energyctl.config.settings import Settings
from energyctl.results.folder import ResultsFolder
from energyctl.results.schema import Result


def typical_seconds(results: Iterator[Result]) -> dict[tuple[str, str, bool], float]:
    """Mean duration of the finished successful runs, by (repo, model, parallel).

    Imported ones do not count: they may be of another machine.
    """
    durations: dict[tuple[str, str, bool], list[float]] = {}
    for result in results:
        training, ours = result.get("foreground_result"), result.get("imported") is None
        seconds = training.get("duration") if training else None
        if ours and result.get("status") == "succeeded" and training and seconds:
            parallel = result.get("mode") == "parallel"
            key = (str(training.get("repo")), str(training.get("model")), parallel)
            durations.setdefault(key, []).append(float(seconds))
    return {key: sum(values) / len(values) for key, values in durations.items()}


def estimate_seconds(
    runs: Sequence[Run], settings: Settings, registry: Registry, folder: ResultsFolder
) -> list[float | None]:
    """Seconds that each run will take: from finished runs of its kind, else the registry."""
    typical = typical_seconds(folder.all()) if folder.root.is_dir() else {}
    estimates: list[float | None] = []
    for run in runs:
        training, parallel = run.foreground, run.mode == "parallel"
        training_seconds = typical.get((training.repo, training.model, parallel))
        if training_seconds is None:
            repository = registry.repositories[training.repo]
            training_seconds = repository.typical_seconds.get(training.model)
        if training_seconds is None:
            estimates.append(None)
            continue
        around = settings.idle_seconds + (2 * settings.settle.seconds if parallel else 0.0)
        estimates.append(training_seconds + around)
    return estimates
