"""One attempt at the foreground training: its steps, from the first start to the metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from energyctl.campaign.training import workdirs
from energyctl.campaign.training.foreground_process import CannotStart, ForegroundProcess
from energyctl.config.registry import Invocation, Step
from energyctl.meters.marks.timeline import Timeline
from energyctl.results.document import process_end
from energyctl.results.schema import AttemptJson, MetricSeriesJson, StepJson
from energyctl.system import logs, processes
from energyctl.system.interrupts import Interrupts
from energyctl.text import duration, first_of, one_line

TICK_SECONDS = 1.0
"""How often the live view is fed; the end of the training is seen at once."""

MTIME_SLACK_SECONDS = 0.1
"""File times are those of the kernel's last tick, 1 to 10 ms old (time(7), "jiffies")."""


@dataclass
class StepRun:
    """A step so far; ``start`` and ``end`` are Unix seconds of the sampler's time line."""

    step: Step
    offset: int
    """Where its output begins in the log, bytes."""

    start: float | None = None
    end: float | None = None
    exit_code: int | None = None
    error: str | None = None

    def to_json(self) -> StepJson:
        return {
            "name": self.step.name,
            "metered": self.step.metered,
            "start": self.start,
            "end": self.end,
            "exit_code": self.exit_code,
            "error": self.error,
        }


@dataclass
class Attempt:
    """An attempt so far; ``start`` and ``end`` are of its metered steps (Unix seconds of the
    sampler's time line). ``number`` counts from 0.

    slack_seconds: how much longer, at most, they are apart than the programs lived.
    received_bytes: over the network by the whole machine meanwhile; None: not known.
    """

    number: int
    log: logs.OutputLog
    start: float | None = None
    end: float | None = None
    slack_seconds: float = 0.0
    received_bytes: int | None = None
    error: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    series: dict[str, MetricSeriesJson] = field(default_factory=dict)
    reached: dict[str, tuple[float, float] | str] = field(default_factory=dict)
    """By metric with a value to reach: when it was (Unix seconds), and how much earlier it may have
    been; or why that is not known."""

    timeline: Timeline = field(default_factory=Timeline)
    """What the training tells of itself."""

    warnings: list[str] = field(default_factory=list)
    end_of_tree: processes.EndReport | None = None
    steps: list[StepRun] = field(default_factory=list)
    began: float = field(default_factory=time.time)

    @property
    def exit_code(self) -> int | None:
        """That of the last step that was started."""
        return self.steps[-1].exit_code if self.steps else None

    @property
    def succeeded(self) -> bool:
        return self.end is not None and self.error is None

    @property
    def duration(self) -> float | None:
        return None if self.start is None or self.end is None else self.end - self.start

    def to_json(self) -> AttemptJson:
        data: AttemptJson = {
            "attempt": self.number,
            "success": self.succeeded,
            "start": self.start,
            "end": self.end,
            "duration": self.duration,
            "exit_code": self.exit_code,
            "error": self.error,
            "performance_metrics": self.metrics,
            "log": self.log.name,
            "end_of_processes": None if self.end_of_tree is None else process_end(self.end_of_tree),
            "steps": [step.to_json() for step in self.steps],
        }
        if self.received_bytes is not None:
            data["received_bytes"] = self.received_bytes
        return data


class MeteringHooks(Protocol):
    """What is metered, and the phases around it."""

    def begin(self, step: Step) -> float:
        """Right before a step is started; its instant."""

    def end(self, *, close: bool, more: bool = False) -> float:
        """Right after its end; *close*: no further step is metered; *more*: but one follows."""


@dataclass
class AttemptHooks:
    """How the steps of an attempt are carried out.

    *prepare* brings up the launcher of a step. *tick* is called about once a second, and when a
    descriptor of *wake* is readable. *timeout_seconds* is for all steps together.
    """

    prepare: Callable[[Invocation], ForegroundProcess]
    window: MeteringHooks
    tick: Callable[[], None]
    interrupts: Interrupts
    timeout_seconds: float | None = None
    wake: Sequence[int] = ()
    program: str = "the training"
    """What its errors call it."""


def run_attempt(attempt: Attempt, invoked: Sequence[Invocation], how: AttemptHooks) -> None:
    """Makes the log, runs the steps one after the other, each only where those before have ended
    well, and ends whatever they left behind.

    The metered window sits tight around the metered ones. Raises Interrupted, and what *tick*
    raises, with the training ended and ``attempt.end`` set.
    """
    try:
        attempt.log.make()
    except OSError as error:
        attempt.error = f"its log {attempt.log.path} cannot be made: {error.strerror}"
        return
    limit = math.inf if how.timeout_seconds is None else time.monotonic() + how.timeout_seconds
    values: dict[str, str] = {}
    last_metered = max(n for n, item in enumerate(invoked) if item.step.metered)
    for number, item in enumerate(invoked):
        run = StepRun(item.step, attempt.log.size())
        attempt.steps.append(run)
        more = number < len(invoked) - 1
        _run_step(attempt, run, item.handed(values), how, limit, number == last_metered, more)
        if run.error is None:
            run.error = _hand_on(run.step, Path(item.workdir), attempt.began, values)
        if run.error is not None:
            name = f"in step {run.step.name}, " if len(invoked) > 1 else ""
            attempt.error = name + run.error
            break
    if attempt.start is not None and attempt.end is None:
        attempt.end = how.window.end(close=True)
    there = attempt.log.what_replaced_it()
    if there is not None and attempt.error is None:
        attempt.error = f"its log was replaced: there is {there} at {attempt.log.path}"


def _run_step(
    attempt: Attempt,
    run: StepRun,
    invoked: Invocation,
    how: AttemptHooks,
    limit: float,
    last: bool,
    more: bool,
) -> None:
    """*last*: of those that are metered; *more*: another one follows."""
    foreground: ForegroundProcess | None = None
    try:
        foreground = how.prepare(invoked)
        _begin(attempt, run, how.window)
        began = time.monotonic()
        foreground.go()
    except CannotStart as error:
        if run.start is None:
            _begin(attempt, run, how.window)
        run.error = str(error)
        _end(attempt, run, how.window, close=True)
        return
    except BaseException:
        if foreground is not None:
            foreground.end()
        raise
    if attempt.slack_seconds == 0.0:
        attempt.slack_seconds = time.monotonic() - began + processes.EXIT_SECONDS
    own = math.inf if run.step.timeout_seconds is None else began + run.step.timeout_seconds
    code, accepted = None, False
    try:
        while code is None and time.monotonic() < min(limit, own):
            how.tick()
            how.interrupts.check()
            left = min(TICK_SECONDS, max(0.0, min(limit, own) - time.monotonic()))
            code = foreground.wait(left, [how.interrupts.descriptor, *how.wake])
        if code is None:
            seconds = run.step.timeout_seconds if own < limit else how.timeout_seconds
            run.error = f"timeout after {seconds:g} s (timeout_seconds)"
    finally:
        if code is not None:
            accepted = code in run.step.accepted_exit_codes
            _end(attempt, run, how.window, close=last or not accepted, more=more and accepted)
        ended = foreground.end()
        if code is None:
            _end(attempt, run, how.window, close=True)
        before = attempt.end_of_tree or processes.EndReport(0.0, (), ())
        attempt.end_of_tree = processes.EndReport(
            before.seconds + ended.seconds, before.found + ended.found, before.left + ended.left
        )
        run.exit_code = foreground.returncode
    if code is not None and not accepted:
        run.error = describe_exit(code, how.program)
    elif code is not None:
        attempt.warnings += left_at_work(foreground.left)


def _begin(attempt: Attempt, run: StepRun, window: MeteringHooks) -> None:
    run.start = window.begin(run.step)
    if run.step.metered and attempt.start is None:
        attempt.start = run.start


def _end(
    attempt: Attempt, run: StepRun, window: MeteringHooks, *, close: bool, more: bool = False
) -> None:
    metering = attempt.start is not None and attempt.end is None
    run.end = window.end(close=close and metering, more=more)
    if close and metering:
        attempt.end = run.end


def _hand_on(step: Step, workdir: Path, began: float, values: dict[str, str]) -> str | None:
    """Adds what *step* hands on; what is wrong where it has not made it."""
    for name, pattern in step.values.items():
        found = workdirs.newest(workdir, pattern)
        if found is None or found.stat().st_mtime < began - MTIME_SLACK_SECONDS:
            return f"it made nothing that matches {pattern} ({name}) in {workdir}"
        values[name] = str(found)
    return None


def describe_exit(code: int, program: str = "the training") -> str:
    """An exit code in words, with what a signal often means; 128 + n is what a shell makes of
    signal n (bash(1), "EXIT STATUS")."""
    hint = "; often the kernel's out-of-memory killer" if code in (-9, 137) else ""
    if code >= 0:
        return f"{program} ended with exit code {code}{hint}"
    return f"{program} was ended by signal {-code}{hint}"


HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver", "torch_shm_manager")
"""In the commands of what libraries start beside a training, and what ends a moment after it."""

SHOWN_LEFT = 3


def left_at_work(left: Sequence[processes.ProcessInfo]) -> list[str]:
    """A warning where a training that had ended well left others of it running."""
    told = [one for one in left if not any(helper in one.command for helper in HELPERS)]
    if not told:
        return []
    names = [
        f"{one_line(one.command)} (pid {one.pid}, for {duration(one.age_seconds)})" for one in told
    ]
    return [
        "the training's main program ended while other processes of it still ran, which were then "
        f"ended, too: {first_of(names, SHOWN_LEFT)}; "
        "their work is cut off and not measured: start them without `&` or `nohup`"
    ]
