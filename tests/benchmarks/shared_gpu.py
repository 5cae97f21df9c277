"""A simulated GPU that trainings share, and what is true of it: who drew what, at each moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, inf
from random import Random
from typing import NamedTuple

LONGEST_SLICE, CONTROLLED_SLICE = 0.25, 0.05
LIMIT_SECONDS, WARMING_SECONDS, WARMING_WATTS = 0.5, 60.0, 300.0
TINY = 1e-9

FOREGROUND, BACKGROUND, OTHER, HOLDER = range(4)
"""Sides; the holder opens a context and does nothing."""


@dataclass(frozen=True)
class Stage:
    """A kernel of so many seconds at full speed, then the host's seconds; watts of specific power.
    arithmetic: its need of the arithmetic units, the rest of 1.1 of the memory."""

    kernel: float
    host: float
    watts: float
    arithmetic: float = 0.5


@dataclass(frozen=True)
class Program:
    """Seconds: importing, without a context; work: of kernels at full speed, stage after stage of
    *dwell* each; asleep: then, with its context. lines: so often it says how far it is."""

    stages: Sequence[Stage]
    dwell: float
    work: float
    importing: float = 0.0
    asleep: float = 0.0
    lines: int = 0


class Process:
    """A program that runs."""

    def __init__(self, program: Program, work: float | None = None) -> None:
        self.program = program
        self.work = program.work if work is None else work
        self.done = self.host = self.kernel = 0.0
        self.importing, self.asleep = program.importing, program.asleep
        self.seen: list[tuple[float, int]] = []
        """When it said how far it was, and how many of its lines that was."""
        self._next_kernel()

    @property
    def stage(self) -> Stage:
        stages = self.program.stages
        return stages[int(self.done / self.program.dwell + TINY) % len(stages)]

    @property
    def has_context(self) -> bool:
        return self.importing <= 0

    @property
    def wants(self) -> bool:
        return self.importing <= 0 and self.host <= 0 and self.kernel > 0

    @property
    def finished(self) -> bool:
        return self.importing <= 0 and self.kernel <= 0 and self.host <= 0 and self.asleep <= 0

    def seconds_left(self, speed: float) -> float:
        """Until it does something else, where its kernels go on at such a speed."""
        if self.importing > 0:
            return self.importing
        if self.host > 0:
            return self.host
        if self.kernel > 0:
            return self.kernel / speed if speed else inf
        return self.asleep

    def go_on(self, seconds: float, speed: float, now: float) -> None:
        if self.importing > 0:
            self.importing = _less(self.importing, seconds)
        elif self.host > 0:
            self.host = _less(self.host, seconds)
        elif self.kernel > 0:
            step = min(self.kernel, seconds * speed)
            self.kernel = _less(self.kernel, step)
            self.done += step
            if self.kernel <= 0:
                self._say(now)
                self.host = self.stage.host
                self._next_kernel()
        else:
            self.asleep = _less(self.asleep, seconds)

    def _next_kernel(self) -> None:
        dwell = self.program.dwell
        rest = dwell - self.done % dwell
        rest = rest if rest > TINY else dwell
        self.kernel = max(0.0, min(self.stage.kernel, self.work - self.done, rest))
        if self.work - self.done < TINY:
            self.kernel = 0.0

    def _say(self, now: float) -> None:
        lines = self.program.lines
        while (
            len(self.seen) < lines and self.done > (len(self.seen) + 1) / lines * self.work - TINY
        ):
            self.seen.append((now, len(self.seen) + 1))


def _less(value: float, step: float) -> float:
    left = value - step
    return left if left > TINY else 0.0


@dataclass(frozen=True)
class Physics:
    """Watts: cold idle, of an open context, of leakage at full heat. limit: of what kernels draw.
    power_exponent, speed_exponent: of the clock. changed_watts, changed_speed: factors of
    foreground and background while both have a context. together: kernels run at the same time."""

    idle: float
    context: float
    leakage: float = 0.0
    limit: float = inf
    power_exponent: float = 1.0
    speed_exponent: float = 0.5
    changed_watts: tuple[float, float] = (1.0, 1.0)
    changed_speed: tuple[float, float] = (1.0, 1.0)
    together: bool = False
    peaks: tuple[float, float] = (250.0, 120.0)
    bends: tuple[float, float] = (0.8, 0.6)


class Slice(NamedTuple):
    """A stretch in which nothing changed. Rates per second of it; clock: share of the full one."""

    seconds: float
    watts: float
    foreground: float
    background: float
    other: float
    device: float
    foreground_context: float
    background_context: float
    both: float
    clock: float
    limited: float
    foreground_watts: float
    background_watts: float
    leakage: float
    context: float


@dataclass
class Gpu:
    """Goes on slice by slice. hot: heat holds its clock down."""

    physics: Physics
    heat: float = 0.0
    now: float = 0.0
    hot: bool = False
    slices: list[Slice] = field(default_factory=list)
    _clock: float = 1.0
    _mean: float = 0.0

    def step(self, present: Sequence[tuple[int, Process]], most: float) -> None:
        """One slice, of *most* seconds at most, with these processes by side."""
        physics = self.physics
        clock = 0.8 if self.hot else self._clock
        contexts = {side for side, process in present if process.has_context}
        both = FOREGROUND in contexts and BACKGROUND in contexts
        wants = [(side, process) for side, process in present if process.wants]
        busy, watts, speed = [0.0] * 4, [0.0] * 4, [0.0] * 4
        if physics.together:
            self._overlap(wants, busy, watts, speed)
        else:
            for side, process in wants:
                changed = both and side < OTHER
                share = busy[side] = 1 / len(wants)
                watts[side] = share * process.stage.watts * clock**physics.power_exponent
                speed[side] = share * clock**physics.speed_exponent
                if changed:
                    watts[side] *= physics.changed_watts[side]
                    speed[side] *= physics.changed_speed[side]
        seconds = min(most, CONTROLLED_SLICE if physics.limit < inf else LONGEST_SLICE)
        for side, process in present:
            seconds = min(seconds, process.seconds_left(speed[side]) or inf)
        kernels = watts[0] + watts[1] + watts[2]
        leakage, context = physics.leakage * self.heat, physics.context if contexts else 0.0
        total = physics.idle + context + leakage + kernels
        one = Slice(
            seconds, total, busy[0], busy[1], busy[2], float(bool(wants)),
            float(FOREGROUND in contexts), float(BACKGROUND in contexts), float(both), clock,
            float(clock < 1), watts[0], watts[1], leakage, context,
        )  # fmt: skip
        self.slices.append(one)
        self._control(kernels, seconds)
        aim = (total - physics.idle) / WARMING_WATTS
        self.heat = aim + (self.heat - aim) * exp(-seconds / WARMING_SECONDS)
        self.now += seconds
        for side, process in present:
            process.go_on(seconds, speed[side], self.now)

    def _control(self, kernels: float, seconds: float) -> None:
        limit = self.physics.limit
        if limit < inf:
            self._mean += seconds / LIMIT_SECONDS * (kernels - self._mean)
            self._clock += seconds * (limit - self._mean) / limit
            self._clock = min(1.0, max(0.4, self._clock))

    def _overlap(
        self,
        wants: Sequence[tuple[int, Process]],
        busy: list[float],
        watts: list[float],
        speed: list[float],
    ) -> None:
        """Power of arithmetic units and of memory, each a concave function of the sum of needs: by
        Aumann and Shapley it is divided as the needs are."""
        needs = [
            [(side, process.stage.arithmetic) for side, process in wants],
            [(side, 1.1 - process.stage.arithmetic) for side, process in wants],
        ]
        fullest = 0.0
        for part, peak, bend in zip(needs, self.physics.peaks, self.physics.bends, strict=True):
            need = sum(one for _, one in part)
            fullest = max(fullest, need)
            for side, one in part:
                watts[side] += peak * (1 - exp(-need / bend)) * one / need
        for side, _ in wants:
            busy[side], speed[side] = 1.0, 1 / max(1.0, fullest**0.8)


def drawn(random: Random, work: float, importing: float, lines: int = 0) -> Program:
    """A training of one to three stages, each of other kernels, hosts' times and powers."""
    stages = [
        Stage(
            random.uniform(0.02, 0.4),
            random.uniform(0, 0.25) * random.choice([0, 1, 1]),
            random.uniform(80, 420),
            random.uniform(0.1, 1),
        )
        for _ in range(random.randint(1, 3))
    ]
    return Program(stages, random.uniform(2, 12), work, importing, lines=lines)
