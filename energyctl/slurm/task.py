"""A task of a campaign on a cluster: its runs, on the node that Slurm gave it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from energyctl.campaign.campaign import CampaignOutcome, conduct, of_journal
from energyctl.campaign.journal import Journal, find_journal
from energyctl.campaign.observer import Observer
from energyctl.campaign.prepare import Campaign
from energyctl.campaign.status_file import StatusFile
from energyctl.campaign.storage import Allocation
from energyctl.config.settings import Slurm
from energyctl.errors import MachineError, SettingsError
from energyctl.results.folder import ResultsFolder
from energyctl.results.schema import FINISHED
from energyctl.slurm import commands
from energyctl.slurm.arrays import task_numbers
from energyctl.slurm.attempts import ClaimingStore, Tries
from energyctl.slurm.submit import options_of
from energyctl.system.workspace import Workspace
from energyctl.text import safe_name

PATIENCE_SECONDS = 20.0
"""For another campaign, or what a job before this one did, to leave the node."""

STATE_SECONDS = 5.0
"""Between two notes of how the run stands: they go over the network."""


@dataclass(frozen=True)
class Task:
    """One task, ready to start. runs: how many runs are its own, finished ones included."""

    here: commands.CurrentTask
    number: int
    runs: int
    campaign: Campaign
    journal: Journal
    """Its own part of the campaign's journal."""

    @property
    def left(self) -> int:
        """How many runs are to be done."""
        return len(self.campaign.runs)


def load(
    workspace: Workspace, folder: ResultsFolder, name: str, number: int, observer: Observer
) -> Task:
    """The task of that number, with what is left of its runs.

    Raises SettingsError where there is none, and MachineError where this is no job of Slurm.
    """
    here = commands.here()
    journal = find_journal(folder, name)
    if journal.cluster is None:
        raise SettingsError(f"{journal.name} runs on one machine, not on a cluster")
    options = options_of(journal)
    whole, runs = of_journal(workspace, journal, observer)
    tasks = task_numbers(runs, options.runs_per_task)
    planned = [run for run in runs if tasks[run.index] == number]
    if not planned:
        raise SettingsError(f"{journal.name} has no task {number}: there are {len(runs)} runs")
    # A controller that forgot a start counts none: the node tells two starts apart.
    start = f"{here.array_job}_{number}_{here.restarts}_{safe_name(here.node)}"
    part = journal.parts / f"{start}.jsonl"
    facts = {"node": here.node, "job": here.array_job, "task": number, "restarts": here.restarts}
    mine = replace(journal, part=part, facts=facts)
    allocation = Allocation(
        job=here.job,
        node=here.node,
        signals=(commands.WARNED,),
        patience_seconds=PATIENCE_SECONDS,
        refuse_foreign=options.shared_node == "fail",
        share_idle=len(planned) > 1 and all(run.machine == planned[0].machine for run in planned),
    )
    campaign = replace(
        whole,
        runs=[run for run in whole.runs if tasks[run.index] == number],
        journal=lambda: mine,
        place=lambda folder, journal: ClaimingStore(Tries(folder, journal), here, number),
        allocation=allocation,
    )
    return Task(here, number, len(planned), campaign, mine)


def carry_out(task: Task, observer: Observer, ends: Callable[[], float | None]) -> CampaignOutcome:
    """Does the runs of a task. Raises MachineError, noted in the journal, where this node cannot.

    *observer* is shown what happens; *ends*: when the task will end, where that is known.
    """
    campaign = task.campaign
    assert task.journal.part is not None
    state = task.journal.part.with_suffix(".state.json")
    campaign.observer = StatusFile(
        inner=observer,
        path=state,
        last=task.journal.runs()[-1].index,
        results=campaign.folder.root,
        ends=ends,
        every=STATE_SECONDS,
        more={"node": task.here.node, "array_job": task.here.array_job, "task": task.number},
    )
    with _refusals_noted(task.journal), _removed(state, task):
        options = options_of(task.journal)
        facts, warnings = _node_facts(task, options)
        campaign.allocation = replace(campaign.allocation, facts=facts)
        campaign.problems = (*campaign.problems, *warnings)
        return conduct(campaign)


def goes_on(task: Task, outcome: CampaignOutcome) -> bool:
    """Whether it was ended by its time limit with runs left, and did one: then the next start
    brings it further. A task that did none would be ended by its limit again and again."""
    done = [result for result in outcome.results if result["status"] in FINISHED]
    return outcome.interrupted == commands.WARNED and 0 < len(done) < task.left


@contextlib.contextmanager
def _refusals_noted(journal: Journal) -> Iterator[None]:
    """Why a node did none of its runs is to be seen from elsewhere."""
    try:
        yield
    except (MachineError, SettingsError) as error:
        with contextlib.suppress(OSError):
            journal.append("refused", reason=str(error))
        raise


@contextlib.contextmanager
def _removed(state: Path, task: Task) -> Iterator[None]:
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            state.unlink()


def _node_facts(task: Task, options: Slurm) -> tuple[dict[str, object], Sequence[str]]:
    """What a result says of node and job; warnings. Raises MachineError on a shared node."""
    here = task.here
    warnings: list[str] = []
    try:
        facts = commands.job_facts(here.job)
    except MachineError as error:
        facts = {}
        warnings.append(f"whether other jobs share this node is not known: {error}")
    # NO: --exclusive. OK, YES: others may be given what is left of the node (scontrol(1)).
    sharing = facts.get("OverSubscribe")
    if sharing not in (None, "NO"):
        if options.shared_node == "fail":
            raise MachineError(
                f"this node may be shared with other jobs (OverSubscribe={sharing}): their energy "
                "is in the counters; submit with --exclusive, as templates/sbatch.j2 does, or "
                'allow it: "slurm": {"shared_node": "warn"}'
            )
        warnings.append(
            f"this node may be shared with other jobs (OverSubscribe={sharing}): their energy is "
            "in the counters"
        )
    features = facts.get("Features", "(null)")
    return {
        "node": here.node,
        "slurm": {
            "cluster": here.cluster,
            "job_id": here.job,
            "array_job_id": here.array_job,
            "task": task.number,
            "restarts": here.restarts,
            "partition": here.partition or facts.get("Partition"),
            "constraint": None if features == "(null)" else features,
            "exclusive": None if sharing is None else sharing == "NO",
        },
    }, warnings
