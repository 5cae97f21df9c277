"""Who holds the campaign of a private folder: written there, so that a crash leaves its name.

The folder belongs to the user, so nothing in the record is taken for granted. The pid in it says
who is alive, and is never signalled.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from energyctl.launchers.regular_files import open_regular
from energyctl.system import processes
from energyctl.system.files import write_atomic
from energyctl.system.private_folder import inode_of, unusable
from energyctl.system.user import User

OWNER = "owner.json"
LARGEST_BYTES = 65536
NONCE = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True)
class Owner:
    """The energyctl that holds a campaign; ``ticks`` is its start time (proc(5)).

    ``nonce`` is the secret that its processes carry. ``boot`` and ``namespace`` say where the pid
    counts: the boot of the machine, and the pid namespace. ``inode`` tells the workspace from
    another one of the same path.

    ``since`` is in Unix seconds; ``cgroup`` is the folder of the campaign's cgroup, or None;
    ``job`` is the id of the cluster's job that it is a task of.
    """

    pid: int
    ticks: int
    user: str
    workspace: str
    inode: str
    campaign: str
    since: float
    cgroup: str | None
    nonce: str
    boot: str
    namespace: str
    job: str | None = None

    @property
    def process(self) -> processes.ProcessInfo | None:
        """None where it has ended, or its pid is of another boot or pid namespace."""
        if (self.boot, self.namespace) != pids_of():
            return None
        return processes.identify(self.pid, self.ticks)


def pids_of() -> tuple[str, str]:
    """Whose pids this process sees: the boot of the machine, the pid namespace; "" for unknown."""
    boot = namespace = ""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
    return boot, namespace


@contextlib.contextmanager
def holding(
    runtime: Path,
    user: User,
    campaign: str,
    workspace: Path,
    nonce: str,
    cgroup: Path | None = None,
    job: str | None = None,
) -> Iterator[None]:
    """The record stands in *runtime* while the block runs. Raises MachineError."""
    process = processes.identify(os.getpid())
    assert process is not None
    boot, namespace = pids_of()
    owner = Owner(
        pid=process.pid,
        ticks=process.ticks,
        user=user.name,
        workspace=str(workspace),
        inode=inode_of(workspace),
        campaign=campaign,
        since=time.time(),
        cgroup=None if cgroup is None else str(cgroup),
        nonce=nonce,
        boot=boot,
        namespace=namespace,
        job=job,
    )
    try:
        write_atomic(runtime / OWNER, json.dumps(asdict(owner)) + "\n")
    except OSError as error:
        raise unusable(runtime / OWNER, error) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            (runtime / OWNER).unlink()


def read_owner(runtime: Path) -> Owner | None:
    """None where there is no record, or none that can be one."""
    try:
        with open(runtime / OWNER, "rb", opener=open_regular) as file:
            data = json.loads(file.read(LARGEST_BYTES))
        owner = Owner(**{field.name: data.get(field.name) for field in fields(Owner)})
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    texts = (
        *(owner.user, owner.workspace, owner.campaign, owner.cgroup or "", owner.job or ""),
        *(owner.inode, owner.nonce, owner.boot, owner.namespace),
    )
    numbers = type(owner.pid) is int and type(owner.ticks) is int
    timed = isinstance(owner.since, (int, float))
    right = numbers and timed and all(isinstance(text, str) for text in texts)
    return owner if right and owner.pid > 0 and NONCE.fullmatch(owner.nonce) else None
