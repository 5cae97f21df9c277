"""Campaigns on a Slurm cluster of three nodes: python tests/benchmarks/cluster.py --help

The cluster is a real one, on this machine (root; Debian: slurmctld, slurmd, slurm-client, munge).
First 30 runs, half of them alone and half beside a background: each is done exactly once, no two
at a time on one node by the results' own time stamps, and between two runs of a node lie 3 s at
most (median): that is what a task costs beyond its run. Then rounds in which something is killed
at a random instant: a task, all processes of a node, a node's slurmd (whose task goes on as an
orphan, or is given up by `cancel`), slurmctld; a node is set down; a task's time is over. After the
requeues, and `energyctl resume` where runs are missing, each run is done exactly once, with its
values, nothing is left on any node, and no result is torn.

Prints each violation, and how to repeat it. Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import wait_for
from clustered import Lab, lab, spans
from slurm_cluster import Cluster, cluster, unavailable
from supervised import living

OVERHEAD_SECONDS = 3.0
TRIES = 4
"""`resume` may be needed again: what it submits can meet a node that is not back yet."""

RECOVERY_SECONDS = 180.0


def gaps(place: Lab) -> list[float]:
    """Seconds between two runs of a node."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for node, began, ended in spans(place.finished()):
        rows.setdefault(node, []).append((began, ended))
    return [
        second[0] - first[1] for found in rows.values() for first, second in pairwise(sorted(found))
    ]


def many(made: Cluster, folder: Path, runs: int, seconds: float) -> bool:
    """Whether the bars of an undisturbed campaign are met."""
    place = lab(folder, made)
    place.settings(runs, seconds=seconds, mixed=True)
    began = time.monotonic()
    place.run("submit", "x.json")
    place.run("collect", "--interval", "1")
    took = time.monotonic() - began
    told, between = place.problems(runs), sorted(gaps(place))
    for text in told:
        print(f"VIOLATION: {text}")
    median = statistics.median(between)
    nodes = len({node for node, *_ in spans(place.finished())})
    print("| runs | nodes | took, s | between two runs of a node, s: median, p95, max | bar |")
    print("|---|---|---|---|---|")
    high = between[int(0.95 * (len(between) - 1))]
    print(
        f"| {runs} | {nodes} | {took:.1f} | {median:.2f}, {high:.2f}, {between[-1]:.2f} "
        f"| {OVERHEAD_SECONDS:g} |"
    )
    return not told and median <= OVERHEAD_SECONDS


# -- kills ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A way to disturb. runs, seconds: of the campaign; slurm: its section."""

    act: Callable[[Cluster, Lab, random.Random], str]
    runs: int = 5
    seconds: float = 2.0
    slurm: dict[str, object] | None = None


def tasks_of(place: Lab) -> list[tuple[int, str]]:
    """Pid and node of each energyctl that does a task now."""
    found = []
    for process in living(place.root):
        if "run-task" in process.command and "bash" not in process.command.split()[0]:
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
                name = next((w for w in words if w.startswith(b"SLURMD_NODENAME=")), b"=")
                found.append((process.pid, os.fsdecode(name.partition(b"=")[2])))
    return found


def a_task(place: Lab, chance: random.Random) -> tuple[int, str]:
    return chance.choice(wait_for(lambda: tasks_of(place), "a task to run"))


def cancel_task(made: Cluster, place: Lab, chance: random.Random) -> str:
    running = wait_for(lambda: [q for q in made.queue() if q.state == "RUNNING"], "a task to run")
    one = chance.choice(running)
    made.run("scancel", f"{one.array}_{one.task}", check=False)
    return f"scancel of task {one.task}"


def kill_energyctl(made: Cluster, place: Lab, chance: random.Random) -> str:
    pid, node = a_task(place, chance)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return f"SIGKILL of energyctl on {node}"


def kill_node(made: Cluster, place: Lab, chance: random.Random) -> str:
    _, node = a_task(place, chance)
    made.kill_node(node)
    wait_for(lambda: "DOWN" in made.state(node), f"{node} to be missed", 60)
    made.start_slurmd(node)
    return f"power of {node} lost and back"


def kill_slurmd(made: Cluster, place: Lab, chance: random.Random) -> str:
    """Its task goes on, while Slurm starts it again elsewhere."""
    _, node = a_task(place, chance)
    made.kill_slurmd(node)
    wait_for(lambda: "DOWN" in made.state(node), f"{node} to be missed", 60)
    time.sleep(chance.uniform(0, 8))
    made.start_slurmd(node)
    return f"SIGKILL of slurmd on {node}, its task an orphan"


def cancel_beside_an_orphan(made: Cluster, place: Lab, chance: random.Random) -> str:
    """Slurm counts the task of a cut-off node as dead, and so does `cancel`; it ends later."""
    pid, node = a_task(place, chance)
    made.kill_slurmd(node)
    wait_for(lambda: "DOWN" in made.state(node), f"{node} to be missed", 60)
    place.run("cancel", code=None)
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the orphan to end", 120)
    made.start_slurmd(node)
    return f"SIGKILL of slurmd on {node}, then cancel"


def kill_controller(made: Cluster, place: Lab, chance: random.Random) -> str:
    made.kill_controller()
    time.sleep(chance.uniform(0.5, 5))
    made.start_controller()
    return "SIGKILL of slurmctld, started again"


def node_down(made: Cluster, place: Lab, chance: random.Random) -> str:
    _, node = a_task(place, chance)
    made.down(node)
    time.sleep(chance.uniform(0.5, 4))
    with contextlib.suppress(AssertionError):
        made.up(node)  # it may have come back by itself (ReturnToService)
    return f"{node} set down, and up again"


def time_over(made: Cluster, place: Lab, chance: random.Random) -> str:
    """Nothing to do: the time limit is shorter than the runs of a task."""
    wait_for(lambda: "time limit is near" in place.logs(), "a time limit", 120)
    return "time limit reached"


KINDS = {
    "cancel": Kind(cancel_task, seconds=4.0),
    "energyctl": Kind(kill_energyctl, seconds=6.0),
    "node": Kind(kill_node),
    "slurmd": Kind(kill_slurmd, runs=3, seconds=42.0),
    "orphan": Kind(cancel_beside_an_orphan, runs=3, seconds=40.0),
    "slurmctld": Kind(kill_controller),
    "down": Kind(node_down),
    "time": Kind(
        time_over, runs=4, seconds=14.0,
        slurm={"time": 1, "warning_seconds": 50, "runs_per_task": 2},
    ),
}  # fmt: skip


def disturbed(made: Cluster, folder: Path, name: str, chance: random.Random) -> list[str]:
    """One round; what was wrong."""
    kind, place = KINDS[name], lab(folder, made)
    place.settings(kind.runs, seconds=kind.seconds, slurm=kind.slurm or {})
    place.run("submit", "x.json")
    a_task(place, chance)
    delay = chance.uniform(0, 6)
    time.sleep(delay)
    try:
        what = kind.act(made, place, chance)
    except AssertionError as error:
        what = f"nothing ({error})"  # all was over by then
    resumed = 0
    for _ in range(TRIES):
        recovered(made)
        if len(place.finished()) == kind.runs and not made.queue():
            break
        place.run("resume", "--sbatch", "time=10", code=None)
        resumed += 1
    recovered(made)
    place.run("collect", "--interval", "1", code=None)
    tries = len(place.results()) + place.status["superseded"]
    told = place.problems(kind.runs)
    verdict = "; ".join(told) or "right"
    print(
        f"after {delay:.1f} s: {what}; {tries} attempts at {kind.runs} runs, "
        f"resumed {resumed} times: {verdict}",
        flush=True,
    )
    return told


def recovered(made: Cluster) -> None:
    """Waits until Slurm has done all that it will do by itself; a slurmctld that was killed sets
    nodes to drain, where an administrator looks after them, and holds tasks."""

    def at_rest() -> bool:
        for node in made.nodes:
            with contextlib.suppress(AssertionError):
                if {"DOWN", "DRAIN"} & {*made.state(node).split("+")}:
                    made.up(node)
        return all("held" in one.reason for one in made.queue())

    wait_for(at_rest, "the queue to be empty", RECOVERY_SECONDS)


def main(arguments: Sequence[str] | None = None) -> int:
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=30, help="of the undisturbed campaign")
    parser.add_argument("--seconds", type=float, default=2.0, help="that one of its runs takes")
    parser.add_argument("--rounds", type=int, default=20, help="of kills")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args(arguments)
    why = unavailable()
    if why is not None:
        print(f"no cluster here: {why}")
        return 2
    chance, good = random.Random(given.seed), True
    with tempfile.TemporaryDirectory(prefix="ec-", dir="/tmp") as name:
        folder = Path(name)
        with cluster(folder / "slurm") as made:
            if given.runs:
                good = many(made, folder / "many", given.runs, given.seconds)
            for number in range(given.rounds):
                kind = given.kinds[number % len(given.kinds)]
                print(f"round {number + 1} ({kind})  ", end="", flush=True)
                told = disturbed(made, folder / f"round{number + 1}", kind, chance)
                for text in told:
                    print(f"VIOLATION (--seed {given.seed} --kinds {kind}): {text}", flush=True)
                good = good and not told
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
