"""A campaign across the nodes of a cluster, from its journal and from squeue."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from energyctl.campaign.journal import Journal, find_journal
from energyctl.campaign.status_file import read_published
from energyctl.config.plan import Run
from energyctl.errors import MachineError, SettingsError
from energyctl.results.conditions import run_words
from energyctl.results.folder import ResultsFolder
from energyctl.results.journal_schema import JournalLine
from energyctl.results.reader import total_energy
from energyctl.results.schema import FINISHED, Environment, Result
from energyctl.slurm.arrays import task_numbers
from energyctl.slurm.attempts import SUPERSEDED
from energyctl.slurm.commands import WARNED
from energyctl.slurm.submit import CampaignTask, options_of, queued, submissions

STOPPED, LIMITED = "interrupted", "ended by its time limit"
State = Literal["succeeded", "failed", "running", "starting", "waiting", "missing", "unknown"]


@dataclass(frozen=True)
class RunNow:
    """A run of the campaign. attempts: how often it was begun; tried: how the last one ended.

    age_seconds: since its task told of it. seconds: the training's duration, of a finished one.
    note: why it waits, or why its node refused; refused_by: which node that was.
    held: by Slurm, after a start that failed. phase_since: Unix time.
    """

    index: int
    title: str
    state: State
    condition: str = ""
    block: int | None = None
    experiment_id: str | None = None
    attempts: int = 0
    tried: str | None = None
    node: str | None = None
    job: str | None = None
    task: int | None = None
    phase: str | None = None
    phase_since: float | None = None
    age_seconds: float | None = None
    seconds: float | None = None
    joules: float | None = None
    uncertainty_joules: float | None = None
    measured: bool | None = None
    watts: Mapping[str, float | None] = field(default_factory=dict)
    note: str | None = None
    held: bool = False
    refused_by: str | None = None


@dataclass(frozen=True)
class Overview:
    """All runs. in_queue: tasks that are not over; queue_problem: why that is not known."""

    name: str
    journal: Path
    results: Path
    runs: Sequence[RunNow]
    jobs: Sequence[str]
    superseded: int
    seconds_of_runs: Sequence[float]
    """From the start of each finished run to its end, with all of its phases."""

    in_queue: int
    queue_problem: str | None
    resume: str

    def count(self, *states: State) -> int:
        return sum(run.state in states for run in self.runs)

    @property
    def over(self) -> bool:
        """Whether no task is left that could do anything."""
        return self.queue_problem is None and not self.in_queue

    @property
    def nodes(self) -> int:
        """On how many nodes runs are now."""
        return len({run.node for run in self.runs if run.state in ("running", "starting")})

    def to_json(self) -> dict[str, Any]:
        return {
            "campaign": self.name,
            "journal": str(self.journal),
            "results": str(self.results),
            "counts": {state: self.count(state) for state in get_args(State)},
            "superseded": self.superseded,
            "jobs": list(self.jobs),
            "in_queue": self.in_queue,
            "over": self.over,
            "queue_problem": self.queue_problem,
            "runs": [asdict(run) for run in self.runs],
        }


@dataclass
class Overviews:
    """Looks at a campaign again and again; each result is read once."""

    journal: Journal
    _results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._name = str(self.journal.head()["name"])
        self._runs = self.journal.runs()
        self._tasks = task_numbers(self._runs, options_of(self.journal).runs_per_task)
        self._resume = self.journal.resume_command

    def look(self) -> Overview:
        """How it stands now. Never raises for a Slurm that does not answer."""
        journal, events = self.journal, list(self.journal.events())
        arrays = submissions(events)
        queue: list[CampaignTask] | None
        problem = None
        try:
            queue = queued(journal, events, patient=False)
        except MachineError as error:
            queue, problem = None, str(error)
        history = _Seen.of(events)
        finished = self._finished(events)
        states = _states(journal)
        runs = [
            self._run(run, self._tasks[run.index], finished, history, states, queue)
            for run in self._runs
        ]
        return Overview(
            name=self._name,
            journal=journal.path,
            results=journal.folder.root,
            runs=runs,
            jobs=list(arrays),
            superseded=history.superseded,
            seconds_of_runs=[
                history.ended[index] - history.began[index]
                for index in finished
                if index in history.ended and index in history.began
            ],
            in_queue=len(queue or ()),
            queue_problem=problem,
            resume=self._resume,
        )

    def _finished(self, events: Iterable[JournalLine]) -> dict[int, str]:
        """Run → id of its result, as :meth:`Journal.finished`; a result never changes."""
        results = {}
        for event in events:
            if event.get("event") in ("started", "finished"):
                name = event["experiment_id"]
                if name not in self._results:
                    result = self.journal.folder.load(name)
                    if result is None:
                        continue
                    self._results[name] = _facts(result)
                if self._results[name]["state"] in FINISHED:
                    results[event["run"]] = name
        return results

    def _run(
        self,
        run: Run,
        task: int,
        finished: Mapping[int, str],
        history: _Seen,
        states: Mapping[tuple[int, str, str], Mapping[str, Any]],
        queue: Sequence[CampaignTask] | None,
    ) -> RunNow:
        title = f"{run.foreground.repo} / {run.foreground.model}"
        facts: dict[str, Any] = {
            "index": run.index,
            "title": run_words(title, run.condition, run.block, run.warm_up),
            "condition": run.condition,
            "block": run.block,
            "attempts": history.attempts.get(run.index, 0),
            "tried": history.tried.get(run.index),
        }
        name = finished.get(run.index)
        if name is not None:
            return RunNow(**facts, experiment_id=name, **self._results[name])
        mine = next((one.task for one in queue or () if one.number == task), None)
        if mine is None:
            state: State = "missing" if queue is not None else "unknown"
            node, note = history.refused.get(task, (None, None))
            return RunNow(**facts, state=state, task=task, note=note, refused_by=node)
        facts |= {"task": task, "job": mine.name, "node": mine.node}
        if not mine.runs:
            facts |= {"node": None, "held": mine.held}
            return RunNow(**facts, state="waiting", note=mine.reason)
        now = states.get((run.index, mine.array_job, mine.node or ""))
        if now is None:
            begun = history.running.get(task)
            state = "starting" if begun in (None, run.index) else "waiting"
            return RunNow(**facts, state=state)
        return RunNow(
            **facts,
            state="running",
            experiment_id=now.get("experiment_id"),
            phase=now.get("phase"),
            phase_since=now.get("phase_since"),
            age_seconds=max(0.0, time.time() - now.get("time", 0.0)),
            watts=now.get("watts") or {},
        )


def _facts(result: Result) -> dict[str, Any]:
    """What is shown of a result."""
    total, training = total_energy(result), result.get("foreground_result")
    return {
        "state": result.get("status"),
        "node": (result.get("environment") or Environment()).get("node"),
        "seconds": training.get("duration") if training else None,
        **total._asdict(),
    }


@dataclass
class _Seen:
    """What the lines of the journal say. Keys are runs; of ``refused`` and ``running``, tasks.

    began, ended: Unix time.
    """

    attempts: dict[int, int] = field(default_factory=dict)
    tried: dict[int, str] = field(default_factory=dict)
    began: dict[int, float] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)
    running: dict[int, int] = field(default_factory=dict)
    superseded: int = 0

    @classmethod
    def of(cls, events: Iterable[JournalLine]) -> _Seen:
        seen = cls()
        for event in events:
            kind, run = event.get("event"), event.get("run")
            if kind == "started" and run is not None:
                seen.attempts[run] = seen.attempts.get(run, 0) + 1
                seen.began[run] = event["time"]
                if event.get("task") is not None:
                    seen.running[event["task"]] = run
                    seen.refused.pop(event["task"], None)
            elif kind == "finished" and run is not None:
                seen.tried[run] = str(event.get("status"))
                seen.ended[run] = event["time"]
            elif kind == "task_interrupted" and event.get("signal") == WARNED:
                seen.tried |= {int(n): LIMITED for n, s in event["runs"].items() if s == STOPPED}
            elif kind == SUPERSEDED:
                seen.superseded += 1
            elif kind == "refused":
                seen.refused[event["task"]] = str(event.get("node")), str(event.get("reason"))
        return seen


def _states(journal: Journal) -> dict[tuple[int, str, str], Mapping[str, Any]]:
    """(run, array job, node) → what its task published last; a killed one's stays, so the newest
    of each counts."""
    newest: dict[tuple[int, str, str], Mapping[str, Any]] = {}
    for path in journal.parts.glob("*.state.json"):
        state = read_published(path)
        if state is None:
            continue
        key = (state["index"], str(state.get("array_job")), str(state.get("node")))
        if state.get("time", 0.0) >= newest.get(key, {}).get("time", 0.0):
            newest[key] = state
    return newest


def find(folder: ResultsFolder, name: str | None) -> Journal:
    """The journal of a campaign on a cluster, the newest where none is named.

    Raises SettingsError where there is none, or it runs on one machine.
    """
    journal = find_journal(folder, name)
    if journal.cluster is None:
        raise SettingsError(
            f"{journal.name} runs on one machine, not on a cluster; energyctl status shows it"
        )
    options_of(journal)
    return journal


def newest(folder: ResultsFolder) -> Journal | None:
    """The newest campaign of the results folder, where that is one of a cluster."""
    try:
        return find(folder, None)
    except (SettingsError, OSError):
        return None
