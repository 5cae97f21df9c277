"""The ledger of background iterations → how much of a time span a job really ran. Pure.

``iterations.csv`` has a row per ended iteration (``job,run,pid,started,ended,exit_code,signal``;
times in Unix seconds); the launcher writes it as it happens. A running iteration is the first
four fields of such a row, and when its launcher was started.
"""

from __future__ import annotations

import contextlib
import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from typing import NamedTuple, cast

from energyctl.results.paths import OPERATORS
from energyctl.results.schema import LedgerFigures
from energyctl.text import first_of

SIGTERM = 15  # signal(7)


@dataclass(frozen=True)
class Iteration:
    """One iteration of a job; ``started`` and ``ended`` are Unix seconds, None: it runs."""

    job: str
    run: int
    pid: int
    started: float
    ended: float | None = None
    exit_code: int | None = None
    signal: int | None = None

    @property
    def failed(self) -> bool:
        """Whether it ended badly by itself; one that was asked to end (TERM) did not fail."""
        return self.ended is not None and self.exit_code != 0 and self.signal != SIGTERM

    def past(self) -> Past:
        ended = math.inf if self.ended is None else self.ended
        return Past(self.started, ended, self.failed, self.exit_code == 0, self.run)


class Past(NamedTuple):
    """What is kept of an iteration of a job; ``ended`` is infinite while it runs.

    whole: it ran to its own end, and ended well. run: its number, that of its log.
    """

    started: float
    ended: float
    failed: bool
    whole: bool
    run: int


@dataclass(frozen=True)
class Presence:
    """How present one job was in a time span.

    ``coverage`` is the share of the span in which an iteration was running, ``iterations`` how
    many ran in it (whole or in part), ``failures`` how many of them failed by themselves,
    ``max_gap_seconds`` the longest time without one.
    """

    iterations: int
    failures: int
    coverage: float
    max_gap_seconds: float

    def to_json(self) -> LedgerFigures:
        return cast(LedgerFigures, asdict(self))


def parse(text: str) -> list[Iteration]:
    """The rows of a ledger; a torn last line is passed over."""
    iterations = []
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            job, run, pid, started, ended, exit_code, signum = line.split(",")
            times = float(started), float(ended)
            code, signal = (int(cell) if cell else None for cell in (exit_code, signum))
            iterations.append(Iteration(job, int(run), int(pid), *times, code, signal))
    return iterations


def parse_running(text: str) -> tuple[Iteration, int] | None:
    """The iteration that runs now, and the start of its launcher in clock ticks since boot.

    From the launcher's note; None where that is not whole.
    """
    try:
        job, run, pid, started, ticks = text.split(",")
        return Iteration(job, int(run), int(pid), float(started)), int(ticks)
    except ValueError:
        return None


class JobLedger:
    """The iterations of one job, taken in as they become known.

    Counts and :meth:`presence` of the span that goes on cost what is new since the last call, not
    what is there. Of an ended iteration 26 bytes are kept, so that any span can be asked for, also
    when the file is gone. ``running``: those that began and have no row yet.
    """

    def __init__(self) -> None:
        self._started, self._ended = array("d"), array("d")  # ordered by start
        self._failed, self._whole = bytearray(), bytearray()
        self._numbers = array("q")
        self._failures = 0
        self._last_end: float | None = None
        self._runs: list[tuple[int, int]] = []  # (first, last) of consecutive run numbers
        self.running: Sequence[Iteration] = ()
        self._sums, self._summed, self._summed_until = _Sums(0.0, 0.0), 0, math.inf

    def add(self, iteration: Iteration) -> None:
        """An iteration that has ended."""
        assert iteration.ended is not None
        place = bisect_right(self._started, iteration.started)
        self._started.insert(place, iteration.started)
        self._ended.insert(place, iteration.ended)
        self._failed.insert(place, iteration.failed)
        self._whole.insert(place, iteration.exit_code == 0)
        self._numbers.insert(place, iteration.run)
        if place < self._summed:
            self._summed_until = math.inf  # it belongs between those that were summed up
        self._failures += iteration.failed
        if self._last_end is None or iteration.ended > self._last_end:
            self._last_end = iteration.ended
        first, last = self._runs.pop() if self._runs else (iteration.run, iteration.run)
        if iteration.run in (last, last + 1):
            self._runs.append((first, iteration.run))
        else:
            self._runs += [(first, last), (iteration.run, iteration.run)]

    def has_row(self, run: int) -> bool:
        return any(first <= run <= last for first, last in reversed(self._runs))

    @property
    def iterations(self) -> int:
        """How many began."""
        return len(self._started) + len(self.running)

    @property
    def latest_start(self) -> float | None:
        """Of the newest, Unix seconds; None where none has begun."""
        starts = [*self._started[-1:], *(item.started for item in self.running)]
        return max(starts, default=None)

    @property
    def failures(self) -> int:
        return self._failures + sum(item.failed for item in self.running)

    @property
    def last_end(self) -> float | None:
        """Unix seconds; None where none has ended."""
        ends = [item.ended for item in self.running if item.ended is not None]
        return max(ends + ([] if self._last_end is None else [self._last_end]), default=None)

    def presence(self, start: float, end: float) -> Presence:
        """How present the job was from *start* to *end* (Unix seconds).

        An iteration that ended after *end* was ended by the stop of the group and is no failure.
        """
        if self._sums.start != start or self._summed_until > end:
            self._sums, self._summed = _Sums(start, start), 0
        self._summed_until = end
        while self._summed < len(self._started) and self._is_over(self._summed, end):
            self._sums.add(self._at(self._summed), end)
            self._summed += 1
        sums, place = replace(self._sums), self._summed
        if place and any(item.started < self._started[place - 1] for item in self.running):
            sums, place = _Sums(start, start), 0
        for item in self.in_order(place):
            sums.add(item, end)
        return sums.presence(end)

    def in_order(self, place: int = 0) -> list[Past]:
        """Its iterations by their start, without the first *place* that have ended."""
        ended = [self._at(later) for later in range(place, len(self._started))]
        running = [item.past() for item in self.running]
        return sorted([*ended, *running], key=attrgetter("started"))

    def _at(self, place: int) -> Past:
        failed, whole = bool(self._failed[place]), bool(self._whole[place])
        started, ended = self._started[place], self._ended[place]
        return Past(started, ended, failed, whole, self._numbers[place])

    def _is_over(self, place: int, end: float) -> bool:
        """Whether it adds the same to every span that ends then or later."""
        return self._started[place] < end and self._ended[place] <= end


@dataclass
class _Sums:
    """Of iterations in a span from ``start``, added by their start; ``until``: the end of what
    they cover."""

    start: float
    until: float
    iterations: int = 0
    failures: int = 0
    covered: float = 0.0
    longest_gap: float = 0.0

    def add(self, item: Past, end: float) -> None:
        """One more; what is outside of the span up to *end* is left out."""
        if item.started >= end or item.ended <= self.start:
            return
        begin, finish = max(item.started, self.start), min(item.ended, end)
        self.longest_gap = max(self.longest_gap, begin - self.until)
        self.covered += max(0.0, finish - max(begin, self.until))
        self.until = max(self.until, finish)
        self.iterations += 1
        self.failures += item.failed and item.ended <= end

    def presence(self, end: float) -> Presence:
        span = end - self.start
        return Presence(
            iterations=self.iterations,
            failures=self.failures,
            coverage=min(1.0, self.covered / span) if span > 0 else 0.0,
            max_gap_seconds=max(0.0, self.longest_gap, end - self.until),
        )


@dataclass(frozen=True)
class Operation:
    """What an operator did at ``time`` (Unix seconds); ``job`` is empty for the whole group."""

    time: float
    job: str
    event: str


# Event in operators.csv → what a warning says of it.
EVENTS = {
    "stopped": "stopped by an operator",
    "stopped for update": "stopped by an operator",
    "started": "started by an operator",
    "killed": "its launcher was killed (by hand, or because memory ran out)",
    "updated": "its entry was edited and updated, and it was started anew",
    "removed": "removed by an operator",
    "added": "added by an operator, and started anew",
    "ended": "ended by `energyctl stop`",
    "reloaded": "started anew, since supervisord was reloaded",
    "shut down": "stopped, since supervisord was shut down",
}


def parse_operations(text: str) -> list[Operation]:
    """The rows of ``operators.csv`` (``time,job,event``); a torn last line is passed over."""
    operations = []
    for line in text[: text.rfind("\n") + 1].splitlines():
        with contextlib.suppress(ValueError):
            time, job, event = line.split(",")
            operations.append(Operation(float(time), job, event))
    return operations


def operator_warnings(operations: Iterable[Operation]) -> list[str]:
    """A line for each kind of thing that operators did; the stops of an update are part of it."""
    operations = list(operations)
    last_update = max((o.time for o in operations if o.event == "updated"), default=-math.inf)
    alike: dict[tuple[str, bool], list[str]] = {}
    for one in operations:
        if one.event != "stopped for update" or one.time > last_update:
            key = EVENTS.get(one.event, one.event), not one.job
            alike.setdefault(key, []).append(one.job)
    return [_line(what, jobs) for (what, _), jobs in alike.items()]


def _line(what: str, jobs: list[str]) -> str:
    names = list(dict.fromkeys(jobs))
    who = f"background {first_of(names, 3)}" if names[0] else "the background"
    times = f" ({len(jobs)} times)" if len(jobs) > len(names) else ""
    return f"{what}: {who}{times}; see {OPERATORS}"
