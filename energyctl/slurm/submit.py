"""A campaign → arrays of tasks, in the hands of Slurm."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import energyctl
from energyctl.background import templates
from energyctl.campaign.journal import Journal
from energyctl.config.plan import Run
from energyctl.config.settings import Slurm
from energyctl.errors import MachineError, SettingsError
from energyctl.results.journal_schema import JournalLine
from energyctl.slurm import commands
from energyctl.slurm.arrays import Array, arrays, sbatch_options, task_numbers
from energyctl.slurm.attempts import Tries
from energyctl.system.lock import lock_within
from energyctl.system.workspace import Workspace
from energyctl.text import safe_name

SCRIPT = "templates/sbatch.j2"
PROGRAM = str(Path(energyctl.__file__).with_name("__main__.py"))
"""By its file, not by ``-m``: that would look for modules in the workspace first."""

SUBMITTING = "submitting"
LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Submission:
    """An array that Slurm has."""

    job: str
    array: Array


def cluster_facts(section: Slurm) -> dict[str, Any]:
    """What the head of the journal holds of the cluster; the tasks go by it."""
    return {"kind": "slurm", **section.model_dump(mode="json")}


def options_of(journal: Journal) -> Slurm:
    """The section ``slurm`` that a campaign was submitted with last. Raises SettingsError."""
    section = journal.cluster or {}
    for event in journal.events():
        if event.get("event") == SUBMITTING and event.get("options"):
            section = event["options"]
    fields = {name: value for name, value in section.items() if name in Slurm.model_fields}
    try:
        fields["modules"] = tuple(fields.get("modules") or ())
        return Slurm.model_validate(fields)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{journal.path}: its options of the cluster are not valid") from error


@contextlib.contextmanager
def alone(journal: Journal) -> Iterator[Journal]:
    """The journal, with a part of its own, for a command that changes the campaign.

    One such command at a time, where the file system can lock (flock(2)); where it cannot, they
    stay apart by the order of their steps.
    """
    host = safe_name(os.uname().nodename)
    journal.folder.make(journal.parts)
    descriptor = os.open(
        journal.parts / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644
    )
    try:
        with contextlib.suppress(OSError):  # a file system that does not lock
            if not lock_within(descriptor, LOCK_SECONDS, look_seconds=0.1):
                raise MachineError(f"another energyctl changes {journal.name} just now; try again")
        yield replace(journal, part=journal.parts / f"by_{host}_{os.getpid()}.jsonl")
    finally:
        os.close(descriptor)


def script(workspace: Workspace, name: str, journal: Path, array: Array, section: Slurm) -> str:
    """The script of one array, from the workspace's template. Raises SettingsError."""
    folder = journal.with_suffix("")
    values = {
        "campaign": name,
        "job_name": f"energyctl-{safe_name(name)}",
        "array": array.spec(section.nodes_at_once),
        "offset": array.offset,
        "mem": section.mem or "mem-per-cpu" in section.options or "mem-per-gpu" in section.options,
        "options": sbatch_options(section),
        "modules": section.modules,
        "warning_seconds": section.warning_seconds,
        # A percent sign begins a replacement of sbatch's.
        "output": f"{str(folder).replace('%', '%%')}/slurm-%A_%a.out",
        "workspace": str(workspace.root),
        "journal": str(journal),
        "python": sys.executable,
        "energyctl": PROGRAM,
    }
    return templates.render_template(workspace.find(SCRIPT), values, script=True)


def check(workspace: Workspace, name: str, section: Slurm) -> None:
    """All of it that can be known wrong now. Raises Settings- or MachineError."""
    script(workspace, name, workspace.root / "x.jsonl", Array(0, (1,)), section)
    commands.require()


def planned(runs: Collection[Run], whole: Sequence[Run], section: Slurm) -> list[Array]:
    """The arrays that would be submitted for *runs* of the *whole* campaign."""
    tasks = task_numbers(whole, section.runs_per_task)
    return arrays({tasks[run.index] for run in runs}, commands.largest_index())


def submit(
    workspace: Workspace,
    journal: Journal,
    runs: Collection[Run],
    section: Slurm,
    running: Collection[str] = (),
) -> list[Submission]:
    """Submits the tasks of these runs. Raises MachineError with sbatch's words.

    What Slurm is asked for is in the journal before, and what it has taken before the next.
    *running*: array jobs of the campaign that are in the queue.
    """
    attempts = Tries(journal.folder, journal)
    submissions: list[Submission] = []
    for folder in (journal.parts, attempts.root):
        journal.folder.make(folder)
    attempts.claims.prepare()
    name = str(journal.head()["name"])
    for array in planned(runs, journal.runs(), section):
        text = script(workspace, name, journal.path, array, section)
        number = 1 + len(list(journal.own_folder.glob("sbatch_*.sh")))
        path = journal.own_folder / f"sbatch_{number}.sh"
        journal.folder.write(path, text)
        after: tuple[str, ...] = ()
        before = [submissions[-1].job] if submissions else sorted(running)
        if before and section.nodes_at_once:  # the limit is of all arrays together
            after = (f"--dependency=afterany:{':'.join(before)}",)
        journal.append(
            SUBMITTING,
            script=path.name,
            offset=array.offset,
            tasks=list(array.tasks),
            options=section.model_dump(mode="json"),
            cluster=commands.cluster_name(),
            by=os.uname().nodename,
        )
        try:
            job = commands.submit(path, *after)
        except MachineError as error:
            raise MachineError(_refused(str(error), journal, submissions)) from error
        journal.append(
            "submitted", job=job, offset=array.offset, tasks=list(array.tasks), script=path.name
        )
        submissions.append(Submission(job, array))
    return submissions


def _refused(reason: str, journal: Journal, submissions: Sequence[Submission]) -> str:
    if not submissions:
        return f"{reason}; nothing was submitted"
    jobs = ", ".join(one.job for one in submissions)
    return f"{reason}; submitted so far: {jobs}; the rest: {journal.resume_command}"


def submissions(events: Iterable[JournalLine]) -> dict[str, Array]:
    """Array job → its tasks, of all that was ever submitted, by the lines of a journal."""
    return {
        event["job"]: Array(event["offset"], tuple(event["tasks"]))
        for event in events
        if event.get("event") == "submitted"
    }


@dataclass(frozen=True)
class CampaignTask:
    """A task of the campaign in the queue, by its own number."""

    number: int
    task: commands.QueuedTask


def queued(
    journal: Journal, events: Iterable[JournalLine] | None = None, *, patient: bool = True
) -> list[CampaignTask]:
    """The campaign's tasks that are not over; *events*: the lines of its journal.

    Told by the script that they run, so also those that a crash kept from the journal. Raises
    slurm.Unreachable, and MachineError where this is another cluster than the campaign's.
    """
    lines = list(journal.events() if events is None else events)
    asked = {e["script"]: e["offset"] for e in lines if e.get("event") == SUBMITTING}
    if not asked:
        return []
    users = {journal.path.stat().st_uid, os.getuid()}
    tasks = commands.queue(users, patient=patient)
    clusters = {str(e["cluster"]) for e in lines if e.get("cluster")}
    here = commands.cluster_name(patient)
    if clusters and here not in clusters:
        raise MachineError(
            f"{journal.name} was submitted on the cluster {', '.join(sorted(clusters))}; "
            f"this machine speaks to {here}"
        )
    campaign_tasks = []
    for task in tasks:
        script = Path(task.command)
        if script.parent == journal.own_folder and script.name in asked:
            campaign_tasks.append(CampaignTask(asked[script.name] + task.index, task))
    return campaign_tasks


def missing(journal: Journal, queue: Collection[CampaignTask]) -> list[Run]:
    """Runs that are neither finished nor to be done by a task in the queue."""
    runs = journal.runs()
    tasks = task_numbers(runs, options_of(journal).runs_per_task)
    waiting, done = {one.number for one in queue}, journal.finished()
    return [run for run in runs if run.index not in done and tasks[run.index] not in waiting]


def wait_until_empty(journal: Journal, seconds: float, look: float = 0.5) -> list[CampaignTask]:
    """What is still in the queue after so long."""
    deadline, events = time.monotonic() + seconds, list(journal.events())
    while (left := queued(journal, events)) and time.monotonic() < deadline:
        time.sleep(look)
    return left


def forget(journal: Journal) -> None:
    """Takes a journal back of which Slurm has nothing; it stays where that is not known."""
    try:
        taken = bool(submissions(journal.events()) or queued(journal))
    except MachineError:
        taken = True
    if not taken:
        shutil.rmtree(journal.own_folder, ignore_errors=True)
        journal.path.unlink(missing_ok=True)
