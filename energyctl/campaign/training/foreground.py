"""One attempt at the foreground training: its steps, from the first start to the metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from energyctl.campaign.training import workdirs
from energyctl.campaign.training.foreground_process import CannotStart, ForegroundProcess
from energyctl.config import registry
from energyctl.config.registry import Invocation, Metric, Repository, Step
from energyctl.results.document import process_end
from energyctl.results.schema import AttemptJson, StepJson
from energyctl.system import processes
from energyctl.system.interrupts import Interrupts
from energyctl.system.log_tail import tail

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
    """

    number: int
    log: Path
    start: float | None = None
    end: float | None = None
    slack_seconds: float = 0.0
    error: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
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
        return {
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


def run_attempt(attempt: Attempt, invoked: Sequence[Invocation], how: AttemptHooks) -> None:
    """Runs the steps one after the other, each only where those before have ended well, and ends
    whatever they left behind.

    The metered window sits tight around the metered ones. Raises Interrupted, and what *tick*
    raises, with the training ended and ``attempt.end`` set.
    """
    limit = math.inf if how.timeout_seconds is None else time.monotonic() + how.timeout_seconds
    values: dict[str, str] = {}
    last_metered = max(n for n, item in enumerate(invoked) if item.step.metered)
    for number, item in enumerate(invoked):
        size = attempt.log.stat().st_size if attempt.log.exists() else 0
        run = StepRun(item.step, size)
        attempt.steps.append(run)
        more = number < len(invoked) - 1
        _run_step(attempt, run, item.handed(values), how, limit, number == last_metered, more)
        if run.error is None:
            run.error = _hand_on(run.step, Path(item.workdir), attempt.began, values)
        if run.error is not None:
            name = f"step {run.step.name}: " if len(invoked) > 1 else ""
            attempt.error = name + run.error
            break
    if attempt.start is not None and attempt.end is None:
        attempt.end = how.window.end(close=True)


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
        run.error = describe_exit(code)


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


def describe_exit(code: int) -> str:
    """An exit code in words, with what a signal often means."""
    if code >= 0:
        return f"the training ended with exit code {code}"
    hint = "; often the kernel's out-of-memory killer" if code == -9 else ""
    return f"the training was ended by signal {-code}{hint}"


def take_metrics(attempt: Attempt, repository: Repository, workdir: Path) -> None:
    """Fills the attempt's metrics from its output, and from files that it wrote in *workdir*; a
    required one that is missing is an error.

    NaN and infinity are no JSON numbers: such a metric is null, with a warning that says so.
    """
    ends = [run.offset for run in attempt.steps[1:]]
    found = _metrics_in(attempt, repository.metrics, 0, None, workdir)
    for run, end in zip(attempt.steps, [*ends, None], strict=True):
        found |= _metrics_in(attempt, run.step.metrics, run.offset, end, workdir)
    for name, value in found.items():
        attempt.metrics[name] = value if math.isfinite(value) else None
        if not math.isfinite(value):
            attempt.warnings.append(f"metric {name} is {value} in {attempt.log.name}")
    wanted = repository.all_metrics
    missing = [metric.name for metric in wanted if metric.required and metric.name not in found]
    if missing and attempt.error is None:
        attempt.error = f"required metrics not found in {attempt.log.name}: {', '.join(missing)}"
    elif wanted and not found and attempt.error is None:
        attempt.warnings.append(f"no metric of the registry was found in {attempt.log.name}")


def _metrics_in(
    attempt: Attempt, metrics: Sequence[Metric], begin: int, end: int | None, workdir: Path
) -> dict[str, float]:
    """Those in the output from byte *begin* to *end*, and those in files."""
    found = _read(attempt, attempt.log, [m for m in metrics if m.file is None], begin, end)
    for metric in metrics:
        if metric.file is None:
            continue
        file = workdirs.newest(workdir, metric.file)
        if file is not None and file.stat().st_mtime >= attempt.began - MTIME_SLACK_SECONDS:
            found |= _read(attempt, file, [metric], 0, None)
        else:
            attempt.warnings.append(f"metric {metric.name}: no new {metric.file} in {workdir}")
    return found


def _read(
    attempt: Attempt, path: Path, metrics: Sequence[Metric], begin: int, end: int | None
) -> dict[str, float]:
    if not metrics:
        return {}
    try:
        with open(path, "rb") as file:
            file.seek(begin)
            return registry.read_metrics(metrics, _lines(file, begin, end))
    except OSError as error:
        attempt.warnings.append(f"{path.name} cannot be read: {error.strerror}")
        return {}


def _lines(file: Any, begin: int, end: int | None) -> Iterator[str]:
    position = begin
    for line in file:
        if end is not None and position >= end:
            return
        position += len(line)
        yield line.decode(errors="replace")


def progress(
    attempt: Attempt, pattern: str | None, *, whole: bool = False
) -> tuple[float, float | None] | None:
    """How far the training says it is, and of how much: the last that this step printed (of the
    *whole* attempt: the last that any did)."""
    if pattern is None or not attempt.steps:
        return None
    return registry.progress_of(
        pattern, tail(attempt.log, begin=0 if whole else attempt.steps[-1].offset)
    )
