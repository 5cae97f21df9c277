"""How well baselines hold: python tests/benchmarks/baselines.py [--runs N]

Worlds of known power on a simulated clock, read as the sampler reads a GPU's counter, and judged
by the code that makes a result. A foreground adds 220 W to what the machine would have drawn
meanwhile; a figure is inside where that is within its stated uncertainty. Meters may be off by the
share that they state, and late. Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise
from math import exp
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from energyctl.energy import Baseline, Domain, Phase, Recording, above, baseline_of, equal_blocks
from energyctl.meters.nvml.device import POWER
from energyctl.meters.simulation import SimulatedSampler
from energyctl.results.cycles import Cycle, blocks_wanted, first_blocks, last_blocks
from hardware.simulated import EPOCH, GPU, Counter, Load, Segments

ADDED_WATTS = 220.0
IDLE_SECONDS, COOLDOWN_SECONDS = 10.0, 60.0
SETTLE_SECONDS = 10.0
LENGTHS = (60.0, 600.0)
BAR = 0.97


@dataclass(frozen=True)
class Trial:
    """One run. Joules; inf where there is no figure."""

    error: float
    uncertainty: float
    truth: float

    @property
    def inside(self) -> bool:
        return abs(self.error) <= self.uncertainty


@dataclass(frozen=True)
class Meter:
    """What reads the GPU. stated: up to which share it is off, all the time alike; delay: how late
    its counter is, which is known to 3 ms, or not at all; power: it is one of power."""

    stated: float = 0.0
    delay: float = 0.0
    known: bool = False
    power: bool = False

    def __str__(self) -> str:
        words = ["power" if self.power else "counter"]
        words += [f"{self.stated:.0%} stated"] * (self.stated > 0)
        words += [f"{self.delay:g} s late{', known' * self.known}"] * (self.delay > 0)
        return ", ".join(words)

    def domain(self, random: Random) -> Domain:
        of_it = replace(POWER, max_watts=1400.0) if self.power else GPU
        if self.known:
            delay = self.delay + random.gauss(0, 0.0015)
            of_it = replace(of_it, delay_seconds=delay, delay_within_seconds=0.003)
        return replace(of_it, relative_uncertainty=self.stated)

    def recording(self, load: Load, edges: Sequence[float], random: Random) -> Recording:
        """From 0.5 s before the first edge to the last one, as the sampler reads it."""
        domain, until = self.domain(random), edges[-1]
        gain = 1 + random.uniform(-self.stated, self.stated)
        if self.power:
            late = random.random() * domain.update_seconds
            values = [gain * load.watts(late + 0.1 * i) for i in range(-10, int(10 * until) + 20)]

            def value(time: float) -> float:
                return values[10 + int((time - late) // 0.1)]
        else:
            counter = Counter(0.1, jitter=0.05, delay=self.delay)
            shown = counter.shown(load, until + 1, 0.001, random)
            value = replace(shown, joules=[gain * joules for joules in shown.joules]).at
        sampler = SimulatedSampler({domain: value}, random, epoch=EPOCH)
        sampler.run(edges, 0.5)
        return Recording((domain,), sampler.series, (Phase("all", EPOCH, EPOCH + until),), 1.0)


CLEAN = Meter()


def judged(
    random: Random,
    drawn: Load,
    start: float,
    end: float,
    until: float,
    baseline: Callable[[Recording], Baseline],
    meter: Meter = CLEAN,
) -> Trial:
    """A foreground from *start* to *end* (seconds) beside what is *drawn* anyway."""
    load = drawn.beside(Load([(start, 0.0), (end - start, ADDED_WATTS), (until, 0.0)]))
    recording = meter.recording(load, [0.0, start, end, until], random)
    total, _ = above(recording.energy(EPOCH + start, EPOCH + end), baseline(recording))
    truth = ADDED_WATTS * (end - start)
    if total.joules is None or total.uncertainty_joules is None:
        raise SystemExit(f"no figure: {total.missing}")
    return Trial(total.joules - truth, total.uncertainty_joules, truth)


@dataclass(frozen=True)
class Background:
    """Iterations of 300 W with a pause of 12 % at 110 W; lengths vary by 3 %, powers by 1 %.

    warm: watts by which the GPU warms up (240 s). fan: watts of one that starts at some time.
    """

    iteration: float
    warm: float = 0.0
    fan: float = 0.0

    def __str__(self) -> str:
        drifts = [f"warm-up {self.warm:g} W"] * (self.warm > 0) + [f"fan {self.fan:g} W"] * (
            self.fan > 0
        )
        return ", ".join([f"iterations of {self.iteration:g} s", *drifts])


def beside(
    random: Random, length: float, load: Background, after: bool, meter: Meter = CLEAN
) -> Trial:
    """Whole iterations before the foreground and, where wanted, after it."""
    iteration = load.iteration
    start = 3.6 * iteration + 20 + random.uniform(0, iteration)
    end = start + length
    wanted = blocks_wanted(iteration, SETTLE_SECONDS)
    until = end + (wanted + 1.5) * iteration + 1
    segments, edges = Segments(), [0.0]
    while edges[-1] < until + iteration:
        seconds = iteration * max(0.3, random.gauss(1, 0.03))
        peak = random.gauss(300, 3)
        segments += [(0.12 * seconds, 110.0), (0.88 * seconds, peak)]
        edges.append(edges[-1] + seconds)
    cycles = [Cycle(EPOCH + a, EPOCH + b) for a, b in pairwise(edges)]
    warming = [(1.0, load.warm * (1 - exp(-second / 240))) for second in range(int(until) + 10)]
    begins = random.uniform(0, until)
    fan = Load([(begins, 0.0), (until, load.fan)])
    drawn = Load(segments).beside(Load(warming)).beside(fan)
    before = last_blocks(cycles, EPOCH + start, wanted)
    then = first_blocks(cycles, EPOCH + end, wanted) if after else ()
    return judged(
        random, drawn, start, end, until, lambda one: baseline_of(one, before, then), meter
    )


def flat(random: Random, seconds: int) -> Segments:
    return [(1.0, 70.0)] * seconds


def cooling(random: Random, seconds: int) -> Segments:
    """A minute after the run before."""
    return [(1.0, 70.0 + 15.0 * exp(-(60 + second) / 120)) for second in range(seconds)]


def clocks(random: Random, seconds: int) -> Segments:
    """They fall some time in the first minute."""
    return [(random.uniform(0, 60), 95.0), (seconds, 70.0)]


def fan(random: Random, seconds: int) -> Segments:
    """It starts at some time."""
    return [(random.uniform(0, seconds), 70.0), (seconds, 78.0)]


def fans(random: Random, seconds: int) -> Segments:
    """One comes and goes, for half a minute to two each."""
    segments = Segments()
    for number in range(seconds // 30 + 1):
        segments.append((random.uniform(30, 120), 70.0 + 8.0 * (number % 2)))
    return segments


def walk(random: Random, seconds: int) -> Segments:
    """A random walk of 0.1 W each second."""
    steps = accumulate((random.gauss(0, 0.1) for _ in range(seconds)), initial=70.0)
    return [(1.0, watts) for watts in steps]


IDLE = {one.__name__: one for one in (flat, cooling, clocks, fan, fans, walk)}
UNSEEN = ("fans", "walk")
"""What moves meanwhile is not to be seen before and after."""


def above_idle(
    random: Random, length: float, power: Callable[[Random, int], Segments], after: bool
) -> Trial:
    """Idle before and, where wanted, the end of the cool-down after; nothing else runs."""
    start = IDLE_SECONDS
    end = start + length
    until = end + COOLDOWN_SECONDS
    before = equal_blocks(EPOCH, EPOCH + start, 4)
    then = equal_blocks(EPOCH + until - IDLE_SECONDS, EPOCH + until, 4) if after else ()
    drawn = Load(power(random, int(until) + 2))
    return judged(random, drawn, start, end, until, lambda one: baseline_of(one, before, then))


BACKGROUNDS = (
    *(Background(seconds) for seconds in (0.3, 5.0, 20.0, 60.0)),
    *(Background(seconds, warm=18.0) for seconds in (0.3, 20.0, 60.0)),
    *(Background(seconds, fan=15.0) for seconds in (0.3, 20.0, 60.0)),
    Background(2.0, warm=18.0, fan=15.0),
)
METERS = (
    *(Meter(stated) for stated in (0.02, 0.05)),
    *(Meter(delay=delay, known=known) for delay, known in ((0.1, False), (0.2, True))),
    Meter(0.05, 0.2, known=True),
    Meter(0.05, power=True),
)
BEFORE_ONLY = (Background(20.0), Background(20.0, warm=18.0))


def held(name: str, length: float, trials: Sequence[Trial]) -> bool:
    """Prints a row; whether enough of the trials are inside."""
    inside = sum(trial.inside for trial in trials) / len(trials)
    errors = sorted(100 * abs(trial.error) / trial.truth for trial in trials)
    band = median(100 * trial.uncertainty / trial.truth for trial in trials)
    bands = sorted(abs(trial.error) / trial.uncertainty for trial in trials)
    place = int(0.95 * (len(errors) - 1))
    print(
        f"| {name} | {length:g} | {inside:.3f} | {median(errors):.2f} | {errors[place]:.2f} | "
        f"{band:.2f} | {bands[place]:.2f} |",
        flush=True,
    )
    return inside >= BAR


def table(runs: int, lengths: Sequence[float]) -> int:
    """Prints it; how many of the cells that have a bar missed it."""
    print(
        "| | foreground, s | inside | error, % | 95th percentile | ± % (median) | "
        "95th percentile in ± |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    cells: list[tuple[str, Callable[[Random, float], Trial], bool]] = []
    for load in BACKGROUNDS:
        cells.append((str(load), partial(beside, load=load, after=True), True))
    for meter in METERS:
        for load in (Background(0.3), Background(20.0)):
            one = partial(beside, load=load, after=True, meter=meter)
            cells.append((f"{load}; {meter}", one, True))
    for name, power in IDLE.items():
        cells.append(
            (f"idle: {name}", partial(above_idle, power=power, after=True), name not in UNSEEN)
        )
    for load in BEFORE_ONLY:
        cells.append((f"{load}; before only", partial(beside, load=load, after=False), False))
    for power in (flat, cooling):
        alone = partial(above_idle, power=power, after=False)
        cells.append((f"idle: {power.__name__}; before only", alone, False))
    missed = 0
    for name, one, bar in cells:
        for length in lengths:
            random = Random(11)
            missed += not held(name, length, [one(random, length) for _ in range(runs)]) and bar
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100, help="for each row (default: 100)")
    parser.add_argument("--lengths", type=float, nargs="+", default=LENGTHS, help="seconds")
    options = parser.parse_args()
    missed = table(options.runs, options.lengths)
    print(f"{missed} missed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
