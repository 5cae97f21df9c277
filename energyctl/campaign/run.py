"""The phases of one run, as a list one can read.

    open the meters · idle baseline · GPU contexts held, where asked for ·
    background up and loaded · foreground attempts · the load alone once more ·
    background down, and proof that nothing is left · result

Leaving that block, on success, failure, a signal or an error, always ends the background, and a
second Ctrl-C does not cut that short.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from energyctl.background.group import BackgroundGroup
from energyctl.campaign import unended
from energyctl.campaign.baselines import watch_load_after, watch_load_before
from energyctl.campaign.contained import end_containers
from energyctl.campaign.context_held import hold_contexts
from energyctl.campaign.rendering import render_run
from energyctl.campaign.rest import cool_down, idle, rest_at_the_end, seconds_at_the_end
from energyctl.campaign.result_builder import make_result
from energyctl.campaign.run_state import Context, RunState
from energyctl.campaign.settle import settle
from energyctl.campaign.training import fetched, foreground, foreground_process, marks, workdirs
from energyctl.campaign.training.clone_changes import CloneWatch
from energyctl.campaign.training.growth import watching
from energyctl.campaign.training.invocations import background_name, foreground_name
from energyctl.campaign.training.metrics import series_files, take_metrics
from energyctl.campaign.warmth import note_start
from energyctl.config.plan import Run
from energyctl.config.registry import Step
from energyctl.errors import BackgroundLost, Interrupted, RunError
from energyctl.meters.sampler import Sampler
from energyctl.results.paths import RunFiles
from energyctl.results.schema import Result
from energyctl.system import network
from energyctl.system.logs import OutputLog
from energyctl.system.processes import ProcessInfo
from energyctl.text import percent

FREED_SECONDS = 10.0
"""For GPU memory: a driver may take seconds to give back what a killed process held."""


def carry_out(
    run: Run,
    files: RunFiles,
    context: Context,
    save: Callable[[Result, bool], None],
    cooldown: bool,
) -> str:
    """Does one run, hands its result to *save*, and returns its status.

    The machine then rests under metering: with *cooldown* as the settings say, else, since no run
    follows, just long enough to be seen idle once more. The result is saved before that, with
    False, and once more with that phase in it: only then it is the last word (True). Raises
    Interrupted after an interrupted run's result was saved.
    """
    with (
        metering(context) as sampler,
        closing(RunState(run, files, context, sampler)) as live,
        live.activity.running(),
    ):
        live.look_at_lock(now=True)
        stopping: BaseException | None = None
        try:
            measure(live)
            if not (live.attempts and live.attempts[-1].succeeded):
                # Whoever asks energyctl to end may have ended the training in the same breath.
                context.interrupts.check()
        except Interrupted as signal:
            live.interrupted, stopping = True, signal
        except RunError as error:
            live.error = str(error)
        except Exception as error:
            # Whatever it is, it ends the campaign; but what is known of the run is kept.
            live.error, live.interrupted = f"{type(error).__name__}: {error}", True
            stopping = error
        if stopping or not (cooldown or seconds_at_the_end(context.settings)):
            save(result := last_result(live), True)
        else:
            sampler.phase("cooldown")
            sampler.wait_until_located()
            save(result := make_result(live, sampler.recording()), False)
            try:
                if cooldown:
                    cool_down(live)
                else:
                    rest_at_the_end(live)
            finally:
                save(last_result(live), True)
    if stopping is not None:
        raise stopping
    return result["status"]


def last_result(live: RunState) -> Result:
    """Ends the metering; what it saw around the attempts is kept beside the result."""
    recording = live.sampler.stop()
    rows = (
        f"{sample.time_unix:.6f},{sample.domain},{sample.watts:.6f}"
        for sample in live.sampler.unfiled()
        if sample.watts is not None
    )
    path = live.files.power_around
    try:
        live.context.folder.write(path, "\n".join(["timestamp,domain,power_w", *rows, ""]))
    except OSError as error:
        live.warnings.append(f"the power around the training is not kept: {path.name}: {error}")
    return make_result(live, recording)


@contextmanager
def metering(context: Context) -> Iterator[Sampler]:
    """A running sampler over the campaign's meters; its thread ends with the block."""
    interval = context.settings.sample_interval_seconds
    sampler = Sampler(context.meters, interval_seconds=interval, keep_unfiled=True)
    sampler.start()
    try:
        yield sampler
    finally:
        sampler.stop()


def measure(live: RunState) -> None:
    """The measured part of a run: idle, background up, attempts, background down."""
    said = "\n".join(live.context.warnings)
    beside = [one for one in unended.living(live.context.runtime) if str(one) not in said]
    live.warnings += [f"measured beside what could not be ended before: {one}" for one in beside]
    if live.repository.workspace == "in_place":
        clone = live.context.trainings.clone(live.run.foreground)
        live.before = workdirs.matches(clone, live.repository.delete)
    live.clones = CloneWatch(live.context.trainings, live.run, live.context.folder.root)
    idle(live)
    note_start(live)
    hold_contexts(live)
    try:
        for number in range(live.context.settings.max_retries + 1):
            if attempt_under_load(live, number):
                break
    finally:
        take_down(live)
        take_outputs(live)
        live.warnings += live.context.machine.changes()


def attempt_under_load(live: RunState, number: int) -> bool:
    """One attempt, with the background up; True when no further one is to be made.

    Where the background is lost, what is left of it is ended, and the attempt has failed.
    """
    try:
        if live.background is not None and not live.background.is_up():
            live.warnings.append(
                f"the background did not run, and is started again (attempt {number})"
            )
            take_down(live)
        if live.run.background and live.background is None:
            bring_up(live)
        return attempt_once(live, number)
    except BackgroundLost as error:
        if len(live.attempts) <= number:
            live.attempts.append(
                foreground.Attempt(number, OutputLog(live.files.training_log(number)))
            )
        live.attempts[-1].error = str(error)
        live.warnings.append(f"{error} (attempt {number})")
        take_down(live)
        return False


def bring_up(live: RunState) -> None:
    """Starts the background and waits until its load is steady, and was seen alone."""
    run, files, context = live.run, live.files, live.context
    rendered = render_run(
        run,
        files,
        context.runtime,
        context.templates,
        context.trainings,
        context.settings.kept_logs,
        context.rendered,
    )
    if context.rendered is not None:
        live.warnings.append(f"the background ran from rendered files in {context.rendered}")
    live.background = BackgroundGroup(
        context.daemon(),
        rendered,
        files,
        context.folder,
        context.environment,
        context.marker(files, "background"),
        context.cgroup,
    )
    for job in rendered.jobs:
        context.trainings.make_workdir(job.training, files, background_name(job.name))
    live.background.write(clock_offset=live.sampler.now() - time.monotonic())
    live.sampler.phase("background_start")
    live.background.start()
    settle(live, live.background)
    live.sampler.phase("background_only")
    watch_load_before(live, live.background)


@dataclass
class AttemptMetering:
    """The metered window of an attempt: its time series, what is foreign in it, and the phases."""

    live: RunState
    folder: Path
    several: bool
    """Whether there are several steps: then phases name them."""

    opened: bool = False
    received: dict[str, int] = field(default_factory=dict)
    """Bytes over the network by interface, at the beginning."""

    def begin(self, step: Step) -> float:
        live = self.live
        if not step.metered:
            return live.sampler.phase(f"step:{step.name}")
        first, self.opened = not self.opened, True
        if first:
            live.watch_from()
            live.sampler.record_to(self.folder)
            self.received = network.received_bytes()
        name = f"foreground:{step.name}" if self.several else "foreground"
        return live.sampler.phase(name, after_reading=first)

    def end(self, *, close: bool, more: bool = False) -> float:
        alone = "background_only" if self.live.background else "idle"
        # What a step leaves behind is ended now: no baseline.
        instant = self.live.sampler.phase("between_steps" if more else alone)
        if close:
            self.live.sampler.record_to(None)
            self.live.watch_until("foreground")
            received = network.growth(self.received, network.received_bytes())
            self.live.attempts[-1].received_bytes = received
        return instant


def attempt_once(live: RunState, number: int) -> bool:
    """One attempt; True when no further one is to be made."""
    run, files, context = live.run, live.files, live.context
    name = foreground_name(number)
    live.repository = repository = live.repository_of(number)
    attempt = foreground.Attempt(number, OutputLog(files.training_log(number)))
    live.attempts.append(attempt)
    folder = context.folder.make(files.energy(number))
    live.workdir = context.trainings.make_workdir(run.foreground, files, name)
    invoked = context.trainings.foreground(run, files, name)
    wake = live.background.daemon_exit if live.background else None
    files_of_series, metrics = series_files(repository), repository.all_metrics
    sampler = live.sampler
    where = context.runtime, sampler.now, sampler.read_here
    with (
        watching(attempt.log, live.workdir, files_of_series, sampler.now) as growth,
        marks.listening(attempt, metrics, *where) as listener,
    ):
        environment = {**context.environment, **listener}
        outside = context.environment if repository.container is None else {}
        for tracked in marks.tracked_by_environment(invoked, outside):
            attempt.timeline.take(tracked, sampler.now())
        how = foreground.AttemptHooks(
            prepare=partial(
                foreground_process.prepare,
                environment=environment,
                marker=context.marker(files, "foreground"),
                log=attempt.log,
                cgroup=context.cgroup.part("foreground") if context.cgroup else None,
                background=live.background.kin if live.background else None,
                launched=live.activity.follow,
            ),
            window=AttemptMetering(live, folder, several=len(invoked) > 1),
            tick=live.tick,
            interrupts=context.interrupts,
            timeout_seconds=run.timeout_seconds,
            wake=() if wake is None else (wake,),
        )
        foreground.run_attempt(attempt, invoked, how)
    take_metrics(attempt, repository, live.workdir, context.interrupts, growth)
    judge_coverage(live, attempt)
    left = attempt.end_of_tree.left if attempt.end_of_tree else ()
    attempt.warnings += name_unended(live, left)
    live.warnings += [f"{text} (attempt {number})" for text in attempt.warnings]
    if attempt.succeeded:
        watch_load_after(live)
    return attempt.succeeded


def take_outputs(live: RunState) -> None:
    """Keeps what the registry wants of what the last attempt wrote, and removes the rest."""
    context, files, repository = live.context, live.files, live.repository
    in_place = repository.workspace == "in_place"
    if live.workdir is not None and live.attempts:
        clone = context.trainings.clone(live.run.foreground)
        results, last = context.folder.root, live.attempts[-1]
        live.warnings += fetched.warnings(repository, clone, last, live.workdir, results)
        since = live.attempts[-1].began if in_place else None
        live.warnings += workdirs.keep(live.workdir, repository.keep, files.outputs, since=since)
        if in_place:
            new = workdirs.matches(live.workdir, repository.delete) - live.before
            live.warnings += workdirs.delete(live.workdir, new)
    workdirs.remove(files.work)
    live.warnings += live.clones.warnings() if live.clones else ()


def judge_coverage(live: RunState, attempt: foreground.Attempt) -> None:
    """An attempt whose background was away for longer than ``min_coverage`` allows, failed."""
    limit = live.context.settings.min_coverage
    if live.background is None or limit is None or attempt.error is not None:
        return
    for job in live.background.info(attempt.start, attempt.end)["jobs"]:
        if job["coverage"] is None or job["coverage"] < limit:
            attempt.error = (
                f"the background ran for less of the training than min_coverage ({percent(limit)}) "
                f"asks for: {job['job']} for {percent(job['coverage'] or 0.0)}"
            )


def take_down(live: RunState) -> None:
    """Ends the background and proves that nothing of the run is left."""
    background, live.background = live.background, None
    if background is not None:
        live.sampler.phase("background_stop")
        live.ended_background = background
        ended = background.stop()
        live.warnings += name_unended(live, ended.left)
        if background.hung:
            live.warnings.append("supervisord did not answer at the end of the run, and was killed")
    held = live.context.watch.wait_until_freed(FREED_SECONDS)
    live.warnings += [f"GPU memory is still held: {line}" for line in held]
    if background is not None:
        background.gpu_memory_held = held
    end_containers(live)


def name_unended(live: RunState, left: Sequence[ProcessInfo]) -> list[str]:
    """Says, and writes down for those who look later, what of the run could not be ended."""
    lines = [f"still running: {one}" for one in unended.record(live.context.runtime, left)]
    for line in lines:
        live.context.observer.say(f"warning: {line}")
    return lines
