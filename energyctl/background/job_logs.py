"""What the logs of a group's jobs say while they grow: epochs of long iterations, and work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from energyctl.background.counts import CountWatch
from energyctl.background.epochs import EpochWatch
from energyctl.background.log_reader import LogReader
from energyctl.energy import Phase
from energyctl.results.job_work import job_work
from energyctl.results.ledger import JobLedger
from energyctl.results.schema import WorkJson


@dataclass(frozen=True)
class JobLogs:
    """Of jobs whose training says how far it is, by their names.

    counts: how much their iterations have done; units: what that counts, where it is not parts of
    iterations.
    """

    readers: Mapping[str, LogReader] = field(default_factory=dict)
    epochs: Mapping[str, EpochWatch] = field(default_factory=dict)
    counts: Mapping[str, CountWatch] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    def look(
        self,
        ledger: Mapping[str, JobLedger],
        now: float,
        ahead: float,
        *,
        at_once: bool = False,
    ) -> None:
        """At those of the iterations that run; *now*: Unix seconds on the ledger's line, which is
        so many seconds *ahead* of the clock that files have their times from."""
        for job, reader in self.readers.items():
            for new in reader.look(ledger[job].running, now, ahead, at_once=at_once):
                self.counts[job].take(new)
                if job in self.epochs:
                    self.epochs[job].take(new)

    def progress(self, job: str, run: int) -> tuple[float, float | None] | None:
        """What the job's iteration *run* says it has done, and of how much; None: not known."""
        return self.counts[job].so_far(run) if job in self.counts else None

    def work(self, job: str, ledger: JobLedger, phases: Sequence[Phase]) -> list[WorkJson]:
        counts = self.counts[job].counts() if job in self.counts else {}
        return job_work(ledger.in_order(), counts, phases, self.units.get(job))
