"""Epochs and marks: what a call costs a training, and how far energies of epochs are off.

    python tests/benchmarks/marks.py [--epochs N] [--steps N]

A call is timed in steps of 10 ms, each second step without it, by the CPU time of its thread, while
a process listens as energyctl does. Energies are of a training in a campaign in a world whose power
changes from epoch to epoch and within them; the truth is between the instants that the training
itself noted. Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import energyctl.marks
from bench import bench_in
from hardware.waveform import Constant, Square
from hardware.world import Load, world

MICROSECONDS_BAR, EPOCH_BAR, UNSET_BAR, ENERGY_BAR = 10.0, 1000.0, 1.0, 0.5
"""Microseconds of a mark each step: 0.1 % of 10 ms; of an epoch, which wakes energyctl: 0.1 % of
a second; of both where nobody listens. Percent of an epoch's energy."""

BATCH = 50

LOAD = Load(
    packages=(Square(40.0, 160.0, 7.3), Constant(60.0)),
    dram=Constant(12.0),
    gpus=(Square(90.0, 350.0, 5.1), Square(60.0, 250.0, 0.8)),
)

LISTENER = """
import sys, time
from pathlib import Path
from energyctl.meters.marks.receiver import Receiver
from energyctl.meters.marks.timeline import Timeline
receiver = Receiver(Path(sys.argv[1]), Timeline(), time.time, lambda: None)
print("ready", flush=True)
sys.stdin.read()
receiver.close()
"""

STEPS = """
import json, sys, time
import told
steps, calls = int(sys.argv[1]), {"mark": lambda n: told.mark("train")}
calls["epoch"] = lambda n: told.epoch(n, loss=0.125, accuracy=0.5)
found = {}
for name, call in calls.items():
    took = [[], []]
    for n in range(steps):
        until = time.perf_counter() + 0.01
        while time.perf_counter() < until:
            sum(range(100))
        began = time.thread_time()
        if n % 2:
            call(n)
        took[n % 2].append(time.thread_time() - began)
    found[name] = took
quick = []
for _ in range(9):
    began = time.perf_counter()
    for n in range(20_000):
        pass
    middle = time.perf_counter()
    for n in range(20_000):
        told.epoch(n, loss=0.125)
    quick.append((time.perf_counter() - middle - (middle - began)) / 20_000)
found["at once"] = min(quick)
print(json.dumps(found))
"""

TRAIN = """
import random, sys, time
import told
random.seed(int(sys.argv[1]))
time.sleep(1.0)
noted = open(sys.argv[2], "w", buffering=1)
told.epoch_begin()
noted.write(f"{time.time()}\\n")
for number in range(int(sys.argv[3])):
    time.sleep(random.uniform(2.0, 5.0))
    told.epoch(number, loss=0.5)
    noted.write(f"{time.time()}\\n")
"""


def beside(folder: Path) -> Path:
    """A copy of the file for trainings."""
    return Path(shutil.copy(Path(energyctl.marks.__file__), folder / "told.py"))


def steps(folder: Path, number: int, path: str | None) -> dict[str, Any]:
    env = {k: v for k, v in os.environ.items() if k != energyctl.marks.SOCKET}
    env |= {energyctl.marks.SOCKET: path} if path else {}
    command = [sys.executable, "-c", STEPS, str(number)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def batches(without: list[float], with_it: list[float]) -> list[float]:
    """Microseconds of a call, in the mean over each batch of BATCH steps with it and without."""
    starts = range(BATCH, len(with_it) - BATCH + 1, BATCH)  # the first one connects
    pairs = [(with_it[n : n + BATCH], without[n : n + BATCH]) for n in starts]
    return [(mean(one) - mean(other)) * 1e6 for one, other in pairs]


def cost(folder: Path, number: int) -> bool:
    """Whether the bars hold."""
    beside(folder)
    path = str(folder / "s")
    command = [sys.executable, "-c", LISTENER, path]
    listener = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert listener.stdin is not None
    assert listener.stdout is not None
    listener.stdout.readline()
    heard = steps(folder, number, path)
    listener.communicate()
    unset = steps(folder, 200, None)
    kept = True
    for name, bar in {"mark": MICROSECONDS_BAR, "epoch": EPOCH_BAR}.items():
        costs = batches(*heard[name])
        kept &= min(costs) < bar
        print(
            f"{name}: {min(costs):.1f} µs a call in the quietest of {len(costs)} batches, "
            f"{median(costs):.1f} µs in the median one"
        )
    print(f"epoch, nobody listens: {unset['at once'] * 1e6:.2f} µs")
    return kept and unset["at once"] * 1e6 < UNSET_BAR


def energies(folder: Path, number: int, interval: float, seed: int) -> bool:
    """Whether the bar holds, and the bands do."""
    noted = folder / "noted"
    with world(LOAD) as place, bench_in(folder) as bench:
        beside(bench.root / "repos" / "front")
        (bench.root / "repos" / "front" / "train.py").write_text(TRAIN)
        command = [sys.executable, "train.py", str(seed), str(noted), str(number)]
        entry = {"path": "repos/front", "models": ["small"], "command": command}
        entry |= {"supported_hyperparams": {}, "performance_metrics": {}}
        registry = bench.root / "settings" / "models_config.json"
        registry.write_text(json.dumps({"models": {"front": entry}}))
        training = {"mode": "default", "repo": "front", "model": "small"}
        name = bench.settings(experiments=[training], sample_interval_seconds=interval)
        theirs = {k: v for k, v in place.environment.items() if not k.startswith("ENERGYCTL_P")}
        ours = {k: place.environment[k] for k in ("ENERGYCTL_POWERCAP", "ENERGYCTL_PERF")}
        done = bench.run("run", name, env={**theirs, **bench.env, **ours})
        assert done.returncode == 0, done.stderr
        (result,) = bench.results()
    instants = [float(line) for line in noted.read_text().splitlines()]
    epochs = result["foreground_result"]["epochs"]
    worst, held = 0.0, 0
    for epoch, start, end in zip(epochs, instants, instants[1:], strict=False):
        truth = sum(LOAD.joules(start, end).values())
        off = epoch["joules"] - truth
        worst = max(worst, abs(off) / truth * 100)
        held += abs(off) <= epoch["uncertainty_joules"]
        band = epoch["uncertainty_joules"] / truth * 100
        print(
            f"  epoch {epoch['epoch']}: {end - start:.2f} s, {truth / (end - start):.0f} W, "
            f"off by {off / truth:+.3%}, band ± {band:.2f} %"
        )
    print(
        f"sampled each {interval:g} s: {len(epochs)} epochs, at most {worst:.3f} % off, "
        f"{held} in their bands"
    )
    return len(epochs) == held == number and worst < ENERGY_BAR


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=2000)
    chosen = parser.parse_args()
    kept = True
    with tempfile.TemporaryDirectory(prefix="marks-") as folder:
        os.environ.setdefault("ENERGYCTL_PRIVATE", folder)
        for name in ("cost", "fine", "coarse"):
            (Path(folder) / name).mkdir()
        kept &= cost(Path(folder) / "cost", chosen.steps)
        began = time.time()
        kept &= energies(Path(folder) / "fine", chosen.epochs, 0.1, 1)
        kept &= energies(Path(folder) / "coarse", chosen.epochs, 1.0, 2)
        print(f"{time.time() - began:.0f} s")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
