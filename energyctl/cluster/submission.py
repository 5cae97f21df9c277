"""Edge: a campaign → arrays of tasks, in the hands of Slurm."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyctl import programs
from energyctl.cluster import slurm
from energyctl.cluster.arrays import Array, arrays, sbatch_options, task_of
from energyctl.cluster.attempts import Attempts
from energyctl.errors import MachineError
from energyctl.journal import Journal
from energyctl.plan import Run
from energyctl.programs import safe_name
from energyctl.settings import Slurm
from energyctl.workspace import Workspace

SCRIPT = "templates/sbatch.j2"


@dataclass(frozen=True)
class Submission:
    """An array that Slurm has."""

    job: str
    array: Array


def cluster_facts(wanted: Slurm) -> dict[str, Any]:
    """What the head of the journal holds of the cluster; the tasks go by it."""
    return {"kind": "slurm", **wanted.model_dump(mode="json")}


def options_of(journal: Journal) -> Slurm:
    """The section ``slurm`` that a campaign was submitted with."""
    known = {n: v for n, v in (journal.cluster or {}).items() if n in Slurm.model_fields}
    known["modules"] = tuple(known.get("modules") or ())
    return Slurm.model_validate(known)


def script(workspace: Workspace, name: str, journal: Path, array: Array, wanted: Slurm) -> str:
    """The script of one array, from the workspace's template. Raises SettingsError."""
    folder = journal.with_suffix("")
    values = {
        "campaign": name,
        "job_name": f"energyctl-{safe_name(name)}",
        "array": array.spec(wanted.nodes_at_once),
        "offset": array.offset,
        "mem": wanted.mem,
        "options": sbatch_options(wanted),
        "modules": wanted.modules,
        "warning_seconds": wanted.warning_seconds,
        # A percent sign begins a replacement of sbatch's.
        "output": f"{str(folder).replace('%', '%%')}/slurm-%A_%a.out",
        "workspace": str(workspace.root),
        "journal": str(journal),
        "python": sys.executable,
    }
    return programs.render_template(workspace.find(SCRIPT), values, script=True)


def check(workspace: Workspace, name: str, wanted: Slurm) -> None:
    """All of it that can be known wrong now. Raises Settings- or MachineError."""
    script(workspace, name, workspace.root / "x.jsonl", Array(0, (1,)), wanted)
    slurm.require()


def planned(runs: Collection[Run], wanted: Slurm) -> list[Array]:
    """The arrays that would be submitted."""
    tasks = {task_of(run.index, wanted.runs_per_task) for run in runs}
    return arrays(tasks, slurm.largest_index())


def submit(
    workspace: Workspace, journal: Journal, runs: Collection[Run], wanted: Slurm
) -> list[Submission]:
    """Submits the tasks of these runs. Raises MachineError with sbatch's words.

    What Slurm has taken is in the journal before the next is asked for.
    """
    attempts = Attempts(journal.folder, journal)
    made: list[Submission] = []
    for folder in (journal.parts, attempts.root):
        journal.folder.make(folder)
    attempts.claims.prepare()
    name = str(journal.head()["name"])
    for array in planned(runs, wanted):
        text = script(workspace, name, journal.path, array, wanted)
        path = _script_path(journal)
        journal.folder.write(path, text)
        after: tuple[str, ...] = ()
        if made and wanted.nodes_at_once:  # the limit is of all arrays together
            after = (f"--dependency=afterany:{made[-1].job}",)
        try:
            job = slurm.submit(path, *after)
        except MachineError as error:
            raise MachineError(_refused(str(error), journal, made)) from error
        journal.append(
            "submitted",
            job=job,
            offset=array.offset,
            tasks=list(array.tasks),
            script=path.name,
            by=os.uname().nodename,
        )
        made.append(Submission(job, array))
    return made


def _script_path(journal: Journal) -> Path:
    number = 1 + len(list(journal.own_folder.glob("sbatch_*.sh")))
    return journal.own_folder / f"sbatch_{number}.sh"


def _refused(said: str, journal: Journal, made: Sequence[Submission]) -> str:
    if not made:
        return f"{said}; nothing was submitted"
    jobs = ", ".join(one.job for one in made)
    return f"{said}; submitted so far: {jobs}; the rest: {journal.resume_command}"


def submissions(events: Iterable[Mapping[str, Any]]) -> dict[str, Array]:
    """Array job → its tasks, of all that was ever submitted, by the lines of a journal."""
    return {
        str(event["job"]): Array(int(event["offset"]), tuple(event["tasks"]))
        for event in events
        if event.get("event") == "submitted"
    }


@dataclass(frozen=True)
class Queued:
    """A task of the campaign in the queue, by its own number."""

    number: int
    task: slurm.Task


def queued(
    journal: Journal, known: Mapping[str, Array] | None = None, *, patient: bool = True
) -> list[Queued]:
    """The campaign's tasks that are not over. Raises slurm.Unreachable."""
    made = submissions(journal.events()) if known is None else known
    return [
        Queued(made[task.array_job].offset + task.index, task)
        for task in slurm.queue(made, patient=patient)
        if task.array_job in made
    ]


def alive(queue: Collection[Queued]) -> set[tuple[str, int]]:
    """As :meth:`Attempts.settle` takes it."""
    return {(one.task.array_job, one.number) for one in queue}


def missing(journal: Journal, queue: Collection[Queued]) -> list[Run]:
    """Runs that are neither finished nor to be done by a task in the queue."""
    size = options_of(journal).runs_per_task
    waiting, done = {one.number for one in queue}, journal.finished()
    return [
        run
        for run in journal.runs()
        if run.index not in done and task_of(run.index, size) not in waiting
    ]


def wait_until_empty(journal: Journal, seconds: float, look: float = 0.5) -> list[Queued]:
    """What is still in the queue after so long."""
    deadline, known = time.monotonic() + seconds, submissions(journal.events())
    while (left := queued(journal, known)) and time.monotonic() < deadline:
        time.sleep(look)
    return left


def forget(journal: Journal) -> None:
    """Takes a journal back of which nothing was submitted."""
    if not submissions(journal.events()):
        with journal.folder.user.writing(journal.path.parent):
            shutil.rmtree(journal.own_folder, ignore_errors=True)
            journal.path.unlink(missing_ok=True)
