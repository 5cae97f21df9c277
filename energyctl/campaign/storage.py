"""Where the files of a campaign's runs are made, and when a result counts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from energyctl.campaign import result_builder
from energyctl.campaign.journal import Journal
from energyctl.campaign.training import workdirs
from energyctl.config.plan import Run
from energyctl.results.folder import ResultsFolder, to_text
from energyctl.results.paths import RunFiles
from energyctl.results.schema import Result

FINISHED = "finished"
"""The event of a result that counts."""


class ResultStore(Protocol):
    """Where a campaign's results are made."""

    def recover(self) -> None:
        """Brings what a crash left unfinished to its end."""

    def begin(self, run: Run) -> RunFiles | None:
        """Names for the files of a run that begins now; None where it is done already."""

    def keep(self, run: Run, files: RunFiles, result: Result, last_word: bool) -> str:
        """Puts a result on disk and returns its event in the journal: ``finished``, or another
        where it does not count. Without *last_word* the cool-down's figures are yet to come."""


@dataclass(frozen=True)
class LocalStore:
    """In the results folder, as only one energyctl at a time writes this campaign."""

    folder: ResultsFolder
    journal: Journal

    def recover(self) -> None:
        """Results of runs that a crash cut off: as interrupted, or, while cooling down, as they
        are. The machine is ours by now, so nobody else is writing them."""
        by_index = {run.index: run for run in self.journal.runs()}
        for _, experiment_id in self.journal.started():
            self.folder.keep_unrested(experiment_id)
        name = str(self.journal.head()["name"])
        for index, experiment_id in self.journal.unfinished():
            files = RunFiles.of(self.folder.root, experiment_id)
            workdirs.remove(files.work)
            result = result_builder.cut_off_result(by_index[index], files, name)
            self.folder.write(files.result, to_text(result))

    def begin(self, run: Run) -> RunFiles:
        return self.folder.new_run(run, time.time())

    def keep(self, run: Run, files: RunFiles, result: Result, last_word: bool) -> str:
        self.folder.write(files.result if last_word else files.unrested, to_text(result))
        if last_word:
            files.unrested.unlink(missing_ok=True)
        return FINISHED


@dataclass(frozen=True)
class Allocation:
    """The part of a cluster that this energyctl was given; by default none: the whole machine.

    ``job`` is the id of the cluster's job and ``node`` the name of its node; ``facts`` go into
    every result. ``signals`` end the task beside the usual ones. ``patience_seconds``: how long to
    wait for another campaign, or others, to leave the machine. ``refuse_foreign``: no start where
    others compute here. ``share_idle``: one idle baseline for all runs.
    """

    job: str | None = None
    node: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    signals: tuple[int, ...] = ()
    patience_seconds: float = 0.5
    refuse_foreign: bool = False
    share_idle: bool = False

    @property
    def seat(self) -> str:
        """Tells the tasks of a workspace apart that run on one machine; empty for no task."""
        return "" if self.job is None else f"{self.job} {self.node}"
