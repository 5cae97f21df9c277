"""Error of `energyctl meter` against known energy: python tests/benchmarks/accuracy.py --help

Each run is a process of its own, several at a time. A run that the machine was too busy for is
repeated, and counted as spoiled. Exit code 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.loads import LOADS, PLAIN
from benchmarks.metering import Part, Run, meter
from hardware.world import World, world

LONG_SECONDS = 60
LONG_BAR, SHORT_BAR = 0.1, 0.3  # percent, in the worst run
ATTEMPTS = 6


@dataclass(frozen=True)
class Cell:
    wave: str
    seconds: float
    interval: float

    @property
    def bar(self) -> float:
        return LONG_BAR if self.seconds >= LONG_SECONDS else SHORT_BAR


@dataclass(frozen=True)
class Outcome:
    """run: the first attempt that was not spoiled, or the last one."""

    cell: Cell
    run: Run
    spoiled: int


def attempts(cell: Cell, place: World) -> Outcome:
    """Edges fall anywhere: the length has a random fraction of a second, and so has the start."""
    spoiled = 0
    while True:
        run = meter(place, cell.seconds + random.random(), cell.interval)
        spoiled += run.spoiled is not None
        if run.spoiled is None or spoiled == ATTEMPTS:
            return Outcome(cell, run, spoiled)
        print(f"repeated: {cell}: {run.spoiled}", file=sys.stderr)


def line(cell: Cell, outcomes: Sequence[Outcome]) -> tuple[str, bool]:
    """(its row of the table, whether it is within the bars)."""
    fair = [o.run for o in outcomes if o.run.spoiled is None]
    spoiled = sum(o.spoiled for o in outcomes)
    head = f"| {cell.wave} | {cell.seconds:g} | {cell.interval:g} | {len(fair)} "
    if not fair:
        return f"{head}| | | | | | | {spoiled} |", False
    cells, good = [], True
    for part in ("cpu", "gpu"):
        figures = [run.parts[part] for run in fair]
        cells += _figures(figures)
        good &= all(abs(p.error) <= cell.bar and p.inside for p in figures)
    wraps = sum(r.wraps for r in fair), sum(r.early_wraps for r in fair)
    return f"{head}| {' | '.join(cells)} | {wraps[0]} ({wraps[1]}) | {spoiled} |", good


def _figures(figures: Sequence[Part]) -> list[str]:
    errors = [abs(p.error) for p in figures]
    inside = sum(p.inside for p in figures)
    return [
        f"{max(errors):.3f} ({median(errors):.3f})",
        f"{inside}/{len(figures)}, ± {max(p.uncertainty for p in figures):.3f}",
    ]


HEAD = (
    "| wave | s | interval | runs | CPU worst (median) % | inside, widest ± % "
    "| GPU worst (median) % | inside, widest ± % | wraps (in the first second) | spoiled |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def run_all(cells: Sequence[Cell], repeats: int, jobs: int) -> list[Outcome]:
    """Long runs first, so that the short ones fill the rest of the time."""
    todo = [cell for cell in cells for _ in range(repeats)]
    random.shuffle(todo)
    todo.sort(key=lambda cell: -cell.seconds)
    with ExitStack() as stack:
        names = sorted({cell.wave for cell in cells})
        worlds = {name: stack.enter_context(world(LOADS[name]())) for name in names}
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(attempts, cell, worlds[cell.wave]) for cell in todo]
            return [future.result() for future in futures]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=PLAIN)
    parser.add_argument("--seconds", type=float, nargs="+", default=[10, 60])
    parser.add_argument("--intervals", type=float, nargs="+", default=[0.1, 1, 10])
    parser.add_argument("--waves", nargs="+", choices=LOADS, default=list(LOADS))
    parser.add_argument("--repeats", type=int, default=2, help="runs of each kind (2)")
    parser.add_argument("--jobs", type=int, default=16, help="runs at a time (16)")
    parser.add_argument("--seed", type=int, default=None)
    return parser.parse_args()


def main() -> int:
    wanted = arguments()
    if shutil.which("cc") is None:
        print("this benchmark needs a C compiler (cc) for its stand-ins", file=sys.stderr)
        return 2
    random.seed(wanted.seed)
    kinds = product(wanted.waves, wanted.seconds, wanted.intervals)
    cells = [Cell(*kind) for kind in kinds]
    outcomes = run_all(cells, wanted.repeats, wanted.jobs)
    print(HEAD)
    missed = 0
    for cell in cells:
        text, good = line(cell, [o for o in outcomes if o.cell == cell])
        print(text + ("" if good else " MISSED"))
        missed += not good
    for outcome in outcomes:
        for name, part in outcome.run.parts.items():
            if part.missing:
                print(f"no figure: {outcome.cell}: {name}: {part.missing}")
    bars = f"bars: {LONG_BAR} % from {LONG_SECONDS} s on, {SHORT_BAR} % below, always inside"
    print(f"{bars}; missed by {missed} of {len(cells)} rows")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
