"""Edge: one attempt at the foreground training, from its start to its metrics."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from energyctl import processes
from energyctl.interrupts import Interrupts
from energyctl.launching import CannotStart, Foreground
from energyctl.registry import Repository, extract_metrics_from

TICK_SECONDS = 1.0
"""How often the live view is fed; the end of the training is seen at once."""


@dataclass
class Attempt:
    """An attempt so far; ``start`` and ``end`` are Unix seconds of the sampler's time line.

    slack_seconds: how much longer, at most, they are apart than the program lived.
    """

    number: int
    log: Path
    start: float | None = None
    end: float | None = None
    slack_seconds: float = 0.0
    exit_code: int | None = None
    error: str | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    end_of_tree: processes.Ended | None = None

    @property
    def succeeded(self) -> bool:
        return self.end is not None and self.error is None

    @property
    def duration(self) -> float | None:
        return None if self.start is None or self.end is None else self.end - self.start

    def to_json(self) -> dict[str, Any]:
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
            "end_of_processes": None if self.end_of_tree is None else self.end_of_tree.to_json(),
        }


def run_attempt(
    attempt: Attempt,
    prepare: Callable[[], Foreground],
    *,
    timeout_seconds: float | None,
    interrupts: Interrupts,
    edge: Callable[[str], float],
    next_phase: str,
    tick: Callable[[], None],
    wake: Sequence[int] = (),
) -> None:
    """Starts the training, waits for its end, and ends whatever it left behind.

    *prepare* brings up its launcher. *edge* begins a phase and returns its instant:
    ``foreground`` right before the start and *next_phase* right after the exit, so the metered
    window sits tight around the training. *tick* is called about once a second, and when a
    descriptor of *wake* is readable. Raises Interrupted, and what *tick* raises, with the training
    ended and ``attempt.end`` set.
    """
    foreground: Foreground | None = None
    try:
        foreground = prepare()
        attempt.start = edge("foreground")
        began = time.monotonic()
        foreground.go()
    except CannotStart as error:
        if attempt.start is None:
            attempt.start = edge("foreground")
        attempt.end, attempt.error = edge(next_phase), str(error)
        return
    except BaseException:
        if foreground is not None:
            foreground.end()
        raise
    attempt.slack_seconds = time.monotonic() - began + processes.EXIT_SECONDS
    limit = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
    code: int | None = None
    try:
        while code is None and time.monotonic() < limit:
            tick()
            interrupts.check()
            left = min(TICK_SECONDS, max(0.0, limit - time.monotonic()))
            code = foreground.wait(left, [interrupts.descriptor, *wake])
        if code is None:
            attempt.error = f"timeout after {timeout_seconds:g} s (timeout_seconds)"
    finally:
        if code is not None:
            attempt.end = edge(next_phase)
        attempt.end_of_tree = foreground.end()
        if code is None:
            attempt.end = edge(next_phase)
        attempt.exit_code = foreground.returncode
    if code is not None and code != 0:
        attempt.error = describe_exit(code)


def describe_exit(code: int) -> str:
    """An exit code in words, with what a signal often means."""
    if code >= 0:
        return f"the training ended with exit code {code}"
    hint = "; often the kernel's out-of-memory killer" if code == -9 else ""
    return f"the training was ended by signal {-code}{hint}"


def read_metrics(attempt: Attempt, repository: Repository) -> None:
    """Fills the attempt's metrics from its log; a required one that is missing is an error.

    NaN and infinity are no JSON numbers: such a metric is null, with a warning that says so.
    """
    try:
        with open(attempt.log, encoding="utf-8", errors="replace", newline="") as file:
            found = extract_metrics_from(repository, _lines(file))
    except OSError as error:
        attempt.warnings.append(f"{attempt.log.name} cannot be read: {error.strerror}")
        found = {}
    for name, value in found.items():
        attempt.metrics[name] = value if math.isfinite(value) else None
        if not math.isfinite(value):
            attempt.warnings.append(f"metric {name} is {value} in {attempt.log.name}")
    missing = [name for name in repository.required_metrics if name not in found]
    if missing and attempt.error is None:
        attempt.error = f"required metrics not found in {attempt.log.name}: {', '.join(missing)}"
    elif repository.patterns and not found and attempt.error is None:
        attempt.warnings.append(f"no metric of the registry was found in {attempt.log.name}")


def _lines(file: Any) -> Iterator[str]:
    yield from file


def last_line(log: Path) -> str:
    """The last line that the training printed (also one that ends in a carriage return)."""
    try:
        with open(log, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - 2000))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else ""
