"""The ledger of background iterations → how much of a time span a job really ran. Pure.

``iterations.csv`` has a row per ended iteration (``job,run,pid,started,ended,exit_code,signal``;
times in Unix seconds); the launcher writes it as it happens. A running iteration is the first
four fields of such a row, and when its launcher was started.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SIGTERM = 15  # signal(7)


@dataclass(frozen=True)
class Iteration:
    """One iteration of a job; ``ended`` is None while it runs."""

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


def parse(text: str) -> list[Iteration]:
    """The rows of a ledger; a torn last line is passed over."""
    found = []
    for row in csv.reader(io.StringIO(text)):
        try:
            job, run, pid, started, ended, exit_code, signum = row
            found.append(
                Iteration(
                    job,
                    int(run),
                    int(pid),
                    float(started),
                    float(ended),
                    int(exit_code) if exit_code else None,
                    int(signum) if signum else None,
                )
            )
        except ValueError:
            continue
    return found


def parse_running(text: str) -> tuple[Iteration, int] | None:
    """The iteration that runs now, and the start of its launcher in clock ticks since boot.

    From the launcher's note; None where that is not whole.
    """
    try:
        job, run, pid, started, ticks = text.split(",")
        return Iteration(job, int(run), int(pid), float(started)), int(ticks)
    except ValueError:
        return None


def presence(iterations: Iterable[Iteration], start: float, end: float) -> Presence:
    """How present a job was from *start* to *end* (Unix seconds).

    An iteration that ended after *end* was ended by the stop of the group and is no failure.
    """
    inside = [
        (max(item.started, start), min(math.inf if item.ended is None else item.ended, end), item)
        for item in sorted(iterations, key=lambda item: item.started)
        if item.started < end and (item.ended is None or item.ended > start)
    ]
    covered, longest, until = 0.0, 0.0, start
    for begin, finish, _ in inside:
        longest = max(longest, begin - until)
        covered += max(0.0, finish - max(begin, until))
        until = max(until, finish)
    longest = max(longest, end - until)
    span = end - start
    return Presence(
        iterations=len(inside),
        failures=sum(i.failed and i.ended is not None and i.ended <= end for _, _, i in inside),
        coverage=min(1.0, covered / span) if span > 0 else 0.0,
        max_gap_seconds=max(0.0, longest),
    )


def of_job(iterations: Sequence[Iteration], job: str) -> list[Iteration]:
    return [item for item in iterations if item.job == job]


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
    found = []
    for row in csv.reader(io.StringIO(text[: text.rfind("\n") + 1])):
        try:
            time, job, event = row
            found.append(Operation(float(time), job, event))
        except ValueError:
            continue
    return found


def operator_warnings(operations: Iterable[Operation]) -> list[str]:
    """A line for each kind of thing that operators did; the stops of an update are part of it."""
    operations = list(operations)
    last_update = max((o.time for o in operations if o.event == "updated"), default=-math.inf)
    alike: dict[tuple[str, bool], list[str]] = {}
    for done in operations:
        if done.event != "stopped for update" or done.time > last_update:
            key = EVENTS.get(done.event, done.event), not done.job
            alike.setdefault(key, []).append(done.job)
    return [_said(what, jobs) for (what, _), jobs in alike.items()]


def _said(what: str, jobs: list[str]) -> str:
    names = list(dict.fromkeys(jobs))
    who = "background " + ", ".join(names[:3]) if names[0] else "the background"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    times = f" ({len(jobs)} times)" if len(jobs) > len(names) else ""
    return f"{who}{more}: {what}{times}; see operators.csv"
