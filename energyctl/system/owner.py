"""Who holds the campaign of a private folder: written there, so that a crash leaves its name.

The folder belongs to the user, so nothing in the record is taken for granted.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from energyctl.errors import MachineError
from energyctl.system import processes
from energyctl.system.files import write_atomic
from energyctl.system.user import User

OWNER = "owner.json"
LARGEST_BYTES = 65536


@dataclass(frozen=True)
class Owner:
    """The energyctl that holds a campaign; ``ticks`` is its start time (proc(5)).

    ``since`` is in Unix seconds; ``cgroup`` is the folder of the campaign's cgroup, or None;
    ``job`` is the id of the cluster's job that it is a task of.
    """

    pid: int
    ticks: int
    user: str
    workspace: str
    campaign: str
    since: float
    cgroup: str | None
    job: str | None = None

    @property
    def process(self) -> processes.ProcessInfo | None:
        """None where it has ended."""
        return processes.identify(self.pid, self.ticks)


@contextlib.contextmanager
def holding(
    runtime: Path,
    user: User,
    campaign: str,
    workspace: Path,
    cgroup: Path | None = None,
    job: str | None = None,
) -> Iterator[None]:
    """The record stands in *runtime* while the block runs. Raises MachineError."""
    process = processes.identify(os.getpid())
    assert process is not None
    owner = Owner(
        pid=process.pid,
        ticks=process.ticks,
        user=user.name,
        workspace=str(workspace),
        campaign=campaign,
        since=time.time(),
        cgroup=None if cgroup is None else str(cgroup),
        job=job,
    )
    try:
        with user.acting():
            write_atomic(runtime / OWNER, json.dumps(asdict(owner)) + "\n")
    except OSError as error:
        raise MachineError(f"cannot write {runtime / OWNER}: {error.strerror}") from error
    try:
        yield
    finally:
        with user.acting(), contextlib.suppress(OSError):
            (runtime / OWNER).unlink()


def read_owner(runtime: Path) -> Owner | None:
    """None where there is no record, or none that can be one."""
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(runtime / OWNER, flags), "rb") as file:
            data = json.loads(file.read(LARGEST_BYTES))
        owner = Owner(**{field.name: data.get(field.name) for field in fields(Owner)})
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    texts = (owner.user, owner.workspace, owner.campaign, owner.cgroup or "", owner.job or "")
    numbers = type(owner.pid) is int and type(owner.ticks) is int
    timed = isinstance(owner.since, (int, float))
    right = numbers and timed and all(isinstance(text, str) for text in texts)
    return owner if right and owner.pid > 0 else None
