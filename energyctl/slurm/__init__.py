"""Edge: campaigns on a Slurm cluster: one task a run, each alone on its node, each run once.

submission   a campaign → arrays of tasks          task       what a task does
claims       which attempt at a run counts         attempts   their files, until they count
overview     a campaign across the nodes           slurm      the only door to Slurm
"""

from __future__ import annotations

from energyctl.slurm.arrays import Array, arrays, runs_of, task_of, with_options
from energyctl.slurm.attempts import ClaimingStore, Tries
from energyctl.slurm.claims import Claim, Claims
from energyctl.slurm.overview import LIMITED, Overview, Overviews, RunNow, find, newest

__all__ = [
    "LIMITED",
    "Array",
    "Claim",
    "ClaimingStore",
    "Claims",
    "Overview",
    "Overviews",
    "RunNow",
    "Tries",
    "arrays",
    "find",
    "newest",
    "runs_of",
    "task_of",
    "with_options",
]
