"""One short trial of a training, to see whether its registry entry is right."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from energyctl.campaign.training import foreground, foreground_process, preflight
from energyctl.campaign.training.invocations import Trainings, foreground_name
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Invocation, Step
from energyctl.errors import SettingsError
from energyctl.results.paths import RunFiles
from energyctl.system import processes
from energyctl.system.interrupts import Interrupts
from energyctl.system.log_tail import last_lines
from energyctl.system.user import User

SHOWN_LINES = 5


@dataclass
class UnmeteredWindow:
    """The window of an attempt that nobody meters."""

    def begin(self, step: Step) -> float:
        return time.time()

    def end(self, *, close: bool, more: bool = False) -> float:
        return time.time()


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
        return [*lines, *(f"problem: {line}" for line in self.problems)]


def values_of(trainings: Trainings, repo: str, model: str, given: Mapping[str, Any]) -> Training:
    """The training with the registry's defaults, and *given* values instead of them.

    Raises SettingsError for a name that is none, or a value that cannot be.
    """
    repository = trainings.registry.repositories.get(repo)
    if repository is None or model not in repository.models:
        raise SettingsError(f"{repo}/{model} is not in the registry; `energyctl models` lists it")
    parameters = repository.parameters_of(model)
    passed = [p for p in parameters.values() if p.default is not None and p.unsupported is None]
    values = {p.name: p.default for p in passed}
    for name, value in given.items():
        if name not in parameters:
            raise SettingsError(f"{repo} has no hyper-parameter {name!r}")
        try:
            values[name] = parameters[name].accept(value)
        except ValueError as error:
            raise SettingsError(f"{name} {error}, not {value!r}") from error
    return Training(repo, model, values)


def trial(
    trainings: Trainings, training: Training, user: User, seconds: float, say: Callable[[str], None]
) -> Trial:
    """The preflight, then the training for at most *seconds*; nothing is metered or kept.

    Where it does not end within that time, it is ended, and what it printed until then is looked
    at. Raises Interrupted with the training ended.
    """
    outcome = Trial(training)
    outcome.problems += preflight.check([Run(1, 0, 1, "default", training)], trainings)
    if outcome.problems:
        return outcome
    processes.adopt_orphans()
    with user.acting():
        folder = tempfile.TemporaryDirectory(prefix="energyctl-trial-", ignore_cleanup_errors=True)
    with folder as name, Interrupts() as interrupts:
        files = RunFiles(Path(name), "trial", "trial", "trial", training.repo, training.model)
        _run(trainings, training, files, user, seconds, outcome, interrupts, say)
    return outcome


def _run(
    trainings: Trainings,
    training: Training,
    files: RunFiles,
    user: User,
    seconds: float,
    outcome: Trial,
    interrupts: Interrupts,
    say: Callable[[str], None],
) -> None:
    repository, name = trainings.repository(training), foreground_name(0)
    attempt = foreground.Attempt(0, files.training_log(0))
    with user.acting():
        workdir = trainings.make_workdir(training, files, name)
    steps = trainings.foreground(training, files, name)

    def prepare(invoked: Invocation) -> foreground_process.ForegroundProcess:
        outcome.commands.append(shlex.join(invoked.argv))
        say(f"{invoked.step.name}: {outcome.commands[-1]}")
        marker = processes.marker("trial", files.folder.name, "foreground")
        return foreground_process.prepare(
            invoked, trainings.environ, marker, attempt.log, user.credentials
        )

    how = foreground.AttemptHooks(
        prepare, UnmeteredWindow(), lambda: None, interrupts, timeout_seconds=seconds
    )
    began = time.monotonic()
    foreground.run_attempt(attempt, steps, how)
    outcome.seconds = time.monotonic() - began
    out_of_time = attempt.error is not None and "timeout after" in attempt.error
    outcome.ended, outcome.exit_code = not out_of_time, attempt.exit_code
    error, attempt.error = attempt.error, None
    foreground.take_metrics(attempt, repository, workdir)
    outcome.metrics = attempt.metrics
    outcome.progress = foreground.progress(attempt, repository.progress, whole=True)
    outcome.last_lines = last_lines(attempt.log, SHOWN_LINES)
    if not out_of_time:
        problem = error or attempt.error
        outcome.problems += [problem] if problem else attempt.warnings
        if repository.progress is not None and outcome.progress is None:
            outcome.problems.append("its pattern of the progress was not found in the output")
