"""Processes of a run that could not be ended: named for as long as they live.

A training may start a program as root or another user (sudo, a set-user-ID program), which nobody
but that user may end. What stands in the record is shown, and never signalled.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from energyctl.launchers.regular_files import open_regular
from energyctl.system import processes
from energyctl.system.files import write_atomic
from energyctl.system.host import process_facts
from energyctl.system.owner import LARGEST_BYTES, pids_of, read_owner
from energyctl.text import one_line

FILE = "unended.json"
TEXTS = ("user", "command", "workspace", "boot", "namespace")


@dataclass(frozen=True)
class Unended:
    """A process that goes on; ``ticks``, ``boot`` and ``namespace`` tell it apart, see `Owner`."""

    pid: int
    ticks: int
    user: str
    command: str
    workspace: str
    boot: str
    namespace: str

    @property
    def is_alive(self) -> bool:
        seen = (self.boot, self.namespace) == pids_of()
        return seen and processes.is_alive(self.pid, self.ticks)

    @property
    def cure(self) -> str:
        return f"sudo kill -KILL {self.pid}"

    def __str__(self) -> str:
        return f"pid {self.pid} of {self.user}, {self.command} (end it with: {self.cure})"


def record(runtime: Path, left: Iterable[processes.ProcessInfo]) -> list[Unended]:
    """Writes down what was *left*, beside what is alive of before; returns the new ones."""
    owner = read_owner(runtime)
    new = [
        Unended(
            process.pid,
            process.ticks,
            process_facts(process.pid)["user"] or "an unknown user",
            one_line(" ".join(process.command.split())),
            owner.workspace if owner else "",
            *pids_of(),
        )
        for process in left
    ]
    if new:
        rows = {(one.pid, one.ticks): asdict(one) for one in [*living(runtime), *new]}
        with contextlib.suppress(OSError):  # the result names them in any case
            write_atomic(runtime / FILE, json.dumps([*rows.values()]) + "\n")
    return new


def living(runtime: Path) -> list[Unended]:
    """What is recorded in a private folder, and still alive."""
    try:
        with open(runtime / FILE, "rb", opener=open_regular) as file:
            rows = json.loads(file.read(LARGEST_BYTES))
        read = [
            Unended(int(row["pid"]), int(row["ticks"]), *(one_line(str(row[n])) for n in TEXTS))
            for row in rows
        ]
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return []
    return [one for one in read if one.pid > 0 and one.is_alive]
