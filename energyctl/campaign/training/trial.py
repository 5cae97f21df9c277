"""One short trial of a training, to see whether its registry entry is right."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from energyctl.campaign.training import (
    fetched,
    foreground,
    foreground_process,
    marks,
    places,
    preflight,
)
from energyctl.campaign.training.clone_changes import CloneWatch
from energyctl.campaign.training.invocations import Trainings, foreground_name
from energyctl.campaign.training.metrics import take_metrics
from energyctl.campaign.training.unmetered_command import UnmeteredWindow, run_preparation
from energyctl.config.places import ANYWHERE
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Invocation, Registry, progress_of
from energyctl.config.registry.expressions import ExpressionError
from energyctl.config.registry.values import broken, complete
from energyctl.errors import SettingsError
from energyctl.results.paths import RunFiles, prepare_log
from energyctl.system import containers, processes
from energyctl.system.interrupts import Interrupts
from energyctl.system.logs import OutputLog

SHOWN_LINES = 5


@dataclass
class Trial:
    """What was seen. ``problems`` are reasons why the entry, or the machine, is not right."""

    training: Training
    commands: list[str] = field(default_factory=list)
    seconds: float = 0.0
    ended: bool = False
    exit_code: int | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    progress: tuple[float, float | None] | None = None
    last_lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report, a line each."""
        lines = [f"$ {command}" for command in self.commands]
        lines += [f"> {line}" for line in self.last_lines]
        if self.commands:
            how = f"ended with exit code {self.exit_code}" if self.ended else "ran, and was ended"
            lines.append(f"{how} after {self.seconds:.1f} s")
            metrics = ", ".join(f"{name} {value}" for name, value in self.metrics.items())
            lines.append(f"metrics: {metrics or 'none found so far'}")
            if self.progress is not None:
                done, total = self.progress
                lines.append(f"progress: {done:g}" + (f" of {total:g}" if total else ""))
        lines += [f"warning: {line}" for line in self.warnings]
        return [*lines, *(f"problem: {line}" for line in self.problems)]


def values_of(registry: Registry, repo: str, model: str, given: Mapping[str, Any]) -> Training:
    """The training with the registry's defaults, and *given* values instead of them.

    Raises SettingsError for a name that is none, or a value that cannot be.
    """
    repository = registry.repositories.get(repo)
    if repository is None or model not in repository.models:
        raise SettingsError(f"{repo}/{model} is not in the registry; `energyctl models` lists it")
    parameters = repository.parameters_of(model)
    values = dict[str, Any]()
    for name, value in given.items():
        if name not in parameters:
            raise SettingsError(f"{repo} has no hyper-parameter {name!r}")
        try:
            values[name] = parameters[name].accept(value)
        except ValueError as error:
            raise SettingsError(f"{name} {error}, not {value!r}") from error
    try:
        whole = complete(parameters, values)
        fault = broken(repository.constraints, whole)
    except ExpressionError as error:
        fault = str(error)
    if fault is not None:
        raise SettingsError(f"{repo}: {fault}")
    return Training(repo, model, whole)


def trial(
    trainings: Trainings, training: Training, seconds: float, say: Callable[[str], None]
) -> Trial:
    """The preflight, then the training for at most *seconds*; nothing is metered or kept.

    Where it does not end within that time, it is ended, and what it printed until then is looked
    at. Raises Interrupted with the training ended.
    """
    outcome = Trial(training)
    place = trainings.repository(training).place.get("foreground", ANYWHERE)
    run = Run(1, 0, 1, "default", training, place=place)
    outcome.problems += preflight.check([run], trainings)
    outcome.problems += places.problems([run])
    if outcome.problems:
        return outcome
    trainings = replace(trainings, gpus=places.find([run]))
    processes.adopt_orphans()
    folder = tempfile.TemporaryDirectory(prefix="energyctl-trial-", ignore_cleanup_errors=True)
    with folder as name, Interrupts() as interrupts:
        files = RunFiles(Path(name), "trial", "trial", "trial", training.repo, training.model)
        _prepare(trainings, run, files, outcome, interrupts, say)
        if outcome.problems:
            return outcome
        with closing(OutputLog(files.training_log(0))) as log:
            attempt = foreground.Attempt(0, log)
            clones = CloneWatch(trainings, run, files.folder)
            _run(trainings, run, files, attempt, seconds, outcome, interrupts, say)
            outcome.warnings += clones.warnings()
            repository = trainings.resolved(training, files, foreground_name(0))
            clone = trainings.clone(training)
            workdir = trainings.workdir(training, files, foreground_name(0))
            outcome.warnings += fetched.warnings(repository, clone, attempt, workdir, files.folder)
    return outcome


def _prepare(
    trainings: Trainings,
    run: Run,
    files: RunFiles,
    outcome: Trial,
    interrupts: Interrupts,
    say: Callable[[str], None],
) -> None:
    """What the registry's `prepare` does, where there is one."""
    repository = trainings.repository(run.foreground)
    if repository.prepare is None:
        return
    outcome.commands.append(shlex.join(trainings.preparation(repository).argv))
    say(f"prepare: {outcome.commands[-1]}")
    marker = processes.marker(processes.new_nonce(), files.folder.name, "foreground")
    with closing(OutputLog(prepare_log(files.folder, repository.name, time.time()))) as log:
        error = run_preparation(repository, trainings, log, marker, interrupts)
        outcome.last_lines = log.last_lines(SHOWN_LINES)
    if error is not None:
        outcome.problems.append(f"prepare failed: {error}")
    else:
        outcome.problems += preflight.check([run], trainings, prepared=True)


def _run(
    trainings: Trainings,
    run: Run,
    files: RunFiles,
    attempt: foreground.Attempt,
    seconds: float,
    outcome: Trial,
    interrupts: Interrupts,
    say: Callable[[str], None],
) -> None:
    training, name = run.foreground, foreground_name(0)
    repository = trainings.resolved(training, files, name)
    environment, nonce = trainings.environ, processes.new_nonce()
    if repository.container is not None:
        environment = containers.with_notes(environment, files.folder)
    workdir = trainings.make_workdir(training, files, name)
    steps = trainings.foreground(run, files, name)

    listening = marks.listening(attempt, repository.all_metrics, files.folder)

    def prepare(invoked: Invocation) -> foreground_process.ForegroundProcess:
        outcome.commands.append(shlex.join(invoked.argv))
        say(f"{invoked.step.name}: {outcome.commands[-1]}")
        marker = processes.marker(nonce, files.folder.name, "foreground")
        told = {**environment, **listener}
        return foreground_process.prepare(invoked, told, marker, attempt.log)

    how = foreground.AttemptHooks(
        prepare, UnmeteredWindow(), lambda: None, interrupts, timeout_seconds=seconds
    )
    began = time.monotonic()
    with listening as listener:
        foreground.run_attempt(attempt, steps, how)
    outcome.seconds = time.monotonic() - began
    if repository.container is not None:
        done, left = containers.end([repository.container.runtime], nonce)
        outcome.problems += [f"still running: {line}" for line in left]
        outcome.warnings += done
    out_of_time = attempt.error is not None and "timeout after" in attempt.error
    outcome.ended, outcome.exit_code = not out_of_time, attempt.exit_code
    error, attempt.error = attempt.error, None
    take_metrics(attempt, repository, workdir, interrupts)
    outcome.metrics = attempt.metrics
    outcome.last_lines = attempt.log.last_lines(SHOWN_LINES)
    if repository.progress is not None:
        try:
            outcome.progress = progress_of(repository.progress, attempt.log.tail())
        except TimeoutError:
            outcome.problems.append("its pattern of the progress takes too long to match")
    if not out_of_time:
        problem = error or attempt.error
        outcome.problems += [problem] if problem else []
        outcome.warnings += attempt.warnings
        if repository.all_metrics and not outcome.metrics and not problem:
            outcome.problems.append("no metric of the registry was found")
        if repository.progress is not None and outcome.progress is None:
            outcome.problems.append("its pattern of the progress was not found in the output")
