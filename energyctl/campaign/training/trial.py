"""Edge: one short trial of a training, to see whether its registry entry is right."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from energyctl.campaign.training import foreground, foreground_process, preflight
from energyctl.campaign.training.foreground import Attempt, AttemptHooks
from energyctl.campaign.training.invocations import Trainings, foreground_name
from energyctl.config.plan import Run, Training
from energyctl.config.registry import Hyperparameter, Invocation, Step
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
        told = [f"$ {command}" for command in self.commands]
        told += [f"> {line}" for line in self.last_lines]
        if self.commands:
            how = f"ended with exit code {self.exit_code}" if self.ended else "ran, and was ended"
            told.append(f"{how} after {self.seconds:.1f} s")
            told.append(f"metrics: {_named(self.metrics)}")
            if self.progress is not None:
                done, total = self.progress
                told.append(f"progress: {done:g}" + (f" of {total:g}" if total else ""))
        return [*told, *(f"problem: {line}" for line in self.problems)]


def _named(metrics: Mapping[str, float | None]) -> str:
    found = ", ".join(f"{name} {value}" for name, value in metrics.items())
    return found or "none found so far"


def values_of(made: Trainings, repo: str, model: str, given: Mapping[str, Any]) -> Training:
    """The training with the registry's defaults, and *given* values instead of them.

    Raises SettingsError for a name that is none, or a value that cannot be.
    """
    repository = made.registry.repositories.get(repo)
    if repository is None or model not in repository.models:
        raise SettingsError(f"{repo}/{model} is not in the registry; `energyctl models` lists it")
    parameters = repository.parameters_of(model)
    values = {p.name: p.default for p in parameters.values() if _is_passed(p)}
    for name, value in given.items():
        if name not in parameters:
            raise SettingsError(f"{repo} has no hyper-parameter {name!r}")
        try:
            values[name] = parameters[name].accept(value)
        except ValueError as error:
            raise SettingsError(f"{name} {error}, not {value!r}") from error
    return Training(repo, model, values)


def _is_passed(parameter: Hyperparameter) -> bool:
    return parameter.default is not None and parameter.unsupported is None


def trial(
    made: Trainings, training: Training, user: User, seconds: float, say: Callable[[str], None]
) -> Trial:
    """The preflight, then the training for at most *seconds*; nothing is metered or kept.

    Where it does not end within that time, it is ended, and what it printed until then is looked
    at. Raises Interrupted with the training ended.
    """
    seen = Trial(training)
    seen.problems += preflight.check([Run(1, 0, 1, "default", training)], made)
    if seen.problems:
        return seen
    processes.adopt_orphans()
    with user.acting():
        folder = tempfile.TemporaryDirectory(prefix="energyctl-trial-", ignore_cleanup_errors=True)
    with folder as name, Interrupts() as interrupts:
        files = RunFiles(Path(name), "trial", "trial", "trial", training.repo, training.model)
        _run(made, training, files, user, seconds, seen, interrupts, say)
    return seen


def _run(
    made: Trainings,
    training: Training,
    files: RunFiles,
    user: User,
    seconds: float,
    seen: Trial,
    interrupts: Interrupts,
    say: Callable[[str], None],
) -> None:
    repository, own = made.repository(training), foreground_name(0)
    attempt = Attempt(0, files.training_log(0))
    with user.acting():
        workdir = made.make_workdir(training, files, own)
    steps = made.foreground(training, files, own)

    def prepare(invoked: Invocation) -> foreground_process.ForegroundProcess:
        seen.commands.append(shlex.join(invoked.argv))
        say(f"{invoked.step.name}: {seen.commands[-1]}")
        return foreground_process.prepare(
            invoked.argv,
            cwd=invoked.cwd,
            env={
                **made.environ,
                **invoked.env,
                processes.MARKER: processes.marker("trial", files.folder.name, "foreground"),
            },
            log=attempt.log,
            credentials=user.credentials,
        )

    how = AttemptHooks(
        prepare, UnmeteredWindow(), lambda: None, interrupts, timeout_seconds=seconds
    )
    began = time.monotonic()
    foreground.run_attempt(attempt, steps, how)
    seen.seconds = time.monotonic() - began
    out_of_time = attempt.error is not None and "timeout after" in attempt.error
    seen.ended, seen.exit_code = not out_of_time, attempt.exit_code
    error, attempt.error = attempt.error, None
    foreground.take_metrics(attempt, repository, workdir)
    seen.metrics, seen.progress = (
        attempt.metrics,
        foreground.progress(attempt, repository.progress, whole=True),
    )
    seen.last_lines = last_lines(attempt.log, SHOWN_LINES)
    if not out_of_time:
        found = error or attempt.error
        seen.problems += [found] if found else attempt.warnings
        if repository.progress is not None and seen.progress is None:
            seen.problems.append("its pattern of the progress was not found in the output")
