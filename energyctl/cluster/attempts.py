"""Edge: the attempts of a cluster's tasks: made apart, moved into place when they count.

results/campaigns/NAME/
├── attempts/E/      a run in the making, all of its files
├── superseded/E/    one that was finished, but another attempt at the run counts
└── claims/          which attempt counts
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from energyctl import outcome, workdirs
from energyctl.cluster.claims import Claim, Claims
from energyctl.cluster.slurm import Here
from energyctl.errors import RunError
from energyctl.journal import Journal
from energyctl.placing import FINISHED, files_of
from energyctl.plan import Run
from energyctl.results import FINISHED as FINAL
from energyctl.results import ResultsFolder, RunFiles, to_text

SUPERSEDED = "superseded"


@dataclass(frozen=True)
class Attempts:
    """All attempts of a campaign, whoever makes them."""

    folder: ResultsFolder
    journal: Journal

    @property
    def claims(self) -> Claims:
        return Claims(self.journal.own_folder / "claims", self.folder.user)

    @property
    def root(self) -> Path:
        return self.journal.own_folder / "attempts"

    def files(self, run: Run, experiment_id: str) -> RunFiles:
        """Those of an attempt that is not in its place yet."""
        return files_of(run, experiment_id, self.root / experiment_id)

    def result(self, files: RunFiles) -> dict[str, Any] | None:
        """What an attempt came to, its cool-down perhaps left out; None: nothing is known."""
        return self._apart(files).load(files.experiment_id)

    def publish(self, files: RunFiles) -> None:
        """Moves the files of an attempt into the results folder, its result last.

        May be repeated, also by another machine, after a crash in the middle of it. Raises
        RunError where something else has one of the names.
        """
        self._apart(files).keep_unrested(files.experiment_id)
        with self.folder.user.writing(self.folder.root):
            workdirs.remove(files.work)
            with contextlib.suppress(FileNotFoundError):
                names = sorted(os.listdir(files.folder), key=lambda n: (n == files.result.name, n))
                for name in names:
                    self._move(files.folder / name, self.folder.root / name)
                files.folder.rmdir()
        self.folder.release(files.experiment_id)

    def supersede(self, files: RunFiles, by: Claim) -> None:
        """Keeps a finished attempt that does not count, apart from the results."""
        self._apart(files).keep_unrested(files.experiment_id)
        result = self.result(files)
        if result is not None and result["status"] != SUPERSEDED:
            told = {"by": by.experiment_id, "status": result["status"]}
            result = {**result, "status": SUPERSEDED, "superseded": told}
            self.folder.write(files.result, to_text(result))
        kept = self.folder.make(self.journal.own_folder / SUPERSEDED)
        with self.folder.user.writing(kept):
            workdirs.remove(files.work)
            with contextlib.suppress(FileNotFoundError):
                os.rename(files.folder, kept / files.experiment_id)
        self.folder.release(files.experiment_id)

    def settle(self, runs: Collection[Run], alive: Collection[tuple[str, int]]) -> list[str]:
        """Brings attempts of tasks that are gone to their end; a line for each.

        *alive*: (array job, number of the task) of those that are still in the queue.
        """
        said, claims = [], self.claims
        by_index = {run.index: run for run in runs}
        for claim in claims.all():
            run = by_index.get(claim.run)
            gone = (claim.array_job, claim.task) not in alive
            if run is not None and gone and (self.root / claim.experiment_id).is_dir():
                said.append(self._settle(run, claim, claims))
        return said

    def _settle(self, run: Run, claim: Claim, claims: Claims) -> str:
        files = self.files(run, claim.experiment_id)
        result = self.result(files)
        if result is None:
            result = outcome.cut_off_result(run, files, str(self.journal.head()["name"]))
            told = {"node": claim.node, "slurm": {"job_id": claim.job}}
            result["environment"] = {**result["environment"], **told}
            self.folder.write(files.result, to_text(result))
            self.publish(files)
            return f"run {run.index}: the attempt on {claim.node} was cut off"
        if result["status"] in FINAL and (by := claims.decide(claim)) is not None:
            self.supersede(files, by)
            self._tell(SUPERSEDED, claim, result)
            return f"run {run.index}: the attempt on {claim.node} is superseded"
        self.publish(files)
        self._tell(FINISHED, claim, result)
        return f"run {run.index}: the result of {claim.node} is in its place"

    def _tell(self, event: str, claim: Claim, result: dict[str, Any]) -> None:
        self.journal.append(
            event,
            run=claim.run,
            experiment_id=claim.experiment_id,
            status=result["status"],
            node=claim.node,
        )

    def _apart(self, files: RunFiles) -> ResultsFolder:
        """The attempt's own folder, as a folder of results."""
        return replace(self.folder, root=files.folder)

    def _move(self, source: Path, target: Path) -> None:
        if os.path.lexists(source) and os.path.lexists(target):
            raise RunError(f"{target} is there already: {source} cannot be moved to its place")
        with contextlib.suppress(FileNotFoundError):
            os.rename(source, target)


@dataclass(frozen=True)
class Claimed:
    """Where a task makes the results of its runs; see :class:`energyctl.placing.Place`."""

    attempts: Attempts
    here: Here
    task: int
    _held: dict[int, Claim] = field(default_factory=dict)

    def recover(self) -> None:
        """Nothing: other tasks may be at work. :meth:`begin` looks at what concerns its run."""

    def begin(self, run: Run) -> RunFiles | None:
        claims = self.attempts.claims
        claims.prepare()
        if self._is_done(run, claims):
            return None
        files = self.attempts.folder.reserve(run, time.time(), self.attempts.root)
        self._held[run.index] = claims.claim(
            run.index,
            experiment_id=files.experiment_id,
            job=self.here.job,
            array_job=self.here.array_job,
            task=self.task,
            restarts=self.here.restarts,
            node=self.here.node,
        )
        return files

    def _is_done(self, run: Run, claims: Claims) -> bool:
        """Whether an attempt counts already; one that was cut off before it was in its place, as
        in its cool-down, is brought there."""
        made = claims.of(run.index)
        counts = claims.decided(run.index)
        if counts is None and made:
            result = self.attempts.result(self.attempts.files(run, made[-1].experiment_id))
            if result is not None and result["status"] in FINAL:
                claims.decide(made[-1])
                counts = claims.decided(run.index)
        if counts is None:
            return False
        files = self.attempts.files(run, counts.experiment_id)
        if files.folder.is_dir() and self.attempts.result(files) is not None:
            self.attempts.publish(files)
        return True

    def keep(self, run: Run, files: RunFiles, result: dict[str, Any], last_word: bool) -> str:
        attempts, claim = self.attempts, self._held[run.index]
        claims = attempts.claims
        try:
            attempts.folder.write(files.result if last_word else files.unrested, to_text(result))
        except FileNotFoundError:
            if claims.decide(claim) is None:  # it counts, and another has moved it to its place
                return FINISHED
            raise
        if result["status"] in FINAL:
            by = claims.decide(claim)
        else:
            newest = max(claims.of(run.index), key=lambda one: one.number, default=claim)
            by = claims.decided(run.index) or (newest if newest.number > claim.number else None)
        if last_word and by is not None:
            attempts.supersede(files, by)
        elif last_word:
            attempts.publish(files)
        return FINISHED if by is None else SUPERSEDED
