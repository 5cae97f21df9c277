"""Runs on a simulated GPU, alone and beside a background: what happens, phase by phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from random import Random

from benchmarks.baselines import CLEAN, Meter
from benchmarks.shared_gpu import (
    BACKGROUND,
    FOREGROUND,
    HOLDER,
    OTHER,
    Gpu,
    Physics,
    Process,
    Program,
    Stage,
)
from energyctl.config.settings import Settle
from energyctl.energy import Phase
from energyctl.results.cycles import BETWEEN_SECONDS, Cycle, blocks_wanted
from energyctl.results.job_pieces import Counts, Mark
from energyctl.results.ledger import Past
from hardware.simulated import EPOCH

GAP_SECONDS = 0.05
"""From one iteration to the next."""

VARIED = 0.02
"""Standard deviation of the work of an iteration, as a share of it."""

LINE_SECONDS = 0.2
"""Within which a line was seen."""

COOLDOWN_SECONDS = 60.0
NOTHING = Program((Stage(1.0, 0.0, 0.0),), 1.0, 0.0)
"""Opens a context, and launches no kernel."""


@dataclass(frozen=True)
class Case:
    """A pair: what runs, on which GPU, and what is odd about it.

    window: seconds of a sample of utilisation, in whole percents, *cut* or rounded. other: a
    foreign program beside both. restarted: whether the background is killed while the training
    runs. hot: the phase in which heat holds the clock down. lost: share of the samples that is lost
    beside. held: whether there was a phase with a context held.
    """

    foreground: Program
    background: Program
    physics: Physics
    window: float = 0.2
    cut: bool = False
    source: str = "accounting"
    other: Program | None = None
    restarted: bool = False
    hot: str | None = None
    lost: float = 0.0
    held: bool = True
    meter: Meter = CLEAN
    settle: Settle = field(default_factory=Settle)


# -- one run ---------------------------------------------------------------------------------------


class Background:
    """Iteration after iteration of a program; *kill_at*: when one is killed, and starts anew."""

    def __init__(self, program: Program, now: float, random: Random) -> None:
        self._program, self._random = program, random
        self._process = self._next()
        self._started, self._starts, self.kill_at = now, now, inf
        self.iterations: list[Past] = []
        self.counts: dict[int, Counts] = {}

    def present(self, now: float) -> list[tuple[int, Process]]:
        return [(BACKGROUND, self._process)] if now >= self._starts else []

    def seconds_left(self, now: float) -> float:
        """Until something has to be done about it."""
        return min(self._starts - now if now < self._starts else inf, self.kill_at - now)

    def look(self, now: float) -> None:
        if now >= self.kill_at:
            self.kill_at = inf
            self.end(now, whole=False)
            self._starts = self._started = now + 3.0
        elif now >= self._starts and self._process.finished:
            self.end(now, whole=True)
            self._starts = self._started = now + GAP_SECONDS

    def end(self, now: float, *, whole: bool) -> None:
        """Notes the iteration."""
        run, lines = len(self.iterations) + 1, self._program.lines
        self.iterations.append(Past(EPOCH + self._started, EPOCH + now, not whole, whole, run))
        if lines:
            marks = [
                Mark(EPOCH + time, EPOCH + time + LINE_SECONDS, number)
                for time, number in self._process.seen
            ]
            self.counts[run] = Counts(marks, len(marks), lines)
        self._process = self._next()

    def _next(self) -> Process:
        return Process(self._program, self._program.work * self._random.gauss(1, VARIED))

    @property
    def cycles(self) -> list[Cycle]:
        now = Past(EPOCH + self._started, inf, False, False, 0)
        return [
            Cycle(one.started, then.started)
            for one, then in pairwise([*self.iterations, now])
            if one.whole and then.started - one.ended <= BETWEEN_SECONDS
        ]


class Line:
    """The time line of one run."""

    def __init__(self, case: Case, random: Random, heat: float) -> None:
        self.case, self.random = case, random
        self.gpu = Gpu(case.physics, heat)
        self.phases: list[Phase] = []
        self.background: Background | None = None
        self.loaded = False
        self._present: list[tuple[int, Process]] = []
        self._rest(1.0)

    def rest(self, name: str, seconds: float, *, holding: bool = False) -> None:
        self._present = [(HOLDER, Process(NOTHING))] if holding else []
        start = self.gpu.now
        self._rest(seconds)
        self._ended(name, start)

    def wait(self, name: str, until: Callable[[], bool], *present: tuple[int, Process]) -> None:
        self._present, start = list(present), self.gpu.now
        self.gpu.hot = self.case.hot == name
        while not until():
            self._step(inf)
        self._ended(name, start)
        self._present, self.gpu.hot = [], False

    def load_alone(self, wanted: Callable[[], int]) -> None:
        """Until so many whole iterations are seen from now on; then a little longer."""
        assert self.background is not None
        since, background = EPOCH + self.gpu.now, self.background

        def seen() -> bool:
            return sum(cycle.start >= since for cycle in background.cycles) >= max(1, wanted())

        late = self.random.uniform(0.1, 0.5)
        start = self.gpu.now
        self.wait("background_only", seen)
        self._rest(late)
        self.phases.pop()
        self._ended("background_only", start)

    def _rest(self, seconds: float) -> None:
        end = self.gpu.now + seconds
        while self.gpu.now < end - 1e-9:
            self._step(end - self.gpu.now)

    def _step(self, most: float) -> None:
        present = list(self._present)
        if self.background is not None and self.loaded:
            self.background.look(self.gpu.now)
            most = min(most, max(1e-6, self.background.seconds_left(self.gpu.now)))
            present += self.background.present(self.gpu.now)
        self.gpu.step(present, most)

    def _ended(self, name: str, start: float) -> None:
        self.phases.append(Phase(name, EPOCH + start, EPOCH + self.gpu.now))


def run(case: Case, random: Random, heat: float, *, beside: bool) -> Line:
    """Idle, a context held, the load alone, the training, the load alone, the cool-down."""
    line = Line(case, random, heat)
    line.rest("idle", random.uniform(10, 20))
    if case.held:
        line.rest("context_held", 10.0, holding=True)
    if beside:
        line.background = background = Background(case.background, line.gpu.now, random)
        line.loaded = True
        line.wait("background_start", lambda: len(background.iterations) > 0)
        usual = background.iterations[0].ended - background.iterations[0].started
        wanted = blocks_wanted(usual, case.settle.seconds)
        line.load_alone(lambda: wanted)
        if case.restarted:
            background.kill_at = line.gpu.now + random.uniform(0.3, 0.7) * case.foreground.work
    process, others = Process(case.foreground), list[tuple[int, Process]]()
    if beside and case.other is not None:
        others.append((OTHER, Process(case.other)))
    line.wait("foreground", lambda: process.finished, (FOREGROUND, process), *others)
    if line.background is not None:
        line.load_alone(lambda: wanted)
        line.background.end(line.gpu.now, whole=False)
        line.loaded = False
    line.rest("cooldown", COOLDOWN_SECONDS)
    return line
