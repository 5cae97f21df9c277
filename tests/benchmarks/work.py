"""How well a background's work is known: python tests/benchmarks/work.py [--runs N]

Worlds of known rates on a simulated clock: iterations that take longer while a foreground runs, and
what their ledger and their lines say, judged by the code that makes a result. Errors are shares of
the truth: of the slowdown (rate alone ÷ beside), and of the work that the foreground cost the
background, beside what that would have done. A figure is inside where it is within its stated
uncertainty. Then, how well the whole iterations before and after a foreground tell what would have
been done in its time. Exits with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from energyctl.energy import Phase, deviation
from energyctl.results.cycles import blocks_wanted
from energyctl.results.job_pieces import Counts, Mark
from energyctl.results.job_work import job_work
from energyctl.results.ledger import Past
from energyctl.results.pairs.job_facts import whole_iterations
from energyctl.results.schema import WorkJson
from energyctl.results.tables import Part

BAR_ERROR, BAR_INSIDE, BAR_ALONE = 0.01, 0.95, 0.93
SETTLE_SECONDS = 10.0
LENGTHS = ((0.4, 20.0), (5.0, 60.0), (20.0, 60.0), (20.0, 600.0))
"""Of an iteration, and of the foreground."""
BETWEEN_SECONDS = 0.05
ALONE = ("background_only",)


@dataclass(frozen=True)
class World:
    """A background with iterations of *iteration* seconds alone, which vary by *jitter* of that.

    starting: share of an iteration that nothing slows down, as imports. lines: of an iteration, as
    epochs; late: seconds within which each was seen. slow: rate beside the foreground. own: steps
    are counted, ten from line to line. Seconds of the phases: *alone*, before and after, and
    *beside*.
    """

    iteration: float = 5.0
    jitter: float = 0.02
    starting: float = 0.0
    lines: int = 0
    late: float = 0.0
    slow: float = 0.6
    alone: float = 40.0
    beside: float = 60.0
    own: bool = False

    def __str__(self) -> str:
        lines = f"{self.lines} lines" if self.lines else "no lines"
        if self.late:
            lines += f" seen within {self.late:g} s"
        start = f", {self.starting:.0%} not slowed" if self.starting else ""
        counted = ", steps counted" if self.own else ""
        return f"iterations of {self.iteration:g} s ± {self.jitter:.0%}, {lines}{start}{counted}"


@dataclass
class Truth:
    """A run in a world, and what was done in each phase."""

    phases: Sequence[Phase]
    iterations: list[Past] = field(default_factory=list)
    counts: dict[int, Counts] = field(default_factory=dict)
    done: list[float] = field(default_factory=list)
    unit: str | None = None

    def work(self) -> list[WorkJson]:
        return job_work(self.iterations, self.counts, self.phases, self.unit)


def run(world: World, random: Random) -> Truth:
    """One run: the load comes up, is alone, beside a foreground, alone again, and stopped."""
    names = ("idle", "background_start", *ALONE, "foreground", *ALONE, "background_stop")
    lengths = (5.0, world.alone / 2, world.alone / 2, world.beside, world.alone, 0.1)
    phases, time = list[Phase](), 0.0
    for name, length in zip(names, lengths, strict=True):
        phases.append(Phase(name, time, time + length))
        time += length
    truth = Truth(phases, done=[0.0] * len(phases), unit="steps" if world.own else None)
    clock = _Clock(truth, world.slow, stop=phases[-1].start + 0.05)
    while clock.now < clock.stop:
        _iterate(world, random, clock)
    return truth


@dataclass
class _Clock:
    """Goes on through the phases, and notes what is done in each."""

    truth: Truth
    slow: float
    stop: float
    now: float = 5.01

    def work(self, seconds: float, amount: float, *, slowed: bool) -> bool:
        """What takes so long alone; whether it was done before the stop."""
        left = seconds
        while left > 1e-12 and self.now < self.stop:
            index = max(i for i, p in enumerate(self.truth.phases) if p.start <= self.now + 1e-9)
            phase = self.truth.phases[index]
            rate = self.slow if slowed and phase.name == "foreground" else 1.0
            step = min(left / rate, min(phase.end, self.stop) - self.now)
            self.truth.done[index] += amount * step * rate / seconds
            left, self.now = left - step * rate, self.now + step
        return left <= 1e-12


def _iterate(world: World, random: Random, clock: _Clock) -> None:
    length = world.iteration * (1 + world.jitter * random.uniform(-1, 1))
    parts, began, marks = max(1, world.lines), clock.now, list[Mark]()
    whole = 10.0 * parts if world.own else 1.0
    starting = 0.0 if world.own else world.starting
    there = clock.work(world.starting * length, starting, slowed=False)
    for number in range(1, parts + 1):
        share = (1 - world.starting) / parts
        there = there and clock.work(share * length, whole * (1 - starting) / parts, slowed=True)
        if world.lines and there:
            before = clock.now - world.late * random.random()
            marks.append(Mark(before, before + world.late, 10.0 * number))
    run = len(clock.truth.iterations) + 1
    clock.truth.iterations.append(Past(began, clock.now, False, there, run))
    if world.lines:
        last = marks[-1].done if marks else 0.0
        clock.truth.counts[run] = Counts(marks, last, 10.0 * parts)
    clock.now += BETWEEN_SECONDS


@dataclass(frozen=True)
class Figures:
    """Of the foreground: how much slower the background was, and what it did not do."""

    slowdown: float
    lost: float
    expected: float


def figures(names: Iterable[str], seconds: Iterable[float], done: Iterable[float]) -> Figures:
    """Of phases by name, their lengths and the work in each."""
    rows = list(zip(names, seconds, done, strict=True))
    alone = [(length, amount) for name, length, amount in rows if name in ALONE]
    beside = [(length, amount) for name, length, amount in rows if name == "foreground"]
    rate = sum(amount for _, amount in alone) / sum(length for length, _ in alone)
    length, amount = (sum(column) for column in zip(*beside, strict=True))
    return Figures(rate / (amount / length), rate * length - amount, rate * length)


@dataclass(frozen=True)
class Trial:
    """How far the figures of one run were off; inside: of the phases with a figure."""

    slowdown: float
    lost: float
    inside: Sequence[bool]


def judged(truth: Truth) -> Trial:
    work, inside = truth.work(), []
    done = dict(zip((p.start for p in truth.phases), truth.done, strict=True))
    there = [phase for phase in truth.phases if phase.name != "idle"]
    assert [one["phase"] for one in work] == [phase.name for phase in there]
    for one, phase in zip(work, there, strict=True):
        if one["amount"] is not None and one["uncertainty"] is not None:
            inside.append(abs(one["amount"] - done[phase.start]) <= one["uncertainty"] + 1e-9)
    names, seconds = [one["phase"] for one in work], [one["seconds"] for one in work]
    measured = figures(names, seconds, [one["amount"] or 0.0 for one in work])
    known = figures(names, seconds, [done[phase.start] for phase in there])
    return Trial(
        abs(measured.slowdown / known.slowdown - 1),
        abs(measured.lost - known.lost) / known.expected,
        inside,
    )


PLAIN = World()
WORLDS = (
    PLAIN,
    replace(PLAIN, jitter=0.05),
    replace(PLAIN, iteration=2.0),
    replace(PLAIN, lines=10, iteration=20.0),
    replace(PLAIN, lines=10, iteration=20.0, starting=0.2),
    replace(PLAIN, lines=10, iteration=20.0, late=0.4),
    replace(PLAIN, lines=400, iteration=400.0),
    replace(PLAIN, lines=20, own=True),
    replace(PLAIN, lines=20, own=True, starting=0.2),
)


@dataclass(frozen=True)
class Varied:
    """Iterations of the load alone: their lengths vary by *spread*, and it gets slower by *drift*
    from before the foreground to after it; one in *slow* of them takes twice as long."""

    spread: float
    drift: float = 0.0
    slow: int = 0

    def __str__(self) -> str:
        words = [f"iterations that vary by {self.spread:.0%}"]
        words += [f"one in {self.slow} twice as long"] * (self.slow > 0)
        words += [f"slower by {self.drift:.0%} after it"] * (self.drift > 0)
        return ", ".join(words)

    def length(self, random: Random, usual: float) -> float:
        twice = 2 if self.slow and random.randrange(self.slow) == 0 else 1
        return twice * usual * max(0.1, random.gauss(1, self.spread))


VARIED = (
    *(Varied(spread) for spread in (0.01, 0.05, 0.2)),
    *(Varied(0.02, drift) for drift in (0.02, 0.1)),
    Varied(0.02, slow=10),
)


def rate_alone(load: Varied, random: Random, usual: float, seconds: float) -> tuple[float, float]:
    """(share by which the work that would have been done in the time of a foreground is off, share
    by which it may be): by the whole iterations before and after it."""
    wanted = blocks_wanted(usual, SETTLE_SECONDS)
    before = [load.length(random, usual) for _ in range(wanted)]
    after = [(1 + load.drift) * load.length(random, usual) for _ in range(wanted)]
    done, left = 0.0, seconds
    while left > 0:
        lasts = load.length(random, usual) * (1 + load.drift * (1 - left / seconds))
        done, left = done + min(1.0, left / lasts), left - lasts
    told = {
        "before": wanted, "before_seconds": sum(before), "after": wanted,
        "after_seconds": sum(after), "cycle_deviation_seconds": deviation([before, after]),
    }  # fmt: skip
    found = whole_iterations(Part(told), seconds)
    assert found is not None
    assert found.amount is not None
    assert found.uncertainty is not None
    would = found.amount / found.seconds * seconds
    return abs(would / done - 1), found.uncertainty / found.amount


def rates_alone(runs: int) -> int:
    """Prints a table; how many rows are missed: what comes seldom need not be seen."""
    missed = 0
    print("| load alone | iterations, s | foreground, s | error, p95 % | ± % (median) | inside |")
    print("|---|---|---|---|---|---|")
    for load, (usual, seconds) in product(VARIED, LENGTHS):
        random = Random(1)
        trials = [rate_alone(load, random, usual, seconds) for _ in range(runs)]
        inside = sum(off <= band for off, band in trials) / runs
        late = sorted(off for off, _ in trials)[int(0.95 * runs)]
        band = median(band for _, band in trials)
        missed += inside < BAR_ALONE and not load.slow
        print(
            f"| {load} | {usual:g} | {seconds:g} | {100 * late:.2f} | {100 * band:.2f} | "
            f"{inside:.3f} |",
            flush=True,
        )
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="of each world")
    options = parser.parse_args()
    missed = 0
    print("| background | slowdown, p95 (max) % | lost work, p95 (max) % | inside |")
    print("|---|---|---|---|")
    for world in WORLDS:
        random = Random(1)
        drawn = [
            replace(world, slow=random.uniform(0.5, 0.95), beside=random.uniform(60, 180))
            for _ in range(options.runs)
        ]
        trials = [judged(run(one, random)) for one in drawn]
        inside = [one for trial in trials for one in trial.inside]
        share, cells = sum(inside) / len(inside), []
        for errors in ([t.slowdown for t in trials], [t.lost for t in trials]):
            late = sorted(errors)[int(0.95 * len(errors))]
            missed += late > BAR_ERROR
            cells.append(f"{100 * late:.2f} ({100 * max(errors):.2f})")
        missed += share < BAR_INSIDE
        print(f"| {world} | {' | '.join(cells)} | {share:.3f} |", flush=True)
    missed += rates_alone(options.runs)
    print(f"{missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
