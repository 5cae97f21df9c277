"""What a long run costs while it goes on: python tests/benchmarks/soak.py --help

One real run (`energyctl run`): four background jobs of 0.3 s each, sampling at 10 Hz, trainings in
C that do nothing. Each minute of the foreground: CPU time of energyctl's own process and of its
supervisord (the guard in it), and memory of both. What watches must not become load: in the last
five minutes energyctl may take 10 % more CPU time than in the first five, and so may supervisord
for an iteration (how many there are depends on what else the machine does). energyctl's memory may
grow by 5 MiB more than the series take that it has to keep: 16 bytes for each sample of a domain,
17 for each iteration. Both are carried on to a day, by the line of least squares.

Exit code 1 where a bar is missed. --package runs another version of energyctl, for comparison.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.cost import cpu_seconds
from benchmarks.gaps import supervisord_of
from benchmarks.loads import PLAIN
from benchmarks.stage import Stage, stage, under_a_reaper, wait_until

JOBS, JOB_SECONDS, INTERVAL_SECONDS = 4, 0.3, 0.1
WINDOW_MINUTES = 5
MOST_CPU_GROWTH = 0.10
MOST_MEMORY_MIB = 5.0
SAMPLE_BYTES, ITERATION_BYTES = 16, 17
DAY_MINUTES = 24 * 60
MIB = 1 << 20

missed: list[str] = []


@dataclass(frozen=True)
class Look:
    """At one instant, of energyctl and its supervisord. CPU seconds since their starts, bytes of
    memory; iterations: rows of the ledger."""

    monotonic: float
    cpu: tuple[float, float]
    memory: tuple[int, int]
    iterations: int


@dataclass(frozen=True)
class Minute:
    """CPU seconds a minute of energyctl and supervisord, memory at its end, iterations ended."""

    cpu: tuple[float, float]
    memory: tuple[int, int]
    iterations: int


def look(place: Stage, pids: tuple[int, int]) -> Look:
    ledgers = (place.root / "results").glob("background_logs_*/iterations.csv")
    return Look(
        time.monotonic(),
        (cpu_seconds(pids[0]), cpu_seconds(pids[1])),
        (resident(pids[0]), resident(pids[1])),
        sum(ledger.read_bytes().count(b"\n") - 1 for ledger in ledgers),
    )


def resident(pid: int) -> int:
    """Bytes in memory (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def between(before: Look, after: Look) -> Minute:
    minutes = (after.monotonic - before.monotonic) / 60
    own, daemon = ((b - a) / minutes for a, b in zip(before.cpu, after.cpu, strict=True))
    return Minute((own, daemon), after.memory, after.iterations - before.iterations)


def watched(minutes: int, length: float, package: str | None) -> tuple[list[Minute], int]:
    """Each minute of a run, printed as it comes; and how many series its sampler kept."""
    none, settling = {"kind": "none"}, min(5.0, length)
    with stage() as place:
        if package is not None:
            place.env["PYTHONPATH"] = package
        name = place.settings(
            {"hyperparameters": none | {"seconds": length * minutes + 2 * settling}},
            [{"hyperparameters": none | {"seconds": JOB_SECONDS}, "copies": JOBS}],
            sample_interval_seconds=INTERVAL_SECONDS,
            max_retries=0,
        )
        popen = place.start("run", name, "--no-progress")
        begun = wait_until(lambda: any("/foreground" in note.run for note in place.notes()), 60)
        daemon = supervisord_of(place)
        if not begun or daemon is None:
            raise SystemExit(f"it did not start: {place.said(popen)}")
        time.sleep(settling)
        looks, passed = [look(place, (popen.pid, daemon))], list[Minute]()
        for number in range(1, minutes + 1):
            time.sleep(max(0.0, looks[0].monotonic + length * number - time.monotonic()))
            looks.append(look(place, (popen.pid, daemon)))
            passed.append(minute := between(looks[-2], looks[-1]))
            show(number, minute, looks[-1].iterations)
        code = popen.wait(120)
        results = list(place.results().values())
        if code or len(results) != 1:
            raise SystemExit(f"energyctl ended with {code}: {place.said(popen)}")
        domains = results[0]["energy"]["domains"]
    return passed, sum(domain["missing"] is None for domain in domains)


def show(number: int, minute: Minute, iterations: int) -> None:
    own, daemon = minute.memory
    print(
        f"minute {number:3}: energyctl {minute.cpu[0]:.2f} s of CPU, {own / MIB:.1f} MiB; "
        f"supervisord {minute.cpu[1]:.2f} s, {daemon / MIB:.1f} MiB; "
        f"{iterations:,} iterations so far",
        flush=True,
    )


def report(what: str, figures: str, good: bool) -> None:
    print(f"{what}: {figures}{'' if good else ' MISSED'}", flush=True)
    if not good:
        missed.append(what)


def after_a_day(values: Sequence[float]) -> tuple[float, float]:
    """What the line of least squares through them leads to, and twice its standard error: where
    that is the greater, they do not say that anything grows."""
    places = range(len(values))
    slope, begin = statistics.linear_regression(places, values)
    off = sum((value - begin - slope * x) ** 2 for x, value in zip(places, values, strict=True))
    spread = sum((x - statistics.mean(places)) ** 2 for x in places)
    error = math.sqrt(off / max(1, len(values) - 2) / spread)
    return begin + slope * DAY_MINUTES, 2 * error * DAY_MINUTES


def judge_cpu(what: str, seconds: Sequence[float], each: str) -> None:
    """seconds: of CPU for *each*, minute by minute."""
    window = min(WINDOW_MINUTES, len(seconds) // 2)
    first, last = statistics.mean(seconds[:window]), statistics.mean(seconds[-window:])
    a_day, band = after_a_day(seconds)
    report(
        f"CPU of {what}",
        f"{first:.3f} s {each} in the first {window} minutes, {last:.3f} in the last {window}: "
        f"{last / first - 1:+.1%} (bar {MOST_CPU_GROWTH:+.0%}); "
        f"after a day {a_day:.1f} ± {band:.1f} s",
        last <= (1 + MOST_CPU_GROWTH) * first,
    )


def judge_memory(minutes: Sequence[Minute], samples: float) -> None:
    """From the end of the first minute on: all that is loaded late is there by then. samples: of
    all domains, a minute."""
    grown = (minutes[-1].memory[0] - minutes[0].memory[0]) / MIB
    iterations = sum(minute.iterations for minute in minutes[1:])
    samples *= len(minutes) - 1
    needed = (samples * SAMPLE_BYTES + iterations * ITERATION_BYTES) / MIB
    to_a_day = (DAY_MINUTES - 1) / (len(minutes) - 1)
    report(
        "memory of energyctl",
        f"{minutes[0].memory[0] / MIB:.1f} MiB grew by {grown:.2f}; {samples:,.0f} samples and "
        f"{iterations:,} iterations must take {needed:.2f} (bar {needed + MOST_MEMORY_MIB:.2f}); "
        f"in a day it grows by {grown * to_a_day:.0f} MiB, where {needed * to_a_day:.0f} must be",
        grown <= needed + MOST_MEMORY_MIB,
    )
    both = [minute.memory[1] / MIB for minute in (minutes[0], minutes[-1])]
    print(f"memory of supervisord: {both[0]:.1f} MiB, {both[1]:.1f} at the end", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument(
        "--minutes", type=int, default=30, help="of the foreground (30), 2 at least"
    )
    parser.add_argument("--length", type=float, default=60.0, help="of a minute, s (60): a trial")
    parser.add_argument("--package", metavar="DIR", help="the folder that holds another energyctl/")
    wanted = parser.parse_args()
    if wanted.minutes < 2:
        parser.error("--minutes: 2 at least, since the last are compared with the first")
    if shutil.which("cc") is None:
        print("this benchmark needs a C compiler (cc) for its stand-ins", file=sys.stderr)
        return 2
    print(f"load of the machine before: {os.getloadavg()[0]:.2f}, {os.cpu_count()} CPUs")
    minutes, series = watched(wanted.minutes, wanted.length, wanted.package)
    judge_cpu("energyctl", [minute.cpu[0] for minute in minutes], "a minute")
    daemon = [1000 * minute.cpu[1] * wanted.length / 60 / minute.iterations for minute in minutes]
    judge_cpu("supervisord", daemon, "each 1,000 iterations")
    judge_memory(minutes, wanted.length / INTERVAL_SECONDS * series)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(under_a_reaper(main))
