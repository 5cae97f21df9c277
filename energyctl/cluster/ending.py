"""Edge: the end of a campaign on a cluster: cancelled, or brought home."""

from __future__ import annotations

from collections.abc import Callable

from energyctl.cluster import slurm
from energyctl.cluster.attempts import Attempts
from energyctl.cluster.submission import (
    Queued,
    alive,
    missing,
    options_of,
    queued,
    submissions,
    submit,
    wait_until_empty,
)
from energyctl.cluster.submission import Submission as Submission
from energyctl.errors import MachineError
from energyctl.journal import Journal
from energyctl.plan import Run
from energyctl.settings import Slurm
from energyctl.workspace import Workspace

CANCEL_SECONDS = 180.0
"""For tasks to end their trainings, and for Slurm to kill what does not (KillWait, 30 s)."""


def settle(journal: Journal, queue: list[Queued]) -> list[str]:
    """Brings attempts of tasks that are gone to their end; a line for each."""
    return Attempts(journal.folder, journal).settle(journal.runs(), alive(queue))


def cancel(journal: Journal, say: Callable[[str], None]) -> list[str]:
    """Ends a campaign, and proves that nothing of it is in the queue; a line for what was done.

    Raises MachineError that names what is left in the queue.
    """
    queue, jobs = queued(journal), list(submissions(journal.events()))
    done = []
    if queue:
        names = sorted({f"{one.task.array_job}_{one.task.index}" for one in queue})
        say(f"cancelling {len(names)} tasks of {', '.join(jobs)}")
        slurm.cancel(jobs)
        left = wait_until_empty(journal, CANCEL_SECONDS)
        if left:
            still = ", ".join(
                f"{one.task.array_job}_{one.task.index} ({one.task.state} on {one.task.node})"
                for one in left
            )
            raise MachineError(f"still in the queue after {CANCEL_SECONDS:.0f} s: {still}")
        journal.append("cancelled", tasks=names)
        done.append(f"ended {len(names)} tasks")
    return done + settle(journal, [])


def submit_missing(
    workspace: Workspace, journal: Journal, change: Callable[[Slurm], Slurm]
) -> tuple[list[str], list[Run], list[Queued], list[Submission]]:
    """What was settled, what was missing, what is in the queue, and what is submitted now."""
    queue = queued(journal)
    said = settle(journal, queue)
    held = [f"{one.task.array_job}_{one.task.index}" for one in queue if one.task.held]
    if held:
        slurm.release(held)
        said.append(f"released {', '.join(held)}, which Slurm held after a start that failed")
    runs = missing(journal, queue)
    made = submit(workspace, journal, runs, change(options_of(journal))) if runs else []
    return said, runs, queue, made
