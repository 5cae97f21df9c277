"""What in an experiment does not fit the registry, but for its values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from energyctl.config.jsonfile.validation import shown
from energyctl.config.places import ANYWHERE, Place
from energyctl.config.plan.fixed_values import like
from energyctl.config.registry import Registry, Repository
from energyctl.config.settings import Control
from energyctl.config.settings.problems import Path, ProblemList


def find_repository(
    path: Path,
    repo: str,
    model: str | None,
    registry: Registry,
    report: ProblemList,
) -> Repository | None:
    """The repository of that name; an unknown one, or an unknown model of it, is reported."""
    repository = registry.repositories.get(repo)
    if repository is None:
        message = f"{shown(repo)} is no repository of the registry"
        report.add((*path, "repo"), message, like(repo, registry.repositories))
    elif model is not None and model not in repository.models:
        message = f"{shown(model)} is no model of {shown(repo)}"
        report.add((*path, "model"), message, like(model, repository.models))
    return repository


def check_reach(
    path: Path, repository: Repository, reach: Mapping[str, float], report: ProblemList
) -> None:
    """Each value to reach is that of a metric that tells when it came, and of which one side is
    known to be better."""
    metrics = {metric.name: metric for metric in repository.all_metrics}
    for name in reach:
        place = (*path, name)
        if name not in metrics:
            report.add(place, f"is no metric of {repository.name}", like(name, metrics))
        elif metrics[name].better is None:
            hint = 'add "better": "higher" or "lower" to the metric there'
            message = "cannot be told: the registry does not say whether more or less is better"
            report.add(place, message, hint)
        elif metrics[name].tells_no_times:
            message = "cannot be told: a JSON document does not tell when its values came"
            report.add(place, message, "JSON lines (.jsonl) do")


def check_control(
    control: Control | None, blocks: bool, registry: Registry, report: ProblemList
) -> None:
    """Its training is in the registry, and where it is to be before each block, there are some."""
    if control is None:
        return
    path: Path = ("control",)
    found = ProblemList(report.document)
    if (control.repo is None) != (control.model is None):
        missing = "model" if control.model is None else "repo"
        found.add(path, f'"{missing}" is missing: "repo" and "model" go together')
    elif control.repo is not None:
        find_repository(path, control.repo, control.model, registry, found)
    if control.every == "block" and not blocks:
        message = "there are no blocks: no experiment has conditions or a grid"
        found.add((*path, "every"), message, 'write "every": N, a number of runs')
    report.problems += [replace(problem, severity="error") for problem in found.problems]


def check_places(
    path: Path, repository: Repository, places: Iterable[Place], report: ProblemList
) -> None:
    """A container has no place."""
    if repository.container is not None and any(place != ANYWHERE for place in places):
        hint = "write options of the runtime, as --gpus and --cpuset-cpus, into its args"
        message = f"does not reach into the container of {repository.name}"
        report.add((*path, "place"), message, hint)
