"""How the registry's trainings are started on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from energyctl.campaign.training import interpreters, workdirs
from energyctl.config.plan import Training
from energyctl.config.registry import (
    Interpreter,
    Invocation,
    InvocationContext,
    Registry,
    Repository,
    invocations,
    root_of,
)
from energyctl.config.registry.model import Role
from energyctl.results.paths import RunFiles


@dataclass(frozen=True)
class Trainings:
    """Interpreters are found, and working folders named; *python* is for repositories that name
    none, *environ* that of the trainings."""

    registry: Registry
    root: Path
    python: str
    environ: Mapping[str, str]

    @classmethod
    def here(cls, registry: Registry, root: Path, environ: Mapping[str, str]) -> Trainings:
        """With the interpreter of the activated environment, else that of energyctl."""
        return cls(registry, root, interpreters.own_python(os.environ, sys.executable), environ)

    def repository(self, training: Training) -> Repository:
        return self.registry.repositories[training.repo]

    def clone(self, training: Training) -> Path:
        return root_of(self.repository(training), self.root)

    def interpreter(self, repository: Repository) -> Interpreter:
        """Raises SettingsError where it is not there."""
        return interpreters.interpreter_of(repository, self.root, self.python, self.environ)

    def workdir(self, training: Training, files: RunFiles, name: str) -> Path:
        """Where it works: a folder of the run, or the clone itself."""
        in_place = self.repository(training).workspace == "in_place"
        return self.clone(training) if in_place else files.work / name

    def make_workdir(self, training: Training, files: RunFiles, name: str) -> Path:
        """Makes it, as the user whom the training runs as. Raises RunError."""
        return workdirs.make(self.repository(training), self.clone(training), files.work / name)

    def foreground(self, training: Training, files: RunFiles, name: str) -> tuple[Invocation, ...]:
        """The steps of a foreground. Raises SettingsError."""
        workdir = self.workdir(training, files, name)
        return self.invocations(training, "foreground", workdir, files.foreground_id)

    def background(self, training: Training, files: RunFiles, job: str) -> tuple[Invocation, ...]:
        """The steps of one iteration of a background job. Raises SettingsError."""
        workdir = self.workdir(training, files, background_name(job))
        return self.invocations(training, "background", workdir, f"{files.foreground_id}_{job}")

    def invocations(
        self, training: Training, role: Role, workdir: Path | None, run_id: str
    ) -> tuple[Invocation, ...]:
        """The steps in *workdir*; None: in the clone itself. Raises SettingsError."""
        repository = self.repository(training)
        interpreter = self.interpreter(repository)
        where = InvocationContext(self.root, interpreter, role, workdir, run_id)
        return invocations(repository, training.model, training.hyperparameters, where)


def foreground_name(attempt: int) -> str:
    """Of its working folder; *attempt* counts from 0."""
    return f"foreground_attempt{attempt}"


def background_name(job: str) -> str:
    return f"background_{job}"
