"""Programs of the registry that run without any metering: trials, and what prepares a clone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from energyctl.campaign.training import foreground, foreground_process
from energyctl.campaign.training.invocations import Trainings
from energyctl.config.registry import Invocation, Repository, Step
from energyctl.system.cgroups import Cgroup
from energyctl.system.interrupts import Interrupts
from energyctl.system.logs import OutputLog


@dataclass
class UnmeteredWindow:
    """The window of an attempt that nobody meters."""

    def begin(self, step: Step) -> float:
        return time.time()

    def end(self, *, close: bool, more: bool = False) -> float:
        return time.time()


def run_preparation(
    repository: Repository,
    trainings: Trainings,
    log: OutputLog,
    marker: str,
    interrupts: Interrupts,
    cgroup: Cgroup | None = None,
) -> str | None:
    """Runs the `prepare` of *repository* and ends what it leaves behind; what went wrong, or None.

    Raises Interrupted, with all of it ended, and SettingsError.
    """

    def start(invoked: Invocation) -> foreground_process.ForegroundProcess:
        return foreground_process.prepare(invoked, trainings.environ, marker, log, cgroup)

    attempt = foreground.Attempt(0, log)
    how = foreground.AttemptHooks(start, UnmeteredWindow(), lambda: None, interrupts, program="it")
    foreground.run_attempt(attempt, [trainings.preparation(repository)], how)
    return attempt.error
