"""The phases of one run, as a list one can read.

    open the meters · idle baseline · background up and loaded · foreground attempts ·
    background down, and proof that nothing is left · result

Leaving that block, on success, failure, a signal or an error, always ends the background, and a
second Ctrl-C does not cut that short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from energyctl import background as backgrounds
from energyctl import foreground as foregrounds
from energyctl import processes
from energyctl.background import Background
from energyctl.errors import Interrupted, RunError
from energyctl.foreground import Attempt
from energyctl.live import Context, Live, rendered_token
from energyctl.meters.sampler import Sampler
from energyctl.outcome import make_result
from energyctl.plan import Run
from energyctl.results import RunFiles
from energyctl.settling import settle


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
        live = Live(run, files, context, sampler)
        stopping: BaseException | None = None
        try:
            measure(live)
        except Interrupted as signal:
            live.interrupted, stopping = True, signal
        except RunError as error:
            live.error = str(error)
        except Exception as error:
            # Whatever it is, it ends the campaign; but what is known of the run is kept.
            live.error, live.interrupted = f"{type(error).__name__}: {error}", True
            stopping = error
        if not cooldown or stopping:
            save(result := make_result(live, sampler.stop()))
        else:
            sampler.phase("cooldown")
            sampler.wait_until_located()
            save(result := make_result(live, sampler.recording()))
            try:
                cool_down(live)
            finally:
                save(make_result(live, sampler.stop()))
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


def measure(live: Live) -> None:
    """The measured part of a run: idle, background up, attempts, background down."""
    settings = live.context.settings
    idle(live)
    try:
        if live.run.background:
            bring_up(live)
        for number in range(1, settings.max_retries + 2):
            if attempt_once(live, number):
                break
    finally:
        take_down(live)


def idle(live: Live) -> None:
    """The machine before anything of the run is started."""
    live.watch_from(alone=True)
    try:
        live.sampler.phase("idle")
        live.pause(live.context.settings.idle_seconds)
    finally:
        live.watch_until("idle")


def bring_up(live: Live) -> None:
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


def attempt_once(live: Live, number: int) -> bool:
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
            live.watch_from()
            live.sampler.record_to(folder)
        instant = live.sampler.phase(name, after_reading=name == "foreground")
        if name == "foreground":
            return instant
        live.sampler.record_to(None)
        live.watch_until("foreground")
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
    left = attempt.end_of_tree.left if attempt.end_of_tree else ()
    attempt.warnings += [f"still running: pid {p.pid} {p.command}" for p in left]
    live.warnings += [f"attempt {number}: {text}" for text in attempt.warnings]
    return attempt.succeeded


def judge_coverage(live: Live, attempt: Attempt) -> None:
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


def take_down(live: Live) -> None:
    """Ends the background and proves that nothing of the run is left."""
    if live.background is None:
        return
    live.sampler.phase("background_stop")
    ended = live.background.stop()
    live.context.folder.user.own_all(live.files.background_logs)
    if live.background.lost:
        live.warnings.append(live.background.lost)
    live.warnings += [f"still running: pid {p.pid} {p.command}" for p in ended.left]


def cool_down(live: Live) -> None:
    """Rests for ``cooldown_seconds``, or until the GPUs are as cool as the settings ask."""
    limit = live.context.settings.cooldown_until_celsius

    def cool_enough() -> bool:
        known = [gpu.temperature_celsius for gpu in live.sampler.latest().gpus]
        celsius = [value for value in known if value is not None]
        return limit is not None and bool(celsius) and max(celsius) <= limit

    live.pause(live.context.settings.cooldown_seconds, until=cool_enough)
