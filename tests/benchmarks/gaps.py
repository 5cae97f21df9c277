"""Gaps between iterations, their cost, and coverage: python tests/benchmarks/gaps.py --help

Real campaigns (`energyctl run`), whose trainings are written in C and note their own first and
last instants. A gap is from the end of one training to the first instruction of the next: our
launcher ends, supervisord restarts it, it starts the training. Bars: 95 % of the gaps within 30 ms,
all within 100 ms; 0.5 s of CPU a minute for supervisord with the guard in it; coverage 99.5 %.
Exit code 1 where a bar is missed.

A gap during which the machine was not there (a control thread that sleeps for 1 ms woke more than
20 ms late) is set aside, counted and printed; where that befell more than 2 % of them, or too few
restarts came about, the bar counts as missed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.cost import cpu_seconds
from benchmarks.loads import PLAIN
from benchmarks.stage import Note, Stage, percentile, stage, stat, under_a_reaper, wait_until

P95_SECONDS, MAX_SECONDS = 0.030, 0.100
CPU_SECONDS_PER_MINUTE = 0.5
COVERAGE = 0.995
LATE_SECONDS = 0.020
SPOILED_SHARE = 0.02

missed: list[str] = []


@dataclass(frozen=True)
class Gap:
    """From the end of one training to the beginning of the next (CLOCK_MONOTONIC)."""

    job: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Control(threading.Thread):
    """Notes when the machine was not there: (from, to) of each late wake-up."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.late: list[tuple[float, float]] = []
        self._stop_asked = threading.Event()

    def run(self) -> None:
        before = time.monotonic()
        while not self._stop_asked.is_set():
            time.sleep(0.001)
            now = time.monotonic()
            if now - before > 0.001 + LATE_SECONDS:
                self.late.append((before, now))
            before = now

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()

    def spoiled(self, gap: Gap) -> bool:
        return any(start < gap.end and end > gap.start for start, end in self.late)


@contextlib.contextmanager
def controlled() -> Iterator[Control]:
    control = Control()
    control.start()
    try:
        yield control
    finally:
        control.stop()


def iterations(notes: list[Note]) -> dict[str, list[tuple[float, float | None]]]:
    """Job → (start, end) of each of its trainings; the end is None where it was cut off."""
    ends = {(note.pid, note.ticks): note.seconds for note in notes if note.what == "end"}
    found: dict[str, list[tuple[float, float | None]]] = {}
    for note in notes:
        if note.what == "main" and note.run.endswith("/background"):
            pair = note.seconds, ends.get((note.pid, note.ticks))
            found.setdefault(note.job, []).append(pair)
    return found


def gaps_of(notes: list[Note]) -> list[Gap]:
    found = []
    for job, own in iterations(notes).items():
        for (_, end), (start, _) in pairwise(own):
            if end is not None:
                found.append(Gap(job, end, start))
    return found


def run(place: Stage, foreground: float, jobs: int, seconds: float) -> str:
    """Starts a campaign of one run; returns what it said where it failed."""
    none = {"kind": "none"}
    name = place.settings(
        {"hyperparameters": none | {"seconds": foreground}},
        [{"hyperparameters": none | {"seconds": seconds}, "copies": jobs}],
        max_retries=0,
    )
    popen = place.start("run", name, "--no-progress")
    code = popen.wait(foreground + 120)
    return f"energyctl ended with {code}: {place.said(popen)}" if code else ""


def report(what: str, figures: str, good: bool) -> None:
    print(f"{what}: {figures}{'' if good else ' MISSED'}", flush=True)
    if not good:
        missed.append(what)


def measure_gaps(jobs: int, restarts: int, seconds: float) -> None:
    """The gaps of the first *restarts* restarts of each job."""
    with stage() as place, controlled() as control:
        # Long enough even where all gaps are as long as they may be in the mean.
        why = run(place, restarts * (seconds + P95_SECONDS), jobs, seconds)
        found = gaps_of(place.notes())
    gaps = []
    for job in {gap.job for gap in found}:
        gaps += [gap for gap in found if gap.job == job][:restarts]
    kept = [gap.seconds for gap in gaps if not control.spoiled(gap)]
    aside = [gap.seconds for gap in gaps if control.spoiled(gap)]
    what = f"gap, {jobs} {'job' if jobs == 1 else 'jobs'} of {seconds:g} s"
    if why or len(gaps) < jobs * restarts or not kept:
        return report(what, f"only {len(gaps)} of {jobs * restarts} restarts {why}", False)
    p95, worst = percentile(kept, 0.95), max(kept)
    text = (
        f"median {1000 * statistics.median(kept):.1f}, p95 {1000 * p95:.1f}, "
        f"max {1000 * worst:.1f} ms (bars {1000 * P95_SECONDS:g}, {1000 * MAX_SECONDS:g}); "
        f"{len(kept)} restarts, {len(aside)} set aside"
    )
    if aside:
        text += f" (up to {1000 * max(aside):.1f} ms)"
    few = len(aside) <= SPOILED_SHARE * len(gaps)
    report(what, text, few and p95 <= P95_SECONDS and worst <= MAX_SECONDS)


# -- cost ------------------------------------------------------------------------------------


def childrens_cpu_seconds(process: int) -> float:
    """CPU time of its reaped children (cutime and cstime of proc(5))."""
    text = Path(f"/proc/{process}/stat").read_text()
    fields = text.rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def supervisord_of(place: Stage) -> int | None:
    try:
        pid = int((place.runtime / "supervisord.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if stat(pid) else None


def measure_cpu(jobs: int, watched: float, seconds: float) -> None:
    """CPU time of supervisord, the guard included, and of the launchers, per minute."""
    what = f"CPU, {jobs} {'job' if jobs == 1 else 'jobs'} of {seconds:g} s"
    none = {"kind": "none"}
    with stage() as place:
        name = place.settings(
            {"hyperparameters": none | {"seconds": watched + 4}},
            [{"hyperparameters": none | {"seconds": seconds}, "copies": jobs}],
        )
        popen = place.start("run", name, "--no-progress")
        begun = wait_until(lambda: any("/foreground" in note.run for note in place.notes()), 60)
        pid = supervisord_of(place)
        if not begun or pid is None:
            popen.terminate()
            popen.wait()
            return report(what, f"it did not start: {place.said(popen)}", False)
        time.sleep(1)
        start = time.monotonic(), cpu_seconds(pid), childrens_cpu_seconds(pid), len(place.notes())
        time.sleep(watched)
        end = time.monotonic(), cpu_seconds(pid), childrens_cpu_seconds(pid), len(place.notes())
        popen.wait(60)
    minutes, own, launchers, notes = (b - a for a, b in zip(start, end, strict=True))
    minutes /= 60
    figure = own / minutes
    report(
        what,
        f"supervisord with the guard {figure:.3f} s a minute (bar {CPU_SECONDS_PER_MINUTE:g}); "
        f"launchers {launchers / minutes:.2f} s a minute, {notes // 2} iterations ended",
        figure <= CPU_SECONDS_PER_MINUTE,
    )


# -- coverage --------------------------------------------------------------------------------


def covered(notes: list[Note]) -> dict[str, float]:
    """Job → share of the foreground's life in which a training of it lived, by their notes."""
    start, end = (
        next(n.seconds for n in notes if n.what == what and n.run.endswith("/foreground"))
        for what in ("main", "end")
    )
    shares = {}
    for job, own in iterations(notes).items():
        spans = [(max(a, start), min(end if b is None else b, end)) for a, b in own]
        shares[job] = sum(b - a for a, b in spans if b > a) / (end - start)
    return shares


def measure_coverage(foreground: float, jobs: int, seconds: float) -> None:
    what = f"coverage of {foreground:g} s, {jobs} {'job' if jobs == 1 else 'jobs'} of {seconds:g} s"
    with stage() as place:
        why = run(place, foreground, jobs, seconds)
        results = list(place.results().values())
        if why or len(results) != 1:
            return report(what, why or f"{len(results)} results", False)
        told = [job["coverage"] for job in results[0]["background_info"]["jobs"]]
        true = covered(place.notes())
    if None in told or len(told) != jobs or len(true) != jobs:
        return report(what, f"the result tells {told}, the trainings {true}", False)
    report(
        what,
        f"{100 * min(told):.2f} % in the result, {100 * min(true.values()):.2f} % by what the "
        f"trainings noted (bar {100 * COVERAGE:g} %)",
        min(told) >= COVERAGE,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--restarts", type=int, default=300, help="of each job (300)")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 4], help="(1 4)")
    parser.add_argument("--watch", type=float, default=60.0, help="CPU time for so long, s (60)")
    parser.add_argument("--foreground", type=float, default=60.0, help="to be covered, s (60)")
    parser.add_argument("--only", choices=["gaps", "cpu", "coverage"])
    wanted = parser.parse_args()
    if shutil.which("cc") is None:
        print("this benchmark needs a C compiler (cc) for its stand-ins", file=sys.stderr)
        return 2
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} CPUs")
    for jobs in wanted.jobs:
        if wanted.only in (None, "gaps"):
            measure_gaps(jobs, wanted.restarts, 0.7)
        if wanted.only in (None, "cpu"):
            measure_cpu(jobs, wanted.watch, 10.0)
        if wanted.only in (None, "coverage"):
            measure_coverage(wanted.foreground, jobs, 2.0)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(under_a_reaper(main))
