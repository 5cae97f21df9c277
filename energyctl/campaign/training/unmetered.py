"""Trainings that are sent to a GPU which nobody meters, as far as the settings tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from energyctl.campaign.training import places
from energyctl.config.places import VISIBLE, Place
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Interpreter, InvocationContext, Registry, invocations
from energyctl.config.registry.model import Role
from energyctl.config.settings import Document, Problem
from energyctl.config.settings.problems import ProblemList


def problems(
    runs: Sequence[Run],
    registry: Registry,
    gpus: Sequence[int | str] | None,
    environ: Mapping[str, str],
    document: Document,
) -> tuple[Problem, ...]:
    """A warning for each training of an experiment that sees such a GPU.

    gpus: of the settings; None: metered are those of all places, else those that *environ* shows,
    without it all.
    """
    shown_here = environ.get(VISIBLE)
    wanted = places.metered(runs, gpus, environ)
    if not wanted and (wanted is not None or shown_here is None):
        return ()  # none is asked for, or all are metered
    metered = places.entries(shown_here or "") if wanted is None else [str(gpu) for gpu in wanted]
    found = ProblemList(document)
    uses = {
        (run.experiment, role, training.repo, training.model, shown, by)
        for run in runs
        for role, training, place in _trainings(run)
        for shown, by in _shown(training, role, place, registry, environ)
    }
    for experiment, role, repo, model, shown, by in sorted(uses):
        if lost := unmetered(places.entries(shown), metered):
            found.add(
                ("experiments", experiment),
                f"the {role} {repo} / {model} sees GPU {', '.join(lost)} ({by}={shown}), but "
                f"the metered GPUs are {', '.join(metered) or 'none'}: its energy there is in no "
                "figure",
                'name all GPUs that trainings use in "gpus" of the settings',
                "warning",
            )
    return tuple(found.problems)


def unmetered(shown: Sequence[str], metered: Sequence[str]) -> list[str]:
    """Those of *shown* that are none of *metered*; an index and a UUID may be one GPU."""
    return [
        gpu
        for gpu in shown
        if all(_kind(gpu) == _kind(other) for other in metered)
        and not any(_alike(gpu, other) for other in metered)
    ]


def _kind(gpu: str) -> str:
    return "index" if gpu.isdecimal() else gpu.partition("-")[0]


def _alike(gpu: str, other: str) -> bool:
    """Of one kind: a UUID may be cut short."""
    if gpu.isdecimal():
        return int(gpu) == int(other)
    return gpu.startswith(other) or other.startswith(gpu)


def _trainings(run: Run) -> Iterator[tuple[Role, Training, Place]]:
    yield "foreground", run.foreground, run.place
    for job in run.background:
        for copy in range(job.copies):
            yield "background", job.training, job.place(copy)


def _shown(
    training: Training,
    role: Role,
    place: Place,
    registry: Registry,
    environ: Mapping[str, str],
) -> Iterator[tuple[str, str]]:
    """What the training sees by its place, by the registry, else by the shell, and which of them
    says so; nothing: all GPUs."""
    if place.gpus is not None:
        yield ",".join(map(str, place.gpus)), "place"
        return
    repository = registry.repositories[training.repo]
    # Variables that are not set here may be where it is trained: the preflight looks there.
    here = {name: "" for name in repository.variables} | dict(environ)
    where = InvocationContext(Path("/"), Interpreter("python"), role, environ=here)
    steps = invocations(repository, training.model, training.hyperparameters, where)
    shown = steps[0].env.get(VISIBLE, environ.get(VISIBLE)) if steps else None
    if shown is not None:
        yield shown, VISIBLE
