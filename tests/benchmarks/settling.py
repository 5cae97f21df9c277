"""When simulated backgrounds are taken as loaded, and how well their power is known by then.

Each background is driven through the product's own rule on a simulated clock, look by look. Printed
per world, over all repeats: the wait (median, and in brackets 95th percentile); how often the load
was called steady, not steady, or nobody could tell; by how much the power over the cycles that were
seen misses that of the time after it (95th percentile); the band that these cycles themselves give
(median), and how often the error lies within it.

    python tests/benchmarks/settling.py [--repeats 200] [--seconds 600] [--only "20 s"]
"""

from __future__ import annotations

import argparse
import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean, median, stdev

from energyctl.background.steady_state import JobLook, MeanPower, Settling, is_under_load
from energyctl.results.cycles import Cycle

IDLE, BUSY, CHECKS, WARM = 72.0, 300.0, 180.0, 18.0
TICK_SECONDS, LEAST_SECONDS, TIMEOUT_SECONDS = 0.5, 10.0, 300.0

STUDENT = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""The 97.5th percentile of Student's t by degrees of freedom."""


@dataclass(frozen=True)
class World:
    """A background that repeats iterations of `seconds`, each with a start-up at idle power.

    epochs: seconds of each, where the log tells of them; a tenth of an epoch is a validation.
    cold: the first start-up takes so many times as long. warm: seconds in which the GPU warms up.
    told: whether the driver tells how busy it is.
    """

    name: str
    seconds: float
    start_up: float
    epochs: float | None = None
    cold: float = 1.0
    warm: float | None = None
    told: bool = True


WORLDS = (
    World("0.3 s (0)", 0.3, 0.0),
    World("5 s (0.6)", 5, 0.6),
    World("10 s (1.5)", 10, 1.5),
    World("20 s (4)", 20, 4),
    World("20 s (4), first start-up of 24 s", 20, 4, cold=6),
    World("20 s (4), only power is told", 20, 4, told=False),
    World("20 s (2), warm-up 18 W in 240 s", 20, 2, warm=240),
    World("30 s (8)", 30, 8),
    World("60 s (8)", 60, 8),
    World("60 s (20)", 60, 20),
    World("120 s (8)", 120, 8),
    World("200 s (8)", 200, 8),
    World("600 s (20)", 600, 20),
    World("600 s (40)", 600, 40),
    World("3600 s (8), epochs of 60 s", 3600, 8, epochs=60),
    World("3600 s (8), epochs of 5 s", 3600, 8, epochs=5),
)


class Simulated:
    """The power of one background over *length* seconds, and where its cycles begin."""

    def __init__(self, world: World, length: float, chance: random.Random) -> None:
        self.world = world
        self.starts = list[float]()
        self.epochs = list[list[float]]()
        self._times, self._watts = [0.0], list[float]()
        while self._times[-1] < length:
            self._iterate(chance)
        pieces = zip(pairwise(self._times), self._watts, strict=True)
        self._joules = [0.0, *accumulate(watts * (b - a) for (a, b), watts in pieces)]

    def _iterate(self, chance: random.Random) -> None:
        world, now = self.world, self._times[-1]
        cold = 1.0 if self.starts else world.cold
        self.starts.append(now)
        start_up = world.start_up * cold * chance.uniform(0.9, 1.1)
        self._add(start_up, IDLE)
        work = (world.seconds - world.start_up) * max(0.5, chance.gauss(1, 0.03))
        level = max(0.5, chance.gauss(1, 0.01))
        epoch = world.epochs or work
        edges = [self._times[-1]]
        for _ in range(max(1, round(work / epoch))):
            self._train(0.9 * epoch * chance.gauss(1, 0.01), BUSY * level, chance)
            self._add(0.1 * epoch, CHECKS * level)
            edges.append(self._times[-1])
        self.epochs.append(edges if world.epochs else [])

    def _train(self, seconds: float, watts: float, chance: random.Random) -> None:
        pieces = math.ceil(seconds)
        for _ in range(pieces):
            self._add(seconds / pieces, watts * chance.gauss(1, 0.03))

    def _add(self, seconds: float, watts: float) -> None:
        if seconds <= 0:
            return
        now, warm = self._times[-1], self.world.warm
        if warm:
            watts += WARM * (1 - math.exp(-now / warm))
        self._times.append(now + seconds)
        self._watts.append(watts)

    def joules(self, time: float) -> float:
        place = min(bisect_right(self._times, time) - 1, len(self._watts) - 1)
        return self._joules[place] + self._watts[place] * (time - self._times[place])

    def mean(self, start: float, end: float) -> float:
        return (self.joules(end) - self.joules(start)) / (end - start)

    def look(self, now: float) -> JobLook:
        """As the product sees it."""
        since = max(0.0, now - 1.0)
        watts = self.mean(since, now) if now > since else IDLE
        percent = 100 * max(0.0, watts - IDLE) / (BUSY - IDLE) if self.world.told else None
        run = bisect_right(self.starts, now) - 1
        edges = self.epochs[run] or self.starts
        cycles = [Cycle(*pair) for pair in pairwise(edges[: bisect_right(edges, now)])]
        return JobLook(
            "a",
            began=self.starts[run],
            loaded=is_under_load(percent, watts, IDLE),
            cycles=cycles,
            unit="epoch" if self.world.epochs else "iteration",
        )


@dataclass(frozen=True)
class Outcome:
    """seconds: of the wait. error and band: percent of the power in the time after it."""

    seconds: float
    steady: bool | None
    error: float | None
    band: float | None


def settled(world: World, after: float, seed: int) -> Outcome:
    """One background through the rule, compared with the *after* seconds that follow."""
    length = TIMEOUT_SECONDS + after + 2 * world.seconds
    background = Simulated(world, length, random.Random(seed))
    settling, now = Settling(LEAST_SECONDS, TIMEOUT_SECONDS), 0.0
    power = {"gpu-0": lambda start, end: MeanPower(background.mean(start, end), 0.0)}
    moving: str | None = "waiting"
    while moving is not None and now < TIMEOUT_SECONDS:
        now += TICK_SECONDS
        moving = settling.look(
            now,
            [background.look(now)],
            lambda start, end: {name: of(start, end) for name, of in power.items()},
        )
    steady = settling.steady if moving is None else None if settling.unseen else False
    if not settling.cycles:
        return Outcome(now, steady, None, None)
    truth = background.mean(now, now + after)
    watts = background.mean(settling.cycles[0].start, settling.cycles[-1].end)
    error = 100 * (watts / truth - 1)
    return Outcome(now, steady, error, 100 * band(background, settling.cycles, after) / truth)


def band(background: Simulated, cycles: Sequence[Cycle], after: float) -> float:
    """Half-width of the mean power of the load in *after* seconds, by what *cycles* were: how much
    these differ, and that the time after them may hold a part of one."""
    means = [background.mean(*cycle) for cycle in cycles]
    typical, count = median(cycle.seconds for cycle in cycles), len(means)
    looks = [
        background.mean(
            cycle.start + k / 100 * cycle.seconds, cycle.start + (k + 1) / 100 * cycle.seconds
        )
        for cycle in cycles
        for k in range(100)
    ]
    looks.sort()
    swing = looks[int(0.98 * len(looks))] - looks[int(0.02 * len(looks))]
    duty = fmean(watts > fmean(looks) for watts in looks)
    part = swing * duty * (1 - duty) * min(typical, after) / after
    if count < 2:
        return part + swing
    student = STUDENT.get(count - 1, 2.0)
    return student * stdev(means) * math.sqrt(1 / count + min(1.0, typical / after)) + part


def row(world: World, outcomes: Sequence[Outcome]) -> str:
    def share(steady: bool | None) -> str:
        return f"{sum(one.steady is steady for one in outcomes) / len(outcomes):.2f}"

    waits = sorted(one.seconds for one in outcomes)
    known = [one for one in outcomes if one.error is not None]
    errors = sorted(abs(one.error or 0.0) for one in known)
    inside = [abs(one.error or 0.0) <= (one.band or 0.0) for one in known]
    cells = [
        world.name,
        f"{median(waits):.0f} ({waits[int(0.95 * len(waits))]:.0f})",
        *(share(steady) for steady in (True, False, None)),
        f"{errors[int(0.95 * len(errors))]:.1f}" if known else "–",
        f"{median(one.band or 0.0 for one in known):.1f}" if known else "–",
        f"{fmean(inside):.3f}" if known else "–",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600.0, help="of the time after the wait")
    parser.add_argument("--only", default="", help="worlds whose name holds this")
    given = parser.parse_args()
    print("| iteration (start-up) | wait s | steady | not | null | error % | ± % | inside |")
    print("|---|---|---|---|---|---|---|---|")
    for world in WORLDS:
        if given.only in world.name:
            outcomes = [settled(world, given.seconds, seed) for seed in range(given.repeats)]
            print(row(world, outcomes), flush=True)


if __name__ == "__main__":
    main()
