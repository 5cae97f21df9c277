"""Gone means gone: python tests/benchmarks/stops.py --help

Real campaigns (`energyctl run`), with 500 other processes on the machine.

Time: from the last instant of the foreground, as it notes it itself, to the first look at /proc
that finds nothing of the run. Bars, for the worst: 0.5 s where all obey TERM, 11 s where not.

Survivors: trainings that leave processes of each kind behind, as background jobs, and as a
foreground that ends by itself or runs into its `timeout_seconds`. Looked for by their name, which
no program changes, when the next run begins and after the campaign. Bars: none is left; and none
of the strangers, who look much like processes of the run, got a signal or is gone.

Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.loads import PLAIN
from benchmarks.stage import (
    Note,
    Process,
    Stage,
    alive,
    crowd,
    stage,
    stat,
    training,
    under_a_reaper,
    wait_until,
)

OBEYING_SECONDS, IGNORING_SECONDS = 0.5, 11.0
KINDS = (
    "plain", "ignores", "setsid", "daemon", "nohup", "pool", "stopped", "forks", "empty", "between",
)  # fmt: skip
STOPS = 4
"""Runs of a campaign of one kind, each with a part of the trials."""
ENDLESS = {"seconds": 0.1, "timeout_seconds": 1}
"""No iteration ends while anybody waits for it."""

missed: list[str] = []


def report(what: str, figures: str, good: bool) -> None:
    print(f"{what}: {figures}{'' if good else ' MISSED'}", flush=True)
    if not good:
        missed.append(what)


# -- time ------------------------------------------------------------------------------------


class Watcher(threading.Thread):
    """Looks again and again whether anything of the runs is alive: (instant, names)."""

    def __init__(self, place: Stage) -> None:
        super().__init__(daemon=True)
        self.looks: list[tuple[float, list[str]]] = []
        self._place = place
        self._known = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            began = time.monotonic()
            found = self._place.processes(self._known)
            names = [str(process) for process in found if self._of_a_run(process)]
            # What ends during a look was alive when it began.
            self.looks.append((began, names))
            time.sleep(0.002)

    def _of_a_run(self, process: Process) -> bool:
        """Not what lives as long as the campaign: energyctl, supervisord, what keeps a governor."""
        words = "-m energyctl", "supervisor.supervisord", "privileged_helper.py"
        return not any(word in process.command for word in words)

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()

    def gone(self, after: float, before: float) -> float | None:
        """The first instant in that span at which nothing was alive."""
        empty = (at for at, names in self.looks if after <= at < before and not names)
        return next(empty, None)

    def at(self, instant: float) -> list[str]:
        """Who was alive at the last look before *instant*."""
        names = [names for at, names in self.looks if at < instant]
        return names[-1] if names else []


def measure_time(what: str, kind: str, left: str, jobs: int, repeats: int, bar: float) -> None:
    """kind: of the jobs. left: kind of what the foreground leaves."""
    with stage() as place:
        name = place.settings(
            {"hyperparameters": {"kind": left, "seconds": 0.5}},
            [{"hyperparameters": {"kind": kind, "seconds": 1000.0}, "copies": jobs}],
            runs_per_config=repeats,
            cooldown_seconds=0.5,
            idle_seconds=0.5,
            max_retries=0,
            settle=ENDLESS,
        )
        watcher = Watcher(place)
        watcher.start()
        try:
            popen = place.start("run", name, "--no-progress")
            code = popen.wait(60 + repeats * 40)
        finally:
            watcher.stop()
        notes = [note for note in place.notes() if note.run.endswith("/foreground")]
        said = place.said(popen)
    starts = [note.seconds for note in notes if note.what == "main"]
    ends = [note.seconds for note in notes if note.what == "end"]
    if code or len(ends) != repeats:
        return report(what, f"energyctl ended with {code}, {len(ends)} runs: {said}", False)
    seconds = []
    for end, following in zip(ends, [*starts[1:], float("inf")], strict=True):
        gone = watcher.gone(end, following)
        if gone is None:
            alive_then = "; ".join(watcher.at(following))
            return report(what, f"something was alive until the next run: {alive_then}", False)
        seconds.append(gone - end)
    report(
        what,
        f"median {statistics.median(seconds):.3f}, max {max(seconds):.3f} s (bar {bar:g}), "
        f"{len(seconds)} runs with {jobs} jobs",
        max(seconds) <= bar,
    )


# -- survivors -------------------------------------------------------------------------------


@dataclass
class Strangers:
    """Processes that are not of the run, and note each signal that they get."""

    notes: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    who: dict[tuple[int, int], str] = field(default_factory=dict)

    def lines(self) -> list[list[str]]:
        text = self.notes.read_text() if self.notes.exists() else ""
        return [line.split(" ") for line in text.split("\n")[:-1]]

    def harmed(self) -> list[str]:
        """A line for each that is gone, is stopped, or got a signal."""
        found = []
        for (pid, ticks), who in self.who.items():
            if not alive(pid, ticks):
                found.append(f"{who} (pid {pid}) is gone")
            elif (now := stat(pid)) is not None and now[1] in "Tt":
                found.append(f"{who} (pid {pid}) is stopped")
        for line in self.lines():
            if line[0].startswith("signal"):
                who = self.who.get((int(line[3]), int(line[4])), "a stranger")
                found.append(f"{who} (pid {line[3]}) got {line[0]}")
        return found

    def recognise(self, who: str) -> None:
        """Waits for the next of them, and notes who it is."""
        found: list[tuple[int, int]] = []

        def fresh() -> bool:
            pids = [(int(line[3]), int(line[4])) for line in self.lines() if line[0] == "main"]
            found[:] = [pid for pid in pids if pid not in self.who]
            return bool(found)

        if not wait_until(fresh, 10):
            raise RuntimeError(f"a stranger does not start: {who}")
        self.who[found[0]] = who


@contextlib.contextmanager
def strangers(place: Stage, kind: str) -> Iterator[Strangers]:
    """Those who stand beside energyctl; its brothers and children are started with it."""
    made = Strangers(place.folder / "strangers")
    digest = place.runtime.name
    marks = {
        "of another campaign": f"{'0123456789abcdef' * 2}/20260101_000000_x/background",
        "that names our private folder": f"{digest}/20260101_000000_x/background",
        "whose marker lacks the run": digest,
    }
    base = ["--kind", "stranger", "--notes", str(made.notes)]
    for who, marker in marks.items():
        made.started.append(training(*base, env={**place.env, "ENERGYCTL_RUN": marker}))
        made.recognise(who)
    # The same program and arguments as a job's, in the same folder; the last --kind counts.
    program = place.root / "repos" / "back" / place.name
    same = [str(program), "-n", "m", "--kind", kind, "--seconds", "1000.0", "--trees", "1"]
    folder = place.root / "repos" / "back"
    made.started.append(subprocess.Popen([*same, *base], cwd=folder, start_new_session=True))
    made.recognise("with a job's command and folder")
    place.strangers |= {pid for pid, _ in made.who}
    try:
        yield made
    finally:
        for popen in made.started:
            popen.kill()
            popen.wait()
        for pid, ticks in made.who:
            if alive(pid, ticks):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def beside(made: Strangers, place: Stage) -> str:
    """A shell's script: starts two more strangers, one that energyctl then has as a child."""
    program = place.root / "repos" / "back" / place.name
    stranger = f"{program} --kind stranger --notes {made.notes} >/dev/null 2>&1 &"
    # The shell becomes energyctl: what it started before is energyctl's child, yet not its own.
    return f'{stranger}\n({stranger})\nexec "$@"'


@dataclass
class Trial:
    """What came of one kind. expected: trees that were to be made."""

    left: set[str] = field(default_factory=set)
    harmed: list[str] = field(default_factory=list)
    background: int = 0
    foreground: int = 0
    between: int = 0
    seconds: float = 0.0
    problem: str = ""


def run_of(process: Process, notes: list[Note]) -> str:
    """The run that a process belongs to, by its own note or its environment; "" where unknown."""
    own = [n.run for n in notes if (n.pid, n.ticks) == (process.pid, process.ticks)]
    return (own[0] if own else process.marker).rpartition("/")[0]


def left_of_earlier_runs(place: Stage, notes: list[Note]) -> set[str]:
    """Trainings that are alive though a later run's foreground has begun."""
    begun = [n.run for n in notes if n.what == "main" and n.run.endswith("/foreground")]
    earlier = {run.rpartition("/")[0] for run in begun[:-1]}
    found = [p for p in place.processes() if place.is_training(p)] if earlier else []
    return {f"{run}: {p}" for p in found if (run := run_of(p, notes)) in earlier}


def between_iterations(notes: list[Note]) -> int:
    """How many jobs had no training at the instant at which their foreground ended."""
    count = 0
    for end in notes:
        if end.what != "end" or not end.run.endswith("/foreground"):
            continue
        run = end.run.replace("/foreground", "/background")
        ended = {(n.pid, n.ticks): n.seconds for n in notes if n.what == "end" and n.run == run}
        begun = [n for n in notes if n.what == "main" and n.run == run and n.seconds < end.seconds]
        last = {note.job: (note.pid, note.ticks) for note in begun}
        count += sum(ended.get(key, end.seconds) < end.seconds for key in last.values())
    return count


def try_kind(kind: str, trials: int) -> Trial:
    """A campaign of four runs, each with a quarter of the trials in both roles."""
    stops = min(STOPS, 2 * (trials // 2) or 2)
    each = -(-trials // stops)
    trial = Trial()
    began = time.monotonic()
    jobs = [{"hyperparameters": {"kind": kind, "seconds": 1000.0}, "copies": each}]
    front = {"kind": kind, "trees": each, "seconds": 1.5}
    if kind == "between":
        # One iterates as quickly as supervisord can, the other waits for a second in between.
        short = [{"kind": "daemon", "seconds": seconds} for seconds in (0.12, 0.02)]
        jobs = [{"hyperparameters": one, "copies": -(-each // 2)} for one in short]
        front = {"kind": "none", "trees": 0, "seconds": 1.5}
    fronts = [
        {"hyperparameters": front},
        {"hyperparameters": {**front, "seconds": 1000.0}, "timeout_seconds": 2.0},
    ]
    if kind == "between":
        fronts = [fronts[0], {"hyperparameters": {**front, "seconds": 1.0}}]
    with stage() as place, strangers(place, kind) as others:
        each_twice = {"runs_per_config": stops // 2, "max_retries": 0, "settle": ENDLESS}
        name = place.settings(fronts, jobs, **each_twice)
        command = "run", name, "--no-progress"
        popen = place.start(*command, shell=beside(others, place))
        for who in ("that the shell started which became energyctl", "of the same shell's"):
            others.recognise(who)
        place.strangers |= {pid for pid, _ in others.who}
        while popen.poll() is None:
            if time.monotonic() - began > 300:
                trial.problem = "it does not end"
                popen.kill()
            trial.left |= left_of_earlier_runs(place, place.notes())
            time.sleep(0.1)
        trial.left |= {str(process) for process in place.processes()}
        trial.harmed = others.harmed()
        notes = place.notes()
        results = [result["status"] for result in place.results().values()]
        expected = "succeeded" if kind == "between" else "failed"
        wanted = [status for status in ("succeeded", expected) for _ in range(stops // 2)]
        if not trial.problem and sorted(results) != sorted(wanted):
            trial.problem = f"results {results}, {place.said(popen)}"
    trial.seconds = time.monotonic() - began
    children = [note for note in notes if note.what == "child"]
    trial.background = len({(note.run, note.job) for note in children if note.job != "-"})
    of_fronts = [note.run for note in children if note.run.endswith("/foreground")]
    trial.foreground = sum(min(each, of_fronts.count(run)) for run in set(of_fronts))
    trial.between = between_iterations(notes)
    if trial.background < trials or (front["trees"] and trial.foreground < trials):
        trial.problem = trial.problem or "too few trials came about"
    return trial


def measure_survivors(kind: str, trials: int) -> None:
    trial = try_kind(kind, trials)
    text = (
        f"{len(trial.left)} left of {trial.background} as background and {trial.foreground} as "
        f"foreground, {len(trial.harmed)} of 6 strangers harmed, {trial.seconds:.0f} s"
    )
    if kind == "between":
        text += f"; {trial.between} jobs were between two iterations"
    report(kind, text, not (trial.left or trial.harmed or trial.problem))
    for line in [*sorted(trial.left)[:5], *trial.harmed[:5], *filter(None, [trial.problem])]:
        print(f"    {line}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--repeats", type=int, default=10, help="stops to be timed, each way (10)")
    parser.add_argument("--jobs", type=int, default=4, help="of the runs that are timed (4)")
    parser.add_argument("--others", type=int, default=500, help="other processes (500)")
    parser.add_argument("--trials", type=int, default=20, help="of each kind and role (20)")
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--only", choices=["time", "survivors"])
    parser.add_argument("--obeying", action="store_true", help="time those that obey TERM only")
    wanted = parser.parse_args()
    if shutil.which("cc") is None:
        print("this benchmark needs a C compiler (cc) for its stand-ins", file=sys.stderr)
        return 2
    with crowd(wanted.others):
        if wanted.only != "survivors":
            jobs, repeats = wanted.jobs, wanted.repeats
            measure_time("obeying TERM", "plain", "plain", jobs, repeats, OBEYING_SECONDS)
        if wanted.only != "survivors" and not wanted.obeying:
            measure_time("ignoring TERM", "ignores", "none", jobs, repeats, IGNORING_SECONDS)
            what = "ignoring TERM, the foreground's too"
            measure_time(what, "ignores", "ignores", jobs, repeats, IGNORING_SECONDS)
        if wanted.only != "time":
            for kind in wanted.kinds:
                measure_survivors(kind, wanted.trials)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(under_a_reaper(main))
