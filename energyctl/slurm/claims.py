"""Which attempt at a run counts, agreed on by files of a shared file system.

Each attempt claims its run by a file of the next higher number; an attempt that a higher claim
stands above is superseded. What decides is one file more, ``runN.done``, that names the attempt
whose result counts: it is made by link(2), which on one name succeeds once, on NFS, too. So a
task that was started again and the orphan of a dead node that comes back never both count.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from energyctl.errors import MachineError, RunError
from energyctl.results import shape
from energyctl.system.files import create_atomic, read_regular
from energyctl.text import is_file_name

LARGEST_BYTES = 2**16


@dataclass(frozen=True)
class Claim:
    """An attempt at a run. number: 0 in a decision; task, job: of the cluster; time: Unix."""

    run: int
    number: int
    experiment_id: str
    job: str
    array_job: str
    task: int
    restarts: int
    node: str
    time: float


@dataclass(frozen=True)
class Claims:
    """The claims of a campaign, in a folder of their own."""

    folder: Path
    stale_seconds: float = 90.0
    """So long may an NFS client go on believing that a file is not there (nfs(5), acdirmax)."""

    _cache: dict[str, Claim] = field(default_factory=dict)

    def prepare(self) -> None:
        """Makes the folder and tries it. Raises MachineError where no claim can be made here."""
        name = f".probe.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            first, second = self.folder / name, self.folder / f"{name}.link"
            for path in (first, second):
                path.unlink(missing_ok=True)
            try:
                first.touch()
                os.link(first, second)
            finally:
                for path in (first, second):
                    path.unlink(missing_ok=True)
        except OSError as error:
            raise MachineError(
                f"the tasks of a cluster cannot agree in {self.folder}: {error.strerror}; the "
                "results have to be on a shared file system that knows hard links (--results DIR)"
            ) from error

    def claim(self, run: int, **facts: Any) -> Claim:
        """Claims a run: from now on earlier attempts at it are superseded."""
        number = max((c.number for c in self.of(run)), default=0)
        while True:
            number += 1
            claim = Claim(run=run, number=number, time=time.time(), **facts)
            if self._make(f"run{run}.{number}", claim):
                return claim

    def decide(self, claim: Claim) -> Claim | None:
        """Makes this attempt the one that counts; returns the claim that supersedes it instead.

        Raises RunError where it is decided, but nobody can tell for whom.
        """
        decided = self.decided(claim.run)
        if decided is None:
            newest = max(self.of(claim.run), key=lambda c: c.number, default=claim)
            if newest.number > claim.number:
                return newest
            if self._make(f"run{claim.run}.done", claim):
                return None
            decided = self._soon_decided(claim.run)
        return None if decided.experiment_id == claim.experiment_id else decided

    def _soon_decided(self, run: int) -> Claim:
        """What is there already, though a cache of this machine may not know it yet."""
        deadline = time.monotonic() + self.stale_seconds
        while (decided := self.decided(run)) is None:
            if time.monotonic() > deadline:
                raise RunError(f"{self.folder / f'run{run}.done'} is there, but cannot be read")
            time.sleep(0.2)
        return decided

    def decided(self, run: int) -> Claim | None:
        """The attempt at a run that counts."""
        return self._read(f"run{run}.done")

    def of(self, run: int) -> list[Claim]:
        """All claims to a run, oldest first."""
        return sorted(self.all(run), key=lambda c: c.number)

    def all(self, run: int | None = None) -> list[Claim]:
        """Every claim, or those to a run; those that cannot be read are passed over."""
        return list(self._matching(rf"run{run or '[0-9]+'}\.[0-9]+"))

    def decisions(self) -> dict[int, Claim]:
        """Run → the attempt that counts, of all runs that are done."""
        return {claim.run: claim for claim in self._matching(r"run[0-9]+\.done")}

    def _matching(self, names: str) -> Iterator[Claim]:
        """What can be read of the files with such names."""
        with contextlib.suppress(FileNotFoundError):
            for name in sorted(os.listdir(self.folder)):
                if re.fullmatch(names, name) and (claim := self._read(name)) is not None:
                    yield claim

    def _make(self, name: str, claim: Claim) -> bool:
        """Whether the file was made; it appears with all that is in it."""
        try:
            create_atomic(self.folder / name, json.dumps(asdict(claim)))
        except FileExistsError:
            # It may be the one that we made: a repeated NFS call may fail after success.
            return self._read(name) == claim
        return True

    def _read(self, name: str) -> Claim | None:
        if name not in self._cache:
            try:
                data = shape.parse(read_regular(self.folder / name, LARGEST_BYTES))
            except (OSError, ValueError):
                return None
            if shape.fault(data, Claim) or not is_file_name(data["experiment_id"]):
                return None
            self._cache[name] = Claim(**{key: data[key] for key in Claim.__dataclass_fields__})
        return self._cache[name]
