"""Slurm, by its own commands: submits, asks, cancels, requeues.

Slurm's libraries are bound to a version and its REST daemon is rarely there; the commands are
always (sbatch(1), squeue(1), scontrol(1), scancel(1)).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from energyctl.errors import MachineError
from energyctl.system import programs

CALL_SECONDS = 60.0
"""A controller that is busy or starts anew lets its clients wait."""

WARNED = signal.SIGUSR1
"""What Slurm is asked to send before the time limit."""

QUICK_SECONDS = 10.0
"""For who only looks."""

TRIES_SECONDS = 20.0
"""For so long a controller that does not answer is asked again."""

IN_QUEUE = (
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING",
    "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "RESV_DEL_HOLD", "SPECIAL_EXIT",
    "STAGE_OUT",
)  # fmt: skip
"""States of a job that is not over (squeue(1), JOB STATE CODES)."""

_NOT_THERE = ("Unable to contact slurm controller", "Connection refused", "timed out", "Zero Bytes")
_FORMAT = "%A|%F|%K|%T|%N|%r|%o"


class Unreachable(MachineError):
    """The controller does not answer."""


@dataclass(frozen=True)
class QueuedTask:
    """A task of an array in the queue. job: the id of the task itself; index: its array index;
    command: the script that was submitted."""

    job: str
    array_job: str
    index: int
    state: str
    node: str | None
    reason: str | None
    command: str

    @property
    def name(self) -> str:
        """As Slurm's commands take it."""
        return f"{self.array_job}_{self.index}"

    @property
    def held(self) -> bool:
        """Whether Slurm holds it after a start that failed; it waits until it is released."""
        words = (self.reason or "").casefold()
        return self.state in ("REQUEUE_HOLD", "SPECIAL_EXIT") or "requeued held" in words

    @property
    def runs(self) -> bool:
        return self.state not in ("PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT")


@dataclass(frozen=True)
class CurrentTask:
    """The task that this process is. restarts: how often Slurm has started it again."""

    job: str
    array_job: str
    index: int | None
    node: str
    restarts: int
    cluster: str | None
    partition: str | None


def require() -> None:
    """Raises MachineError where Slurm's commands are missing."""
    missing = [
        name for name in ("sbatch", "squeue", "scancel", "scontrol") if not shutil.which(name)
    ]
    if missing:
        raise MachineError(
            f"no Slurm on this machine: {', '.join(missing)} not found; "
            "submit from a login node of the cluster, or use `energyctl run` on this machine"
        )


def here(environ: Mapping[str, str] = os.environ) -> CurrentTask:
    """The task that this process is. Raises MachineError where it is none."""
    job = environ.get("SLURM_JOB_ID")
    if not job:
        raise MachineError(
            "run-task is what a job of `energyctl submit` calls: SLURM_JOB_ID is not set; "
            "`energyctl run` runs a campaign on this machine"
        )
    index = environ.get("SLURM_ARRAY_TASK_ID", "")
    return CurrentTask(
        job=job,
        array_job=environ.get("SLURM_ARRAY_JOB_ID", job),
        index=int(index) if index.isdigit() else None,
        node=environ.get("SLURMD_NODENAME") or os.uname().nodename,
        restarts=int(environ.get("SLURM_RESTART_COUNT") or 0),
        cluster=environ.get("SLURM_CLUSTER_NAME"),
        partition=environ.get("SLURM_JOB_PARTITION"),
    )


def submit(script: Path, *options: str) -> str:
    """Submits a script; returns the id of its job. Raises MachineError with sbatch's words."""
    # Not tried again: a call that seems lost may have been heard.
    out = _call(["sbatch", "--parsable", *options, str(script)], tries_seconds=0)
    return out.strip().split(";")[0]


def largest_index() -> int:
    """The highest index that an array may have here: MaxArraySize less one (slurm.conf(5))."""
    size = _configured("MaxArraySize")
    return max(0, int(size) - 1) if size and size.isdecimal() else 1000


@lru_cache(1)
def cluster_name(patient: bool = True) -> str | None:
    """The cluster that Slurm's commands speak to here."""
    return _configured("ClusterName", patient=patient)


def _configured(name: str, *, patient: bool = True) -> str | None:
    command = ["scontrol", "show", "config"]
    out = _call(command) if patient else _call_once(command, QUICK_SECONDS)
    match = re.search(rf"^{name}\s*=\s*(\S+)", out, re.M)
    return match[1] if match else None


def queue(users: Iterable[int], *, patient: bool = True) -> list[QueuedTask]:
    """What of these users' jobs is not over. Raises Unreachable, *patient* after a while."""
    # Not --array: of waiting tasks with a regular step (1-21:2) it leaves out the last one.
    command = ["squeue", "--noheader", "--states=all", "-o", _FORMAT]
    command.append(f"--user={','.join(map(str, sorted({*users})))}")
    out = _call(command) if patient else _call_once(command, QUICK_SECONDS)
    return [task for line in out.splitlines() for task in _tasks(line)]


def _tasks(line: str) -> Iterator[QueuedTask]:
    """Those of a line of squeue that are not over: waiting ones share a line."""
    cells = line.split("|", 6)
    if len(cells) != 7 or cells[3] not in IN_QUEUE:
        return
    job, array_job, indices, state, node, reason, command = cells
    for index in expanded(indices):
        why = None if reason in ("", "None") else reason
        yield QueuedTask(job, array_job, index, state, node or None, why, command)


def expanded(indices: str) -> list[int]:
    """``1-3,7,10-20:5%2`` → 1, 2, 3, 7, 10, 15, 20; 0 where it is no array's."""
    numbers: list[int] = []
    for part in indices.partition("%")[0].split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part.strip())
        if match is not None:
            first, last, step = (None if word is None else int(word) for word in match.groups())
            assert first is not None
            numbers += range(first, (first if last is None else last) + 1, step or 1)
    return numbers or [0]


def job_facts(job: str) -> dict[str, str]:
    """What the controller says of a job, by its own names (scontrol(1), show job)."""
    words = _call(["scontrol", "show", "job", "-o", job]).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def cancel(jobs: Sequence[str]) -> None:
    """Ends them: SIGCONT, SIGTERM, and SIGKILL after KillWait (scancel(1))."""
    if jobs:
        _call(["scancel", "--quiet", *jobs])


def requeue(job: str) -> None:
    """Ends this job and puts it back into the queue."""
    _call(["scontrol", "requeue", job])


def release(tasks: Sequence[str]) -> None:
    """Lets tasks that are held start."""
    if tasks:
        _call(["scontrol", "release", *tasks])


def _call(command: Sequence[str], tries_seconds: float = TRIES_SECONDS) -> str:
    deadline = time.monotonic() + tries_seconds
    while True:
        try:
            return _call_once(command)
        except Unreachable:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.5)


def _call_once(command: Sequence[str], limit_seconds: float = CALL_SECONDS) -> str:
    try:
        # SLURM_BITSTR_LEN: a long list of waiting tasks is not cut (squeue(1)).
        env = {**os.environ, "LC_ALL": "C", "SLURM_BITSTR_LEN": "0"}
        done = programs.answer(command, limit_seconds, env=env)
    except OSError as error:
        raise MachineError(f"cannot start {command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"{command[0]} did not answer within {limit_seconds:.0f} s") from error
    if done.returncode:
        lines = [" ".join(line.split()) for line in done.stderr.splitlines() if line.strip()]
        messages = [line.removeprefix(f"{command[0]}: ").removeprefix("error: ") for line in lines]
        message = "; ".join(messages) or f"exit code {done.returncode}"
        kind = Unreachable if any(words in message for words in _NOT_THERE) else MachineError
        raise kind(f"{command[0]}: {message}")
    return done.stdout
