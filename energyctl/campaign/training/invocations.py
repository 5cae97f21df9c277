"""How the registry's trainings are started on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from energyctl.campaign.training import containers, interpreters, workdirs
from energyctl.config.places import Place, Placed, PlacedGpu
from energyctl.config.plan import Run, Training
from energyctl.config.registry import (
    Interpreter,
    Invocation,
    InvocationContext,
    Registry,
    Repository,
    config_values,
    invocations,
    resolved,
    root_of,
)
from energyctl.config.registry.model import Role
from energyctl.meters.marks.receiver import SOCKET
from energyctl.results.paths import RunFiles
from energyctl.system.clones import commit_of


@dataclass(frozen=True)
class Trainings:
    """Interpreters are found, and working folders named; *python* is for repositories that name
    none, *environ* that of the trainings, *gpus* those of all places by their names."""

    registry: Registry
    root: Path
    python: str
    environ: Mapping[str, str]
    gpus: Mapping[int | str, PlacedGpu] = field(default_factory=dict)

    @classmethod
    def here(cls, registry: Registry, root: Path, environ: Mapping[str, str]) -> Trainings:
        """With the interpreter of the activated environment, else that of energyctl. Nobody but
        the foreground tells its epochs, and to this energyctl."""
        own = {name: value for name, value in environ.items() if name != SOCKET}
        return cls(registry, root, interpreters.own_python(os.environ, sys.executable), own)

    def repository(self, training: Training) -> Repository:
        """As registered: see :meth:`resolved` for what one training of it does."""
        return self.registry.repositories[training.repo]

    def resolved(self, training: Training, files: RunFiles, name: str) -> Repository:
        """With its globs and patterns filled in, for the training in that working folder. Raises
        SettingsError."""
        role, run_id = _role(files, name)
        return self.resolved_in(training, role, self.workdir(training, files, name), run_id)

    def resolved_in(
        self, training: Training, role: Role, workdir: Path | None, run_id: str
    ) -> Repository:
        """The same in *workdir*; None: in the clone itself. Raises SettingsError."""
        where = self._where(training, role, run_id, workdir)
        repository = self.repository(training)
        return resolved(repository, training.model, training.hyperparameters, where)

    def clone(self, training: Training) -> Path:
        return root_of(self.repository(training), self.root)

    def commits(self, runs: Iterable[Run]) -> dict[str, str | None]:
        """Repository → the commit that its clone is at; None: it is no clone of git. One that needs
        no clone is left out."""
        used = [
            one
            for run in runs
            for one in (run.foreground, *(job.training for job in run.background))
        ]
        with_clone = {one.repo: one for one in used if self.repository(one).path is not None}
        return {name: commit_of(self.clone(with_clone[name])) for name in sorted(with_clone)}

    def interpreter(self, repository: Repository) -> Interpreter:
        """Raises SettingsError where it is not there; one in a container is not looked for."""
        if repository.container is not None:
            return Interpreter(repository.interpreter or "python")
        return self._interpreter_here(repository)

    def _interpreter_here(self, repository: Repository) -> Interpreter:
        return interpreters.interpreter_of(repository, self.root, self.python, self.environ)

    def placed(self, place: Place) -> Placed:
        """What *place* is on this machine."""
        if place.gpus is None:
            return Placed(cpus=place.cpus)
        return Placed(tuple(self.gpus[name] for name in place.gpus), place.cpus)

    def workdir(self, training: Training, files: RunFiles, name: str) -> Path:
        """Where it works: a folder of the run, or the clone itself."""
        in_place = self.repository(training).workspace == "in_place"
        return self.clone(training) if in_place else files.work / name

    def make_workdir(self, training: Training, files: RunFiles, name: str) -> Path:
        """Makes it, as the user whom the training runs as. Raises RunError."""
        repository = self.resolved(training, files, name)
        return workdirs.make(
            repository, self.clone(training), files.work / name, self.configured(training)
        )

    def configured(self, training: Training) -> dict[str, dict[str, Any]]:
        """What is written into files of its working folder: file → key → value."""
        parameters = self.repository(training).parameters_of(training.model).values()
        return config_values(parameters, training.hyperparameters)

    def foreground(self, run: Run, files: RunFiles, name: str) -> tuple[Invocation, ...]:
        """The steps of a foreground. Raises SettingsError."""
        return self._in_folder(run.foreground, files, name, run.place)

    def background(
        self, training: Training, files: RunFiles, job: str, place: Place
    ) -> tuple[Invocation, ...]:
        """The steps of one iteration of a background job. Raises SettingsError."""
        return self._in_folder(training, files, background_name(job), place)

    def _in_folder(
        self, training: Training, files: RunFiles, name: str, place: Place
    ) -> tuple[Invocation, ...]:
        role, run_id = _role(files, name)
        steps = self.invocations(training, role, self.workdir(training, files, name), run_id)
        placed = self.placed(place)
        return tuple(step.at(placed) for step in steps)

    def invocations(
        self, training: Training, role: Role, workdir: Path | None, run_id: str
    ) -> tuple[Invocation, ...]:
        """The steps in *workdir*; None: in the clone itself. Raises SettingsError."""
        where = self._where(training, role, run_id, workdir)
        repository = self.repository(training)
        values = training.hyperparameters
        return tuple(
            containers.contained(invoked, repository, self.root, run_id)
            for invoked in invocations(repository, training.model, values, where)
        )

    def preparation(self, repository: Repository) -> Invocation:
        """Its `prepare`: in the clone, whatever the folder that runs work in, so that they all find
        what it fetches, and outside of a container. Raises SettingsError."""
        assert repository.prepare is not None
        cwd = None if repository.workspace == "empty" else repository.cwd
        alone = replace(repository, steps=(repository.prepare,), per_model={}, cwd=cwd)
        where = InvocationContext(
            self.root, self._interpreter_here(repository), environ=self.environ
        )
        model = repository.models[0]
        (invocation,) = invocations(alone, model, repository.defaults_of(model), where)
        return invocation

    def _where(
        self, training: Training, role: Role, run_id: str, workdir: Path | None
    ) -> InvocationContext:
        interpreter = self.interpreter(self.repository(training))
        return InvocationContext(self.root, interpreter, role, workdir, run_id, self.environ)


def foreground_name(attempt: int) -> str:
    """Of its working folder; *attempt* counts from 0."""
    return f"foreground_attempt{attempt}"


def background_name(job: str) -> str:
    return f"{_BACKGROUND}{job}"


_BACKGROUND = "background_"


def _role(files: RunFiles, name: str) -> tuple[Role, str]:
    """The role and the id of what works in that folder of a run."""
    if name.startswith(_BACKGROUND):
        return "background", f"{files.foreground_id}_{name.removeprefix(_BACKGROUND)}"
    return "foreground", files.foreground_id
