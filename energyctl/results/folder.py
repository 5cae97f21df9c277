"""Result ↔ files: the results folder, free names in it, whole writes.

A result is plain data, shaped as ``E.json`` (schema 1).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from energyctl.config.plan import Run
from energyctl.errors import MachineError, SettingsError
from energyctl.results.paths import PARALLEL, RESERVED, RunFiles
from energyctl.results.reader import Say, load
from energyctl.results.schema import Result
from energyctl.system.files import read_regular, regular, write_atomic
from energyctl.text import safe_name

LARGEST_NOTE = 2**16
"""Bytes."""

SHOWN_ODD = 5
"""So many files that are no results are named, of a folder."""


def to_text(data: Any) -> str:
    """JSON as the files hold it. NaN and infinity are no JSON; they must be null by now."""
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True)
class ResultsFolder:
    """The results folder of a campaign.

    *problem* is given a line on each file that is left out because it is not what its name says.
    """

    root: Path
    problem: Say = lambda line: None

    def prepare(self) -> None:
        """Makes the folder and tries it. Raises MachineError where it cannot be written."""
        try:
            for folder in (self.root, self.campaigns):
                if not folder.is_dir():
                    self.make(folder)
            probe = self.root / f".probe.{os.getpid()}"
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise MachineError(
                f"the results folder {self.root} cannot be written: {error.strerror}; "
                "choose another with --results DIR"
            ) from error

    @property
    def campaigns(self) -> Path:
        return self.root / "campaigns"

    def new_run(self, run: Run, now: float) -> RunFiles:
        """Names for the files of *run*, started at *now* (Unix seconds); none exists yet."""
        return next(files for files in self._names(run, now) if self._is_free(files))

    def reserve(self, run: Run, now: float, within: Path, note: str) -> RunFiles:
        """The same, reserved against every machine that writes to this results folder, until
        :meth:`release`. The files are made in a folder of their own, in *within*.

        Reserved is the foreground's id: a log is named without ``_parallel``. *note*: for whom.
        """
        for files in self._names(run, now):
            if not self._is_free(files):
                continue
            try:
                with open(files.reservation, "x", encoding="utf-8") as file:
                    file.write(note)
            except FileExistsError:
                continue
            return replace(files, folder=self.make(within / files.experiment_id))
        raise AssertionError("there is no end of names")

    def release(self, files: RunFiles) -> None:
        """Once the files are in their place, or will never be."""
        replace(files, folder=self.root).reservation.unlink(missing_ok=True)

    def reserved(self, note: str) -> dict[str, Path]:
        """The foreground's id → the reservation, of those for *note*."""
        found = {}
        for path in self.root.glob(f".*{RESERVED}"):
            with contextlib.suppress(OSError):
                if read_regular(path, LARGEST_NOTE).decode(errors="replace") == note:
                    found[path.name[1 : -len(RESERVED)]] = path
        return found

    def _is_free(self, files: RunFiles) -> bool:
        taken = (files.result, files.energy(0), files.training_log(0), files.script)
        return not any(path.exists() for path in (*taken, files.reservation))

    def _names(self, run: Run, now: float) -> Iterator[RunFiles]:
        """Names for the files of *run*, one after the other."""
        stamp = time.strftime("%Y%m%d_%H%M%S", time.localtime(now))
        training = run.foreground
        parallel = PARALLEL if run.mode == "parallel" else ""
        name = f"{stamp}_{safe_name(training.repo)}_{safe_name(training.model)}"
        for number in itertools.count(1):
            suffix = "" if number == 1 else f"_{number}"
            yield RunFiles(
                folder=self.root,
                experiment_id=f"{name}{suffix}{parallel}",
                foreground_id=f"{name}{suffix}",
                timestamp=f"{stamp}{suffix}",
                repo=training.repo,
                model=training.model,
            )

    def write(self, path: Path, text: str) -> None:
        write_atomic(path, text)

    def make(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def load(self, experiment_id: str) -> Result | None:
        """The result of a run, or None where there is none (yet)."""
        files = RunFiles.of(self.root, experiment_id)
        return load(files.result, self.problem) or load(files.unrested, self.problem)

    def keep_unrested(self, experiment_id: str) -> None:
        """Keeps the result of a run that was cut off in its cool-down."""
        files = RunFiles.of(self.root, experiment_id)
        if not files.result.exists() and files.unrested.exists():
            os.replace(files.unrested, files.result)
        files.unrested.unlink(missing_ok=True)

    def all(self) -> Iterator[Result]:
        """Every result in the folder, oldest name first."""
        odd: list[str] = []
        for path in sorted(self.root.glob("[!.]*.json")):
            data = load(path, odd.append)
            if data is not None:
                yield data
        for line in odd[:SHOWN_ODD]:
            self.problem(line)
        if len(odd) > SHOWN_ODD:
            self.problem(f"{self.root}: {len(odd) - SHOWN_ODD} more files are no results")


def read_text(path: Path, what: str) -> str:
    """A text file that the user named. Raises SettingsError in one line."""
    try:
        with open(path, encoding="utf-8", opener=regular) as file:
            return file.read()
    except OSError as error:
        raise SettingsError(f"{path}: cannot read {what}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: {what} is not UTF-8 text") from error
