"""A running campaign looked at from outside, by its files alone.

Nothing is locked, written or asked for: what reads here cannot disturb a measurement.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from energyctl.background.job_view import JobView
from energyctl.campaign.journal import Journal, find_journal
from energyctl.campaign.observer import DomainView, GpuView, View
from energyctl.campaign.status_file import read_state
from energyctl.config.plan import Run
from energyctl.errors import SettingsError
from energyctl.results.conditions import condition_of
from energyctl.results.folder import ResultsFolder
from energyctl.results.paths import CPU_POWER, GPU_POWER
from energyctl.results.reader import Say, total_energy
from energyctl.results.schema import Result
from energyctl.system import processes
from energyctl.system.logs import last_lines, tail
from energyctl.system.private_folder import runtime_path
from energyctl.system.user import invoking_user
from energyctl.system.workspace import Workspace

HISTORY = 600
"""So many power readings of a domain are shown at most."""

SERIES_BYTES = 128 * 1024
"""Of the end of a series' file; its first line is passed over."""

SHOWN_DONE = 40
"""Of the finished runs, the last ones."""

STALE_SECONDS = 15.0
"""A campaign that lives publishes each second; so long may a slow disk hold that up."""

PartOfView = type[JobView] | type[GpuView] | type[DomainView]
PARTS_OF_A_VIEW: Mapping[str, PartOfView] = {
    "jobs": JobView,
    "gpus": GpuView,
    "domains": DomainView,
}


@dataclass(frozen=True)
class CampaignProgress:
    """How a campaign stands, by its journal. ended: Unix seconds; None: it goes on, or died."""

    name: str
    total: int
    last: int
    """The highest number of a run: where some are left out, more than there are."""

    finished: Mapping[int, str]
    """Index of each finished run → its status."""

    ended: float | None
    interrupted: bool
    resume: str


@dataclass(frozen=True)
class FinishedRun:
    """A run of the campaign that is done."""

    index: int
    experiment_id: str
    status: str
    joules: float | None
    uncertainty_joules: float | None
    measured: bool
    warnings: Sequence[str] = ()
    condition: str = ""
    block: int | None = None


@dataclass(frozen=True)
class Scene:
    """What there is to see. view: None where no campaign runs; dead: its process is gone.

    power: readings by domain, oldest first, a second or a sample apart; None for a gap.
    """

    now: float
    view: View | None = None
    dead: bool = False
    age_seconds: float = 0.0
    ends: float | None = None
    run: Run | None = None
    next_runs: Sequence[Run] = ()
    done: Sequence[FinishedRun] = ()
    power: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    lines: Sequence[str] = ()
    closed: CampaignProgress | None = None


class Watcher:
    """Looks at the campaign of a workspace, again and again."""

    def __init__(self, workspace: Workspace, problem: Say = lambda line: None) -> None:
        """*problem*: as of :class:`ResultsFolder`."""
        self._workspace = workspace
        self._problem = problem
        self._runtime = runtime_path(workspace.root, invoking_user())
        self._power: dict[str, deque[tuple[float, float | None]]] = {}
        self._results: dict[str, FinishedRun] = {}
        self._runs: tuple[Path, list[Run]] | None = None
        self._seen: Journal | None = None  # of the campaign that was seen running

    def look(self, lines: int = 5) -> Scene:
        """The scene now, with so many last lines of the foreground's log."""
        state, now = read_state(self._runtime), time.time()
        journal = self._journal(state) if state is not None else self.last_journal()
        self._seen = journal if state is not None else self._seen
        closed = None if journal is None else self._closed(journal)
        if state is None:
            self._power.clear()
            return Scene(now, closed=closed)
        view = _view(state)
        runs = self._planned(journal)
        if closed is not None:  # the run that cools down is in the journal, and not yet final
            others = {n: status for n, status in closed.finished.items() if n != view.index}
            closed = replace(closed, finished=others)
        finished = closed.finished if closed else {}
        waiting = [run for run in runs if run.index > view.index and run.index not in finished]
        pid, at = state.get("pid", 0), state.get("time", now)
        return Scene(
            now=now,
            view=view,
            dead=processes.identify(pid) is None,
            age_seconds=now - at,
            ends=state.get("ends"),
            run=next((run for run in runs if run.index == view.index), None),
            next_runs=waiting,
            done=self._done(journal, closed),
            power=self._history(view, at),
            lines=last_lines(Path(view.log), lines) if view.log else (),
            closed=closed,
        )

    def last_journal(self) -> Journal | None:
        """Of the campaign that was seen running, else of the newest."""
        return self._seen or self._journal(None)

    def unfinished(self) -> CampaignProgress | None:
        """The newest campaign, where it neither runs nor ended; none of a cluster."""
        journal = self._newest(of_cluster=False)
        closed = None if journal is None else self._closed(journal)
        over = closed is None or (closed.ended is not None and not closed.interrupted)
        return None if over else closed

    def journal_of_cluster(self) -> Journal | None:
        """That of the newest campaign, where it is one of a cluster and none is running here."""
        running = read_state(self._runtime) is not None
        return None if running else self._newest(of_cluster=True)

    def _newest(self, *, of_cluster: bool) -> Journal | None:
        """That of the newest campaign, where it is one of a cluster, or is not."""
        journal = self._journal(None)
        try:
            right = journal is not None and (journal.cluster is not None) == of_cluster
        except (SettingsError, OSError):
            return None
        return journal if right else None

    def _journal(self, state: Mapping[str, Any] | None) -> Journal | None:
        """That of the campaign: the one that was written to last."""
        place = (state or {}).get("results") or self._workspace.results
        try:
            return find_journal(ResultsFolder(Path(place), self._problem), None)
        except (SettingsError, OSError):
            return None

    def _closed(self, journal: Journal) -> CampaignProgress | None:
        finished: dict[int, str] = {}
        ended, interrupted = None, False
        try:
            head = journal.head()
            for event in journal.events():
                if event.get("event") == "finished":
                    finished[event["run"]] = event["status"]
                if event.get("event") in ("started", "finished", "ended", "interrupted"):
                    over = event["event"] in ("ended", "interrupted")
                    ended = event["time"] if over else None
                    interrupted = event["event"] == "interrupted"
            go_on, numbers = journal.resume_command, [run["index"] for run in head["runs"]]
            total, last = len(numbers), max(numbers, default=0)
            if "search" in head:
                total = last = int(head["search"]["runs"])
            return CampaignProgress(head["name"], total, last, finished, ended, interrupted, go_on)
        except (SettingsError, OSError):
            return None

    def _planned(self, journal: Journal | None) -> list[Run]:
        """All runs of the campaign; read anew only where a search may have planned more."""
        if journal is None:
            return []
        if self._runs is None or self._runs[0] != journal.path or _grows(self._runs[1]):
            try:
                self._runs = journal.path, journal.runs()
            except SettingsError:
                return []
        return self._runs[1]

    def _done(self, journal: Journal | None, closed: CampaignProgress | None) -> list[FinishedRun]:
        """The last finished runs, newest last; each result is read once."""
        if journal is None or closed is None:
            return []
        runs = []
        names = dict(journal.started())
        for index in list(closed.finished)[-SHOWN_DONE:]:
            name = names.get(index)
            if name is None:
                continue
            if name not in self._results:
                result = journal.folder.load(name)
                if result is None:
                    continue
                self._results[name] = finished_run(index, result)
            runs.append(self._results[name])
        return runs

    def _history(self, view: View, at: float) -> dict[str, list[float | None]]:
        """Power so far: of the attempt from its files, of the time before from earlier looks."""
        for domain, watts in view.watts.items():
            readings = self._power.setdefault(domain, deque(maxlen=HISTORY))
            if not readings or at > readings[-1][0]:
                readings.append((at, watts))
        written = _samples(Path(view.series), view.watts) if view.series else {}
        history = {}
        for domain, readings in self._power.items():
            if domain not in view.watts:
                continue
            samples = written.get(domain, [])
            before = [reading for reading in readings if not samples or reading[0] < samples[0][0]]
            history[domain] = [watts for _, watts in [*before, *samples]][-HISTORY:]
        return history


def _grows(runs: Sequence[Run]) -> bool:
    """Whether there may be more of them by now: those of a search."""
    return any(run.trial for run in runs[-1:])


def _view(state: Mapping[str, Any]) -> View:
    """What was published, as far as this version knows it."""
    fields = {name: state[name] for name in View.__dataclass_fields__ if name in state}
    for name, kind in PARTS_OF_A_VIEW.items():
        known = kind.__dataclass_fields__
        fields[name] = [
            kind(**{k: v for k, v in part.items() if k in known}) for part in state.get(name, ())
        ]
    return View(**fields)


def finished_run(index: int, result: Result) -> FinishedRun:
    """A run of a campaign, from its result."""
    total = total_energy(result)
    return FinishedRun(
        index=index,
        experiment_id=result["experiment_id"],
        status=result.get("status", "unknown"),
        joules=total.joules,
        uncertainty_joules=total.uncertainty_joules,
        measured=total.measured is not False,
        warnings=tuple(result.get("warnings") or ()),
        condition=condition_of(result),
        block=result.get("block"),
    )


def _samples(
    folder: Path, domains: Mapping[str, Any]
) -> dict[str, list[tuple[float, float | None]]]:
    """The last samples of each domain, from the files of an attempt that are being written."""
    samples: dict[str, list[tuple[float, float | None]]] = {}
    for name in (CPU_POWER, GPU_POWER):
        for line in tail(folder / name, SERIES_BYTES).split("\n")[1:-1]:
            cells = line.split(",")
            try:
                time, domain = float(cells[0]), cells[1]
                watts = float(cells[2]) if cells[2] else None
            except (IndexError, ValueError):
                continue
            if name == GPU_POWER and domain.isdecimal():
                domain = f"gpu-{domain}"
            if watts is None and domain not in samples:
                continue  # the reading that a series begins with is no gap
            if domain in domains:
                samples.setdefault(domain, []).append((time, watts))
    return samples
