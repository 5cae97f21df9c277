"""How much of a known Pareto front `energyctl search` finds, beside random search.

A made-up training of known energy and accuracy, as functions of its learning rate, epochs and batch
size, is searched by the product's own proposals; its figures are "measured" with noise. What counts
is the true figures of the trials that look best by the measured ones: the area (hypervolume) that
they dominate, as a share of that of the true front.

    python tests/benchmarks/search.py [--seeds 20] [--trials 40]
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from energyctl.analysis.fronts import pareto
from energyctl.analysis.trials import Objectives, Trial
from energyctl.config.settings import Search
from energyctl.search.objectives import told
from energyctl.search.proposals import Sampler, propose
from search_spaces import space

PARAMETERS: dict[str, Any] = {
    "learning_rate": {
        "type": "float", "default": 0.1, "range": [1e-5, 0.1], "distribution": "log_uniform",
    },
    "epochs": {"type": "int", "default": 60, "range": [1, 60]},
    "batch_size": {"type": "int", "default": 16, "choices": [16, 32, 64, 128, 256]},
}  # fmt: skip
ENERGY_NOISE, ACCURACY_NOISE = 0.01, 0.005
"""Standard deviations: a share of the energy, and of the accuracy itself."""

WORST_ACCURACY = 0.3
GOAL = 0.95
"""Share of the true area that counts as found; the median search is to reach it."""

Figures = tuple[float, float]


def truth(learning_rate: float, epochs: int, batch_size: int) -> Figures:
    """Joules and accuracy: larger batches take less energy an epoch, and more epochs; each has a
    best learning rate."""
    off = math.log10(learning_rate / (0.003 * math.sqrt(batch_size / 64)))
    pace = 0.12 * math.exp(-((off / 0.7) ** 2)) * (64 / batch_size) ** 0.35
    lost = 0.007 * math.log2(max(batch_size, 32) / 32) + 0.03 * abs(off)
    accuracy = 0.95 - lost - 0.6 * math.exp(-pace * epochs)
    return 120 + epochs * (40 + 60 * (64 / batch_size) ** 0.8), accuracy


def area(points: Sequence[Figures], most_joules: float) -> float:
    """What they dominate of all that takes less and is more accurate than the reference."""
    whole, best = 0.0, WORST_ACCURACY
    for joules, accuracy in sorted(points):
        if accuracy > best and joules < most_joules:
            whole += (most_joules - joules) * (accuracy - best)
            best = accuracy
    return whole


def true_front() -> tuple[float, float]:
    """The area of the true front, and the reference's joules."""
    rates = [10 ** (-5 + 4 * step / 200) for step in range(201)]
    every = [
        truth(rate, epochs, batch)
        for rate in rates
        for epochs in range(1, 61)
        for batch in PARAMETERS["batch_size"]["choices"]
    ]
    most = max(joules for joules, _ in every)
    return area(every, most), most


def searched(seed: int, trials: int, sampler: Sampler) -> Iterator[list[Figures]]:
    """After each trial, the true figures of those that look best."""
    of, noise = space(PARAMETERS, seed=seed), random.Random(seed)
    objectives = Objectives(Search(metric="accuracy", sampler=sampler), "higher")
    done: list[Trial] = []
    true: list[Figures] = []
    for number in range(1, trials + 1):
        values = propose(of, told(done, objectives), number, sampler)
        joules, accuracy = truth(**values)
        true.append((joules, accuracy))
        joules *= math.exp(noise.gauss(0, ENERGY_NOISE))
        accuracy += noise.gauss(0, ACCURACY_NOISE)
        done.append(Trial(number, values, accuracy, joules, None, True, None, joules, 1.0))
        front = pareto([{"x": one.joules, "y": one.metric} for one in done])
        yield [point for point, on in zip(true, front, strict=True) if on]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=40)
    options = parser.parse_args()
    whole, most = true_front()
    looks = [n for n in (10, 20, 30, 40, 60, 80) if n <= options.trials]
    print(f"| sampler | {' | '.join(f'{n} trials' for n in looks)} | worst | trials to 95 % |"
          " ms a proposal |")  # fmt: skip
    print("|---" * (len(looks) + 4) + "|")
    last: dict[Sampler, float] = {}
    for sampler in ("random", "tpe"):
        shares: list[list[float]] = []
        began = time.process_time()
        for seed in range(options.seeds):
            fronts = searched(seed, options.trials, sampler)
            shares.append([area(front, most) / whole for front in fronts])
        spent = (time.process_time() - began) / (options.seeds * options.trials)
        cells = []
        for n in looks:
            at = [one[n - 1] for one in shares]
            low, _, high = quantiles(at, n=4) if len(at) > 1 else (at * 3)
            cells.append(f"{median(at):.3f} ({low:.3f} to {high:.3f})")
        reached = [
            next((n for n, share in enumerate(one, 1) if share >= GOAL), math.inf) for one in shares
        ]
        within = sum(n < math.inf for n in reached)
        needed = median(reached)
        words = f"{needed:g}" if needed < math.inf else f"more than {options.trials}"
        last[sampler] = median(one[-1] for one in shares)
        worst = min(one[-1] for one in shares)
        print(f"| {sampler} | {' | '.join(cells)} | {worst:.3f} | {words}; in "
              f"{within} of {options.seeds} | {spent * 1e3:.0f} |", flush=True)  # fmt: skip
    missed = last["tpe"] < GOAL or last["tpe"] <= last["random"]
    print(f"{'MISSED' if missed else 'met'}: the median of tpe after {options.trials} trials is at "
          f"least {GOAL}, and above that of random")  # fmt: skip
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
