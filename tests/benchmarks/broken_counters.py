"""Counters that are wrong, and healthy ones: python tests/benchmarks/broken_counters.py --help

On a simulated clock, behind the classes that meter. Each broken counter is tried as often as
--trials says under each load: by the self-test at the opening, and, where that lets it pass, over
runs of 5 to 10 minutes. It has to be refused or marked each time. Healthy ones, of 20 to 100 ms a
step, are opened --starts times under loads that switch, with power that is instant, or the mean
over a second, and noisy; and metered over --runs runs. None may be doubted. Exit code 1 where one
is.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter as Counts
from collections.abc import Sequence
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.loads import PLAIN
from energyctl.energy import DomainEnergy
from energyctl.meters.self_test import self_test
from hardware.simulated import LOADS, Counter, Load
from hardware.simulated_gpu import Broken, Clock, SimulatedGpu, metered, shown

# Looks begin when the averaged power is that of the load.
BEGINS = 2.0
AVERAGING = (1.0, 0.0)


def idle(random: Random, start: float, end: float) -> Load:
    return Load([(end + 5, random.uniform(15, 90))])


def switching(random: Random, start: float, end: float) -> Load:
    """Between two powers, for 20 ms to 3 s each."""
    low, high = random.uniform(20, 120), random.uniform(150, 700)
    usual = random.choice([0.02, 0.1, 0.5, 1.0, 3.0])
    segments, time = [], 0.0
    while time < end + 5:
        for watts in (low, high):
            seconds = usual * random.uniform(0.8, 1.2)
            segments.append((seconds, watts))
            time += seconds
    return Load(segments)


def begins(random: Random, start: float, end: float) -> Load:
    """A load that comes or goes while the counter is looked at."""
    at = start + random.uniform(-1.0, 1.0)
    before, after = random.sample([30.0, 70.0, 250.0, 650.0], 2)
    return Load([(at, before), (end + 5, after)])


HEALTHY = {**LOADS, "idle": idle, "switching": switching, "begins": begins}
UNDER = ("idle", "constant", "training", "square")


def spiky(joules: float, time: float) -> float:
    return 1e9 if time % 0.7 < 0.01 else joules


BROKEN: dict[str, tuple[Counter, Broken | None]] = {
    "zero": (Counter(0.1), lambda joules, _: 0.0),
    "stuck": (Counter(0.1), lambda joules, _: 12345.0),
    "x 100": (Counter(0.1), lambda joules, _: 100 * joules),
    "/ 1000": (Counter(0.1), lambda joules, _: joules / 1000),
    "x 10": (Counter(0.02), lambda joules, _: 10 * joules),
    "backward": (Counter(0.1), lambda joules, _: 1e6 - joules),
    "stale": (Counter(3.0), None),
    "half": (Counter(0.1), lambda joules, _: joules / 2),
    "double": (Counter(0.1), lambda joules, _: 2 * joules),
    "of a module": (Counter(0.1), lambda joules, time: joules + 250 * time),
    "spikes": (Counter(0.1), spiky),
    "late by 0.3 s": (Counter(0.1, delay=0.3), None),
    "stuck later": (Counter(0.1), lambda joules, time: joules if time < BEGINS + 10 else 1e5),
    "x 5 later": (Counter(0.1), lambda j, time: j + 4 * 200 * max(0.0, time - BEGINS - 10)),
}


def gpu(
    load: Load,
    counter: Counter,
    seconds: float,
    random: Random,
    averaging: float,
    broken: Broken | None = None,
) -> SimulatedGpu:
    clock = Clock(BEGINS, random)
    told = shown(load, counter, seconds, random, broken)
    return SimulatedGpu(load, told, clock, averaging, noise=random.choice([0.0, 0.02]))


def verdict(device: SimulatedGpu, seconds: float) -> str:
    """What becomes of a counter: refused or doubted, when, and why; or that it passed."""
    (check,) = self_test([device], clock=device.clock, sleep=device.clock.sleep)
    if check.verdict != "agreed":
        return f"{check.verdict} at the start ({check.reason})"
    start = device.clock.now + 0.5
    truth = device.load.joules(start + seconds) - device.load.joules(start)
    return over_a_run(metered(device, start, start + seconds), truth)


def over_a_run(energy: DomainEnergy, truth: float) -> str:
    for check in energy.checks:
        if check.verdict != "agreed":
            return f"{check.verdict} over a run ({check.reason})"
    if energy.joules is None or energy.uncertainty_joules is None:
        return "null"
    if energy.budget.get("assumed_delay", 0.0) > 0.01 * energy.joules:
        return "its delay is in the band"
    right = abs(energy.joules - truth) <= energy.uncertainty_joules
    return "right all the same" if right else "passed"


def try_broken(name: str, trials: int, random: Random) -> Counts[str]:
    counter, broken = BROKEN[name]
    under = ("full",) if name.startswith("late") else UNDER
    found: Counts[str] = Counts()
    for load in under:
        for trial in range(trials):
            seconds = random.uniform(300, 600) if load != "full" else 5.0
            drawn = HEALTHY[load](random, BEGINS + 3, BEGINS + 3 + seconds)
            # All superchips average their power.
            averaging = 1.0 if name == "of a module" else AVERAGING[trial % 2]
            device = gpu(drawn, counter, seconds + 12, random, averaging, broken)
            found[verdict(device, seconds)] += 1
    return found


def healthy(starts: int, seconds: float | None, random: Random) -> list[str]:
    """The verdicts on healthy counters that were doubted. seconds: of a run after the start."""
    doubted = []
    for number in range(starts):
        name = list(HEALTHY)[number % len(HEALTHY)]
        length = 0.0 if seconds is None else seconds * random.uniform(0.3, 2)
        load = HEALTHY[name](random, BEGINS, BEGINS + 3 + length)
        period = random.uniform(0.02, 0.1)
        counter = Counter(period, random.choice([0, 0.1, 0.3]), delay=random.choice([0, 0, 0.1]))
        averaging = random.choice(AVERAGING)
        device = gpu(load, counter, BEGINS + 12 + length, random, averaging)
        (check,) = self_test([device], clock=device.clock, sleep=device.clock.sleep)
        said = f"{check.verdict} at the start ({check.words})"
        if check.verdict == "agreed" and seconds is not None:
            start = device.clock.now + 0.5
            energy = metered(device, start, start + length)
            said = ", ".join(f"{c.verdict} over a run ({c.words})" for c in energy.checks)
            if all(c.verdict == "agreed" for c in energy.checks) and energy.joules is not None:
                continue
        elif check.verdict == "agreed":
            continue
        doubted.append(f"{name}, {1000 * period:.0f} ms, averaging {averaging:g} s: {said}")
    return doubted


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--trials", type=int, default=10, help="of each under each load (10)")
    parser.add_argument("--starts", type=int, default=2000, help="of healthy counters (2000)")
    parser.add_argument("--runs", type=int, default=200, help="with healthy counters (200)")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args(arguments)
    random, missed = Random(wanted.seed), 0
    print("| counter | verdicts |\n|---|---|")
    for name in BROKEN:
        found = try_broken(name, wanted.trials, random)
        missed += found["passed"]
        print(f"| {name} | {', '.join(f'{n} x {what}' for what, n in found.most_common())} |")
    false = healthy(wanted.starts, None, random)
    print(f"{wanted.starts} healthy starts, {len(false)} doubted", *false, sep="\n  ")
    also = healthy(wanted.runs, 60.0, random)
    print(f"{wanted.runs} healthy runs, {len(also)} doubted", *also, sep="\n  ")
    print(f"{missed} broken counters passed")
    return 1 if missed or false or also else 0


if __name__ == "__main__":
    sys.exit(main())
