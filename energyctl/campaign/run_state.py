"""A campaign's shared facts, and the state of the run in progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from energyctl.background.daemon import Daemon
from energyctl.background.group import BackgroundGroup
from energyctl.background.job_logs import JobLogs
from energyctl.background.job_view import JobView
from energyctl.background.load_monitor import LoadMonitor
from energyctl.background.steady_state import InVain
from energyctl.campaign.activity.owners import Owners
from energyctl.campaign.activity.recorder import ActivityRecorder
from energyctl.campaign.foreign.watch import Interval, Watch
from energyctl.campaign.gpu_views import GpuViews
from energyctl.campaign.machine_control import MachineControl
from energyctl.campaign.observer import DomainView, Observer, View
from energyctl.campaign.training import foreground
from energyctl.campaign.training.clone_changes import CloneWatch
from energyctl.campaign.training.invocations import Trainings, foreground_name
from energyctl.campaign.training.progress import ProgressReader
from energyctl.config.plan import Run
from energyctl.config.registry import Repository
from energyctl.config.settings import Settings, Settle
from energyctl.energy import Baseline, Block, Domain
from energyctl.meters.base import Source
from energyctl.meters.sampler import Sampler
from energyctl.results.folder import ResultsFolder
from energyctl.results.foreign_load import ForeignLoad
from energyctl.results.paths import RunFiles
from energyctl.results.schema import SettleJson
from energyctl.system import processes
from energyctl.system.cgroups import Cgroup
from energyctl.system.interrupts import Interrupts
from energyctl.system.lock import HeldLock
from energyctl.text import one_line

SHOW_SECONDS = 0.5
SHOWN_WARNINGS = 20


@dataclass
class SharedIdle:
    """The idle baseline before several runs one after another: that before the first.

    experiment_id: of that run; None while none was measured.
    """

    baseline: Baseline | None = None
    blocks: Sequence[Block] = ()
    experiment_id: str | None = None


@dataclass
class Warmth:
    """How warm each GPU was (°C) when the latest run began."""

    at_start: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What all runs of a campaign share."""

    campaign: str
    nonce: str
    settings: Settings
    trainings: Trainings
    folder: ResultsFolder
    templates: tuple[Path, Path]
    rendered: Path | None
    meters: Sequence[Source]
    runtime: Path
    daemon: Callable[[], Daemon]
    environment: Mapping[str, str]
    cgroup: Cgroup | None
    facts: Mapping[str, Any]
    warnings: Sequence[str]
    interrupts: Interrupts
    observer: Observer
    lock: HeldLock
    watch: Watch
    shared_idle: SharedIdle | None = None
    """None: each run measures its own."""

    warmth: Warmth | None = None
    """None: runs may begin as warm as they are."""

    machine: MachineControl = field(default_factory=MachineControl)

    experiment_warnings: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """Those that belong to the runs of one experiment, by its number."""

    in_vain: InVain = field(default_factory=InVain)

    @cached_property
    def in_total(self) -> Mapping[str, Domain]:
        """The domains whose power adds up to what the machine draws, by name."""
        domains = [domain for meter in self.meters for domain in meter.domains()]
        return {domain.name: domain for domain in domains if domain.in_total}

    @cached_property
    def parts(self) -> Mapping[str, Domain]:
        """The same, also where another domain is the total alone."""
        domains = [domain for meter in self.meters for domain in meter.domains()]
        return {domain.name: domain for domain in domains if domain.is_part}

    def marker(self, files: RunFiles, role: str) -> str:
        """What every process of the run's foreground or background carries."""
        return processes.marker(self.nonce, files.experiment_id, role)


@dataclass
class RunState:
    """A run in progress."""

    run: Run
    files: RunFiles
    context: Context
    sampler: Sampler
    began: float = field(default_factory=time.time)
    background: BackgroundGroup | None = None
    """While it is up."""

    ended_background: BackgroundGroup | None = None
    """The last one that was taken down."""

    attempts: list[foreground.Attempt] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None
    interrupted: bool = False
    settled: SettleJson | None = None
    moving: str | None = None
    loaded_since: float | None = None
    """From when on the background's whole cycles are of its full load (Unix seconds); None: it is
    not known to be loaded."""

    logs: JobLogs | None = None
    """What tells how much each background job has done, from its first start on."""

    until: float | None = None
    """When the phase ends, at the latest (Unix seconds), where that is known."""

    foreign: dict[str, ForeignLoad] = field(default_factory=dict)
    workdir: Path | None = None
    """That of the last attempt."""

    before: set[Path] = field(default_factory=set)
    """What the clone held already of what is deleted after a run that works in it."""

    clones: CloneWatch | None = None
    """From before anything of the run was started."""

    repository: Repository = field(init=False)
    """That of the foreground, with its globs and patterns filled in for the last attempt."""

    activity: ActivityRecorder = field(init=False)
    """What the run's foreground and background keep busy."""

    _interval: Interval | None = None

    def __post_init__(self) -> None:
        context = self.context
        owners = Owners(context.marker(self.files, ""), self._job_of)
        containers = context.watch.containers
        self.activity = ActivityRecorder(context.meters, owners, self.sampler.now, containers)
        self.repository = self.repository_of(0)
        self._progress = ProgressReader(self.repository.progress)
        self._gpus = GpuViews()

    def repository_of(self, number: int) -> Repository:
        """That of the foreground in an attempt. Raises SettingsError."""
        name = foreground_name(number)
        found = self.context.trainings.resolved(self.run.foreground, self.files, name)
        return found.reaching(self.run.reach)

    def _job_of(self, pid: int) -> str | None:
        """The background job to which a pid was seen to belong lately."""
        return None if self.loads is None else self.loads.job_of(pid)

    def close(self) -> None:
        """Lets go of the logs."""
        self._progress.close()
        for attempt in self.attempts:
            attempt.log.close()

    @property
    def loads(self) -> LoadMonitor | None:
        """Looks at the load by the background that is up; None before it settles."""
        return self.background.loads if self.background else None

    @property
    def load_alone(self) -> Settle:
        """For how long the load is watched alone, before the training and after it."""
        references, settle = self.run.references, self.context.settings.settle
        return settle if references is None else settle.lasting(references.background_alone_seconds)

    def watch_from(self, *, alone: bool = False) -> None:
        """What is foreign from now on is watched; *alone*: no training runs."""
        self.look()
        self._interval = self.context.watch.begin(alone=alone)

    def watch_until(self, name: str) -> None:
        """Ends that, and keeps it under *name*."""
        self.look()
        interval, self._interval = self._interval, None
        if interval is not None:
            self.foreign[name] = interval.end()

    def look(self) -> None:
        """At an edge, so that load, work and activity are known up to it."""
        self.activity.edge()
        if self.background is not None:
            self.background.look_at_logs(at_once=True)
        if self.loads is not None:
            self.loads.look()

    def look_at_lock(self, *, now: bool = False) -> None:
        """Warns where the machine's lock was removed."""
        if line := self.context.lock.look(now=now):
            self.warnings.append(line)
            self.context.observer.say(f"warning: {line}")

    def tick(self) -> None:
        """Looks at the background and shows the state. Raises BackgroundLost."""
        self.look_at_lock()
        if self.background is not None:
            self.background.check()
            self.background.look_at_logs()
        if self._interval is not None:
            self._interval.tick()
        if self.loads is not None:
            self.loads.tick()
        latest = self.sampler.latest()
        attempt = self.attempts[-1] if self.attempts else None
        warnings = [*self.context.warnings, *self.warnings]
        self.context.observer.view(
            View(
                index=self.run.index,
                experiment_id=self.files.experiment_id,
                title=f"{self.run.foreground.repo} / {self.run.foreground.model}",
                attempt=attempt.number if attempt else None,
                phase=latest.phase or "",
                phase_since=latest.phase_since_unix or latest.time_unix,
                watts={n: w for n, w in latest.watts.items() if n in self.context.in_total},
                estimated=not all(d.measured for d in self.context.in_total.values()),
                jobs=self._jobs(),
                last_line="".join(attempt.log.last_lines(1)) if attempt else "",
                moving=self.moving,
                progress=self._progress.latest(attempt) if attempt else None,
                until=self.until,
                log=str(attempt.log.path) if attempt else None,
                series=str(self.files.energy(attempt.number)) if attempt else None,
                condition=self.run.condition,
                block=self.run.block,
                warm_up=self.run.warm_up,
                trial=self._trial(),
                gpus=self._gpus.of(latest.gpus),
                joules={n: j for n, j in latest.joules.items() if n in self.context.in_total},
                domains=[
                    DomainView(d.name, d.kind, d.measured, d.part, latest.run_joules.get(d.name))
                    for d in self.context.in_total.values()
                ],
                warnings=[one_line(w, 300) for w in warnings[-SHOWN_WARNINGS:]],
            )
        )

    def _trial(self) -> str:
        search, number = self.context.settings.search, self.run.trial
        return "" if search is None or number is None else f"trial {number} of {search.trials}"

    def _jobs(self) -> list[JobView]:
        """The background's jobs now, with their latest load."""
        attempt = self.attempts[-1] if self.attempts else None
        since = attempt.start if attempt and attempt.end is None else None
        views = self.background.views(self.sampler.now(), since) if self.background else []
        loads = self.loads.lately() if self.loads is not None else {}
        return [replace(v, load=loads[v.name].load) if v.name in loads else v for v in views]

    def pause(
        self,
        seconds: float,
        until: Callable[[], bool] = lambda: False,
        look_seconds: float = SHOW_SECONDS,
    ) -> None:
        """Waits, showing the state; raises Interrupted at once when a signal comes.

        until: asked each look_seconds whether the wait is over.
        """
        deadline = time.monotonic() + seconds
        self.until = time.time() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0 and not until():
                self.tick()
                self.context.interrupts.wait(min(look_seconds, left))
        finally:
            self.until = None
