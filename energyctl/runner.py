"""The phases of one run, as a list one can read.

    open the meters · idle baseline · background up and loaded · foreground attempts ·
    background down, and proof that nothing is left · result

Leaving that block, on success, failure, a signal or an error, always ends the background, and a
second Ctrl-C does not cut that short.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from energyctl import background as backgrounds
from energyctl import foreground as foregrounds
from energyctl import processes
from energyctl.background import Background
from energyctl.energy import Domain, Recording
from energyctl.errors import Interrupted, RunError
from energyctl.foreground import Attempt
from energyctl.interrupts import Interrupts
from energyctl.meters import write_cpu_energy
from energyctl.meters.base import Meter
from energyctl.meters.sampler import Sampler
from energyctl.observer import Observer, View
from energyctl.plan import Run, Training
from energyctl.registry import Invocation, Registry, invocation
from energyctl.results import SCHEMA, WHOLE_MACHINE_NOTE, ResultsFolder, RunFiles
from energyctl.settings import Settings
from energyctl.settling import FEWEST, Steadiness
from energyctl.supervisor import Daemon

SETTLE_TICK_SECONDS, SHORTEST_TICK_SECONDS = 0.5, 0.1


@dataclass(frozen=True)
class Context:
    """What all runs of a campaign share."""

    campaign: str
    settings: Settings
    registry: Registry
    root: Path
    folder: ResultsFolder
    templates: tuple[Path, Path]
    rendered: Path | None
    python: str
    meters: Sequence[Meter]
    runtime: Path
    daemon: Callable[[], Daemon]
    environment: Mapping[str, str]
    facts: Mapping[str, Any]
    warnings: Sequence[str]
    interrupts: Interrupts
    observer: Observer

    def invocation_of(self, training: Training) -> Invocation:
        repository = self.registry.repositories[training.repo]
        return invocation(
            repository,
            training.model,
            training.hyperparameters,
            workspace=self.root,
            python=self.python,
        )

    @property
    def estimated(self) -> bool:
        """Whether a part of the power that is shown is an estimate."""
        return any(not domain.measured for domain in self.in_total.values())

    @cached_property
    def in_total(self) -> Mapping[str, Domain]:
        """The domains whose power adds up to what the machine draws, by name."""
        domains = [domain for meter in self.meters for domain in meter.domains()]
        return {domain.name: domain for domain in domains if domain.in_total}

    def marker(self, files: RunFiles, role: str) -> str:
        """What every process of the run's foreground or background carries."""
        return processes.marker(self.runtime.name, files.experiment_id, role)


def rendered_token(run: Run) -> str:
    """Stands for the run's id in files that ``render`` writes, before there is one."""
    from energyctl.programs import safe_name

    name = safe_name(f"{run.foreground.repo}_{run.foreground.model}")
    return f"RUN{run.index}_{name}_parallel"


@dataclass
class _Live:
    """A run in progress."""

    run: Run
    files: RunFiles
    context: Context
    sampler: Sampler
    began: float = field(default_factory=time.time)
    background: Background | None = None
    attempts: list[Attempt] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str | None = None
    interrupted: bool = False
    settled: dict[str, Any] | None = None
    moving: str | None = None

    def known(self) -> list[int]:
        """Children of energyctl that are no orphans of a run."""
        child = self.background.daemon.child if self.background else None
        return [child.pid] if child else []

    def tick(self) -> None:
        latest = self.sampler.latest()
        attempt = self.attempts[-1] if self.attempts else None
        self.context.observer.view(
            View(
                index=self.run.index,
                experiment_id=self.files.experiment_id,
                title=f"{self.run.foreground.repo} / {self.run.foreground.model}",
                attempt=attempt.number if attempt else 0,
                phase=latest.phase or "",
                phase_since=latest.since or latest.time,
                run_since=self.began,
                watts={n: w for n, w in latest.watts.items() if n in self.context.in_total},
                estimated=self.context.estimated,
                jobs=self.background.views() if self.background else (),
                last_line=foregrounds.last_line(attempt.log) if attempt else "",
                moving=self.moving,
            )
        )

    def pause(self, seconds: float) -> None:
        """Waits, showing the state; raises Interrupted at once when a signal comes."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.tick()
            self.context.interrupts.wait(min(SETTLE_TICK_SECONDS, left))


def carry_out(
    run: Run,
    files: RunFiles,
    context: Context,
    save: Callable[[dict[str, Any]], None],
    cooldown: bool,
) -> str:
    """Does one run, hands its result to *save*, and returns its status.

    With *cooldown* the machine then rests under metering, and the result is saved once more,
    with that phase. Raises Interrupted after an interrupted run's result was saved.
    """
    with metering(context) as sampler:
        live = _Live(run, files, context, sampler)
        stopping: Interrupted | None = None
        try:
            measure(live)
        except Interrupted as signal:
            live.interrupted, stopping = True, signal
        except RunError as error:
            live.error = str(error)
        if not cooldown or stopping:
            save(result := make_result(live, sampler.stop()))
        else:
            sampler.phase("cooldown")
            save(result := make_result(live, sampler.recording()))
            try:
                cool_down(live)
            finally:
                save({**make_result(live, sampler.stop()), "status": result["status"]})
    if stopping is not None:
        raise stopping
    return str(result["status"])


@contextmanager
def metering(context: Context) -> Iterator[Sampler]:
    """A running sampler over the campaign's meters; its thread ends with the block."""
    sampler = Sampler(context.meters, interval_seconds=context.settings.sample_interval_seconds)
    sampler.start()
    try:
        yield sampler
    finally:
        sampler.stop()


def measure(live: _Live) -> None:
    """The measured part of a run: idle, background up, attempts, background down."""
    settings = live.context.settings
    live.sampler.phase("idle")
    live.pause(settings.idle_seconds)
    try:
        if live.run.background:
            bring_up(live)
        for number in range(1, settings.max_retries + 2):
            if attempt_once(live, number):
                break
    finally:
        take_down(live)


def bring_up(live: _Live) -> None:
    """Starts the background and waits until its load is steady; then that load alone."""
    run, files, context = live.run, live.files, live.context
    marker = context.marker(files, "background")
    rendered = backgrounds.render(
        run, files, context.runtime, context.templates, context.invocation_of, marker
    )
    if context.rendered is not None:
        rendered = backgrounds.edited(
            rendered, context.rendered, rendered_token(run), files.experiment_id
        )
        live.warnings.append(f"the background ran from rendered files in {context.rendered}")
    live.background = Background(
        context.daemon(), rendered, files, context.folder, context.environment, marker, live.known
    )
    live.background.write()
    live.sampler.phase("background_start")
    live.background.start()
    settle(live, live.background)
    live.sampler.phase("background_only")
    live.pause(context.settings.settle.seconds)


def settle(live: _Live, background: Background) -> None:
    """Waits until every job is in an iteration and its load no longer trends."""
    wanted, began = live.context.settings.settle, time.monotonic()
    steadiness = Steadiness(wanted.seconds)
    before: dict[str, float] = {}
    then = began
    tick = min(SETTLE_TICK_SECONDS, max(wanted.seconds / FEWEST, SHORTEST_TICK_SECONDS))
    while True:
        live.context.interrupts.wait(tick)
        now, spent = time.monotonic(), background.cpu_seconds()
        away = [job.name for job in background.views() if not job.running]
        latest = live.sampler.latest()
        figures = {
            f"{name} cores": max(0.0, (seconds - before.get(name, 0.0)) / (now - then))
            for name, seconds in spent.items()
        }
        for gpu in latest.gpus:
            if gpu.utilization_percent is not None:
                figures[f"{gpu.name} percent"] = gpu.utilization_percent
            if gpu.power_watts is not None:
                figures[f"{gpu.name} watts"] = gpu.power_watts
        before, then = spent, now
        low = wanted.min_gpu_utilization
        busiest = max((gpu.utilization_percent or 0.0 for gpu in latest.gpus), default=0.0)
        if away and not background_seen(background, away):
            steadiness.restart()
            live.moving = f"waiting for {', '.join(away)} to start"
        elif low is not None and busiest < low:
            live.moving = f"GPU utilisation {busiest:.0f} % is below {low:g} %"
            steadiness.add(now, figures)
        else:
            steadiness.add(now, figures)
            live.moving = steadiness.moving()
        live.tick()
        if live.moving is None or now - began >= wanted.timeout_seconds:
            break
    live.settled = {
        "seconds": time.monotonic() - began,
        "steady": live.moving is None,
        "moving": live.moving,
        "figures": steadiness.latest(),
    }
    if live.moving is not None:
        text = f"the background was not steady after {wanted.timeout_seconds:g} s: {live.moving}"
        if wanted.on_timeout == "fail":
            raise RunError(text)
        live.warnings.append(text)
    live.moving = None


def background_seen(background: Background, away: Sequence[str]) -> bool:
    """Whether each job of *away* is only between two iterations (it has run before)."""
    views = {view.name: view for view in background.views()}
    return all(views[name].iterations > views[name].failures for name in away)


def attempt_once(live: _Live, number: int) -> bool:
    """One attempt; True when no further one is to be made."""
    run, files, context = live.run, live.files, live.context
    repository = context.registry.repositories[run.foreground.repo]
    invoked = context.invocation_of(run.foreground)
    attempt = Attempt(number, files.training_log(number))
    live.attempts.append(attempt)
    folder = context.folder.make(files.energy(number))
    next_phase = "background_only" if live.background else "idle"
    environment = {
        **context.environment,
        **invoked.env,
        processes.MARKER: context.marker(files, "foreground"),
    }

    def edge(name: str) -> float:
        if name == "foreground":
            live.sampler.record_to(folder)
        instant = live.sampler.phase(name)
        if name != "foreground":
            live.sampler.record_to(None)
        return instant

    try:
        foregrounds.run_attempt(
            attempt,
            invoked,
            environment=environment,
            credentials=context.folder.user.credentials,
            timeout_seconds=run.timeout_seconds,
            known=live.known,
            interrupts=context.interrupts,
            edge=edge,
            next_phase=next_phase,
            tick=live.tick,
        )
    finally:
        context.folder.user.own_all(folder)
        context.folder.user.own(attempt.log)
    foregrounds.read_metrics(attempt, repository)
    judge_coverage(live, attempt)
    live.warnings += [f"attempt {number}: {text}" for text in attempt.warnings]
    return attempt.succeeded


def judge_coverage(live: _Live, attempt: Attempt) -> None:
    """An attempt whose background was away for longer than ``min_coverage`` allows, failed."""
    limit = live.context.settings.min_coverage
    if live.background is None or limit is None or attempt.error is not None:
        return
    for job in live.background.info(attempt.start, attempt.end)["jobs"]:
        if job["coverage"] is None or job["coverage"] < limit:
            attempt.error = (
                f"background {job['job']} covered {job['coverage'] or 0:.1%} of the foreground's "
                f"time, min_coverage is {limit:.1%}"
            )


def take_down(live: _Live) -> None:
    """Ends the background and proves that nothing of the run is left."""
    if live.background is None:
        return
    live.sampler.phase("background_stop")
    ended = live.background.stop()
    live.context.folder.user.own_all(live.files.background_logs)
    live.warnings += [f"still running: pid {p.pid} {p.command}" for p in ended.left]


def cool_down(live: _Live) -> None:
    """Rests for ``cooldown_seconds``, or until the GPUs are as cool as the settings ask."""
    settings = live.context.settings
    deadline = time.monotonic() + settings.cooldown_seconds
    while (left := deadline - time.monotonic()) > 0:
        live.tick()
        live.context.interrupts.wait(min(SETTLE_TICK_SECONDS, left))
        limit = settings.cooldown_until_celsius
        gpus = live.sampler.latest().gpus
        known = [gpu.temperature_celsius for gpu in gpus if gpu.temperature_celsius is not None]
        if limit is not None and known and max(known) <= limit:
            return


# -- the result ----------------------------------------------------------------------------


def make_result(live: _Live, recording: Recording) -> dict[str, Any]:
    """The result of the run, as the results file holds it."""
    run, files, context = live.run, live.files, live.context
    last = next((a for a in reversed(live.attempts) if a.end is not None), None)
    energy = None
    if last is not None and last.start is not None and last.end is not None:
        energy = recording.energy(last.start, last.end)
        write_cpu_energy(files.energy(last.number) / "cpu_energy.txt", energy)
        context.folder.user.own(files.energy(last.number) / "cpu_energy.txt")
    background = None
    warnings = [*context.warnings, *live.warnings, *recording.warnings]
    warnings += energy.warnings if energy else ()
    if live.background is not None:
        span = (last.start, last.end) if last else (None, None)
        background = {**live.background.info(*span), "settle": live.settled}
        warnings += backgrounds.coverage_warnings(background)
    succeeded = last is not None and last.succeeded and not live.interrupted and not live.error
    error = live.error or (last.error if last else None)
    if live.interrupted:
        error = "interrupted"
    return {
        "schema": SCHEMA,
        "experiment_id": files.experiment_id,
        "campaign": context.campaign,
        "mode": run.mode,
        "status": "interrupted" if live.interrupted else "succeeded" if succeeded else "failed",
        "foreground_result": foreground_result(live, last, succeeded, error),
        "background_info": background,
        "energy": energy.to_json() if energy else None,
        "energy_missing": None if energy else "the foreground never ran",
        "energy_note": WHOLE_MACHINE_NOTE,
        "phases": recording.phases_json(),
        "warnings": warnings,
        "environment": {
            **context.facts,
            "started": live.began,
            "run": run.to_json(),
            "rendered": str(context.rendered) if context.rendered else None,
        },
    }


def cut_off_result(run: Run, files: RunFiles, campaign: str) -> dict[str, Any]:
    """The result of a run that was cut off by a crash: nothing is known but that it began."""
    why = "energyctl was cut off during this run"
    training = run.foreground
    return {
        "schema": SCHEMA,
        "experiment_id": files.experiment_id,
        "campaign": campaign,
        "mode": run.mode,
        "status": "interrupted",
        "foreground_result": {
            "experiment_id": files.foreground_id,
            "success": False,
            "duration": None,
            "retries": 0,
            "repo": training.repo,
            "model": training.model,
            "hyperparameters": training.hyperparameters,
            "exit_code": None,
            "error": why,
            "performance_metrics": {},
            "log": None,
            "attempts": [],
        },
        "background_info": None,
        "energy": None,
        "energy_missing": why,
        "energy_note": WHOLE_MACHINE_NOTE,
        "phases": [],
        "warnings": [why],
        "environment": {"run": run.to_json()},
    }


def foreground_result(
    live: _Live, last: Attempt | None, succeeded: bool, error: str | None
) -> dict[str, Any]:
    training = live.run.foreground
    return {
        "experiment_id": live.files.foreground_id,
        "success": succeeded,
        "duration": last.duration if last else None,
        "retries": max(0, len(live.attempts) - 1),
        "repo": training.repo,
        "model": training.model,
        "hyperparameters": training.hyperparameters,
        "exit_code": last.exit_code if last else None,
        "error": None if succeeded else error,
        "performance_metrics": dict(last.metrics) if last else {},
        "log": last.log.name if last else None,
        "attempts": [attempt.to_json() for attempt in live.attempts],
    }
