"""The attempts of a cluster's tasks: made apart, moved into place when they count.

results/campaigns/NAME/
├── attempts/E/      a run in the making, all of its files
├── superseded/E/    one that was finished, but another attempt at the run counts
└── claims/          which attempt counts

Every step may be the last before a crash, and be taken again by another machine.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from energyctl.campaign import result_builder
from energyctl.campaign.journal import Journal
from energyctl.campaign.storage import FINISHED
from energyctl.campaign.training import workdirs
from energyctl.config.plan import Run
from energyctl.errors import EnergyctlError, RunError
from energyctl.results.folder import ResultsFolder, to_text
from energyctl.results.paths import PARALLEL, RunFiles
from energyctl.results.schema import FINISHED as FINAL
from energyctl.results.schema import Result
from energyctl.slurm.claims import Claim, Claims
from energyctl.slurm.commands import CurrentTask

SUPERSEDED: Final = "superseded"
OLD_SECONDS = 600.0
GONE = (errno.ENOENT, errno.ESTALE)
"""What a file is whose folder another machine has moved or removed; ESTALE on NFS."""


@dataclass(frozen=True)
class Tries:
    """All attempts of a campaign, whoever makes them."""

    folder: ResultsFolder
    journal: Journal

    @property
    def claims(self) -> Claims:
        return Claims(self.journal.own_folder / "claims")

    @property
    def root(self) -> Path:
        return self.journal.own_folder / "attempts"

    def files(self, experiment_id: str) -> RunFiles:
        """Those of an attempt that is not in its place yet."""
        return RunFiles.of(self.root / experiment_id, experiment_id)

    def result(self, files: RunFiles) -> Result | None:
        """What an attempt came to, its cool-down perhaps left out; None: nothing is known."""
        return self._apart(files).load(files.experiment_id)

    def publish(self, files: RunFiles) -> None:
        """Moves the files of an attempt into the results folder, its result last.

        May be repeated, also by another machine, after a crash in the middle of it. Raises
        RunError where something else has one of the names.
        """
        if not self._is_in_place(files):
            self._apart(files).keep_unrested(files.experiment_id)
            workdirs.remove(files.work)
            for name in self._names(files):
                try:
                    self._move(files.folder / name, self.folder.root / name)
                except RunError:
                    if not self._is_in_place(files):
                        raise
                    break  # another has moved all of it meanwhile
        shutil.rmtree(files.folder, ignore_errors=True)
        self.folder.release(files)

    def supersede(self, files: RunFiles, by: Claim) -> None:
        """Keeps a finished attempt that does not count, apart from the results."""
        self._apart(files).keep_unrested(files.experiment_id)
        result = self.result(files)
        if result is not None and result["status"] != SUPERSEDED:
            result["superseded"] = {"by": by.experiment_id, "status": result["status"]}
            result["status"] = SUPERSEDED
            self.folder.write(files.result, to_text(result))
        kept = self.folder.make(self.journal.own_folder / SUPERSEDED)
        workdirs.remove(files.work)
        with contextlib.suppress(FileNotFoundError):
            os.rename(files.folder, kept / files.experiment_id)
        self.folder.release(files)

    # -- of tasks that are gone ----------------------------------------------------------------

    def present(self, runs: Collection[Run]) -> list[tuple[Run, Claim]]:
        """The attempts that are not in their place. To be asked for before the queue is."""
        by_index = {run.index: run for run in runs}
        return [
            (by_index[claim.run], claim)
            for claim in self.claims.all()
            if claim.run in by_index and (self.root / claim.experiment_id).is_dir()
        ]

    def settle(
        self, present: Sequence[tuple[Run, Claim]], alive: Collection[tuple[str, int]]
    ) -> list[str]:
        """Brings attempts of tasks that are gone to their end; a line for each.

        *alive*: (array job, number of the task) of those that are still in the queue. What cannot
        be brought to its end is told, and keeps the others from nothing.
        """
        lines, claims = [], self.claims
        for run, claim in present:
            if (claim.array_job, claim.task) in alive:
                continue
            try:
                line = self._settle(run, claim, claims)
            except OSError as error:
                # Another command is at the same.
                line = None if error.errno in GONE else f"run {run.index}: not settled: {error}"
            except EnergyctlError as error:
                line = f"run {run.index}: not settled: {error}"
            lines += [line] if line else []
        if not alive:
            self._sweep()
        return lines

    def _settle(self, run: Run, claim: Claim, claims: Claims) -> str | None:
        files = self.files(claim.experiment_id)
        if self._is_in_place(files):
            self.publish(files)  # what is left of its folder goes
            return None
        result = self.result(files)
        if result is None:
            return self._give_up(run, claim, files, claims)
        if result.get("status") == SUPERSEDED:
            self.supersede(files, claim)
            return None
        if result.get("status") in FINAL and (by := claims.decide(claim)) is not None:
            self.supersede(files, by)
            self._tell(SUPERSEDED, claim, result)
            return f"run {run.index}: the attempt on {claim.node} is superseded"
        self.publish(files)
        self._tell(FINISHED, claim, result)
        return f"run {run.index}: the result of {claim.node} is in its place"

    def _give_up(self, run: Run, claim: Claim, files: RunFiles, claims: Claims) -> str:
        """Takes an attempt of which there is no result as cut off.

        Its task may live on where nobody sees it: a claim stands above it first.
        """
        if all(other.number <= claim.number for other in claims.of(run.index)):
            facts = {name: getattr(claim, name) for name in ("job", "task", "restarts")}
            claims.claim(
                run.index,
                experiment_id=f"{claim.experiment_id} given up",
                array_job="",
                node=os.uname().nodename,
                **facts,
            )
        result = result_builder.cut_off_result(run, files, str(self.journal.head()["name"]))
        result["environment"]["node"] = claim.node
        result["environment"]["slurm"] = {"job_id": claim.job}
        self.folder.write(files.result, to_text(result))
        self.publish(files)
        return f"run {run.index}: the attempt on {claim.node} was cut off"

    def _sweep(self) -> None:
        """What a crash left between two steps of a begin or an end; nobody is at work now."""
        claimed = {claim.experiment_id for claim in self.claims.all()}
        with contextlib.suppress(OSError):
            for path in self.root.iterdir():
                if path.name not in claimed and _is_old(path):
                    shutil.rmtree(path, ignore_errors=True)
        kept = {path.name.removesuffix(PARALLEL) for path in self.root.glob("*")}
        for foreground_id, path in self.folder.reserved(self.journal.name).items():
            if foreground_id not in kept and _is_old(path):
                with contextlib.suppress(OSError):
                    path.unlink()

    def refresh(self) -> None:
        """Makes this machine look at the folders anew: an NFS client believes for half a minute
        that a file is not there, unless it has changed the folder itself (nfs(5))."""
        for folder in (self.folder.root, self.journal.parts, self.root, self.claims.folder):
            probe = folder / f".look.{os.uname().nodename}.{os.getpid()}"
            with contextlib.suppress(OSError):
                probe.touch()
                probe.unlink()

    def _tell(self, event: str, claim: Claim, result: Result) -> None:
        self.journal.append(
            event,
            run=claim.run,
            experiment_id=claim.experiment_id,
            status=result["status"],
            node=claim.node,
        )

    def _is_in_place(self, files: RunFiles) -> bool:
        return (self.folder.root / files.result.name).exists()

    def _apart(self, files: RunFiles) -> ResultsFolder:
        """The attempt's own folder, as a folder of results."""
        return replace(self.folder, root=files.folder)

    def _names(self, files: RunFiles) -> list[str]:
        """What lies in the attempt's folder, the result last."""
        try:
            return sorted(os.listdir(files.folder), key=lambda n: (n == files.result.name, n))
        except FileNotFoundError:
            return []

    def _move(self, source: Path, target: Path) -> None:
        # In this order: a rename of another shows the target only once the source is gone.
        if os.path.lexists(target) and os.path.lexists(source):
            raise RunError(f"{target} is there already: {source} cannot be moved to its place")
        with contextlib.suppress(FileNotFoundError):
            os.rename(source, target)


def _is_old(path: Path) -> bool:
    """Whether nobody can be between the step that made it and the next."""
    try:
        return time.time() - path.lstat().st_mtime > OLD_SECONDS
    except OSError:
        return False


@dataclass(frozen=True)
class ClaimingStore:
    """Where a task makes the results of its runs; see :class:`energyctl.campaign.storage.Place`."""

    attempts: Tries
    here: CurrentTask
    task: int
    _held: dict[int, Claim] = field(default_factory=dict)

    def recover(self) -> None:
        """Nothing: other tasks may be at work. :meth:`begin` looks at what concerns its run."""

    def begin(self, run: Run) -> RunFiles | None:
        claims = self.attempts.claims
        claims.prepare()
        if self._is_done(run, claims):
            return None
        attempts = self.attempts
        files = attempts.folder.reserve(run, time.time(), attempts.root, attempts.journal.name)
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
        in its cool-down, is brought there.

        Raises RunError where an attempt counts whose result is lost.
        """
        attempts = claims.of(run.index)
        counts = claims.decided(run.index)
        if counts is None and attempts:
            result = self.attempts.result(self.attempts.files(attempts[-1].experiment_id))
            if result is not None and result.get("status") in FINAL:
                claims.decide(attempts[-1])
                counts = claims.decided(run.index)
        if counts is None:
            return False
        files = self.attempts.files(counts.experiment_id)
        if self.attempts.result(files) is not None:
            self.attempts.publish(files)
        result = self.attempts.folder.load(counts.experiment_id)
        if result is None or result.get("status") not in FINAL:
            raise RunError(
                f"run {run.index} is done by {counts.experiment_id}, whose result is gone; to do "
                f"it again remove {claims.folder / f'run{run.index}.done'}"
            )
        return True

    def keep(self, run: Run, files: RunFiles, result: Result, last_word: bool) -> str:
        attempts, claim = self.attempts, self._held[run.index]
        claims = attempts.claims
        try:
            attempts.folder.write(files.result if last_word else files.unrested, to_text(result))
        except OSError as error:
            if error.errno not in GONE:
                raise
            decided = claims.decided(run.index)
            if decided is not None and decided.experiment_id == files.experiment_id:
                return FINISHED  # another has moved it to its place
            raise RunError(f"{files.folder} is gone: this attempt was given up") from error
        if result.get("status") in FINAL:
            by = claims.decide(claim)
        else:
            newest = max(claims.of(run.index), key=lambda one: one.number, default=claim)
            by = claims.decided(run.index) or (newest if newest.number > claim.number else None)
        if last_word and by is not None:
            attempts.supersede(files, by)
        elif last_word:
            attempts.publish(files)
        return FINISHED if by is None else SUPERSEDED
