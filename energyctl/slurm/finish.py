"""The end of a campaign on a cluster: cancelled, brought home, or gone on with."""

from __future__ import annotations

from collections.abc import Callable

from energyctl.campaign.journal import Journal
from energyctl.config.plan import Run
from energyctl.config.settings import Slurm
from energyctl.errors import MachineError
from energyctl.slurm import commands, submit
from energyctl.slurm.attempts import Tries
from energyctl.slurm.submit import CampaignTask, Submission, alone, queued
from energyctl.system.workspace import Workspace

CANCEL_SECONDS = 180.0
"""For tasks to end their trainings, and for Slurm to kill what does not (KillWait, 30 s)."""


def settle(journal: Journal) -> list[str]:
    """Brings attempts of tasks that are gone to their end; a line for each."""
    with alone(journal) as part:
        return _settle(part)[0]


def _settle(journal: Journal) -> tuple[list[str], list[CampaignTask]]:
    """The lines, and the queue, which was asked for after the attempts were looked at."""
    attempts = Tries(journal.folder, journal)
    attempts.refresh()
    present = attempts.present(journal.runs())
    queue = queued(journal)
    alive = {(one.task.array_job, one.number) for one in queue}
    return attempts.settle(present, alive), queue


def cancel(journal: Journal, say: Callable[[str], None]) -> list[str]:
    """Ends a campaign, and proves that nothing of it is in the queue; a line for what was done.

    Raises MachineError that names what is left in the queue.
    """
    with alone(journal) as part:
        queue, done = queued(part), []
        if queue:
            names = sorted({one.task.name for one in queue})
            say(f"cancelling {len(names)} tasks")
            commands.cancel(sorted({one.task.array_job for one in queue}))
            left = submit.wait_until_empty(part, CANCEL_SECONDS)
            if left:
                still = ", ".join(
                    f"{one.task.name} ({one.task.state} on {one.task.node})" for one in left
                )
                raise MachineError(f"still in the queue after {CANCEL_SECONDS:.0f} s: {still}")
            part.append("cancelled", tasks=names)
            done.append(f"ended {len(names)} tasks")
        return done + _settle(part)[0]


def submit_missing(
    workspace: Workspace, journal: Journal, change: Callable[[Slurm], Slurm]
) -> tuple[list[str], list[Run], list[CampaignTask], list[Submission]]:
    """What was settled, what was missing, what is in the queue, and what is submitted now."""
    with alone(journal) as part:
        lines, queue = _settle(part)
        held = [one.task.name for one in queue if one.task.held]
        if held:
            commands.release(held)
            lines.append(f"released {', '.join(held)}, which Slurm held after a start that failed")
        runs, submissions = submit.missing(part, queue), []
        if runs:
            running = {one.task.array_job for one in queue}
            options = change(submit.options_of(part))
            submissions = submit.submit(workspace, part, runs, options, running)
        return lines, runs, queue, submissions
