"""Worlds in which energy is shared: what runs, on what, and what is odd about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from benchmarks.baselines import Meter
from benchmarks.shared_gpu import BACKGROUND, FOREGROUND, Physics, Program, Stage, drawn
from benchmarks.shared_runs import NOTHING, Case

CLOSURE = "the references explain"


@dataclass(frozen=True)
class World:
    """refused: a part of the reason for which its pairs are, always or else some. bars: median and
    95th percentile of the error, median half-width. asleep: the side that launches no kernel.
    twins: both sides run the same."""

    name: str
    case: Callable[[Random], Case]
    refused: str = ""
    always: bool = False
    bars: tuple[float, float, float] | None = None
    asleep: Callable[[Case], int] | None = None
    twins: bool = False


def timeslice(random: Random) -> Case:
    """Two trainings whose kernels run in turn."""
    physics = Physics(random.uniform(50, 90), random.uniform(26, 66), random.uniform(0, 12))
    lines, known = random.choice([0, 0, 5, 10]), random.random() < 0.5
    return Case(
        drawn(random, random.uniform(60, 150), random.uniform(1, 5)),
        drawn(random, random.uniform(4, 12), random.uniform(0.5, 3), lines),
        physics,
        window=random.uniform(1 / 6, 0.25),
        cut=random.random() < 0.5,
        source=random.choice(["accounting", "utilization"]),
        meter=Meter(delay=random.uniform(0, 0.2 if known else 0.1), known=known),
    )


def cap(random: Random) -> Case:
    """The power limit holds the clock down."""
    case = timeslice(random)
    physics = replace(
        case.physics,
        limit=random.uniform(150, 330),
        power_exponent=random.uniform(1, 2.5),
        speed_exponent=random.uniform(0.3, 1),
    )
    return replace(case, physics=physics)


def contend(random: Random) -> Case:
    """Beside the other each draws more or less, and is slower."""
    case = timeslice(random)
    physics = replace(
        case.physics,
        changed_watts=(random.uniform(0.88, 1.12), random.uniform(0.88, 1.12)),
        changed_speed=(random.uniform(0.85, 1), random.uniform(0.85, 1)),
    )
    return replace(case, physics=physics)


def mps(random: Random) -> Case:
    """Kernels of both run at the same time."""
    case = timeslice(random)
    physics = replace(
        case.physics,
        together=True,
        peaks=(random.uniform(200, 350), random.uniform(80, 200)),
        bends=(random.uniform(0.5, 1.2), random.uniform(0.4, 1)),
    )
    return replace(case, physics=physics)


def foreign(random: Random) -> Case:
    """A third program, of nobody."""
    return replace(timeslice(random), other=drawn(random, random.uniform(5, 30), 0.0))


def lost(random: Random) -> Case:
    """A tenth of the samples of utilisation."""
    return replace(timeslice(random), lost=0.1)


def other_stage(random: Random) -> Case:
    """The background is in a stage of quite another power beside the training."""
    case = timeslice(random)
    before, beside = random.uniform(80, 420), random.uniform(80, 420)
    background = Program(
        [replace(case.background.stages[0], watts=before)],
        case.background.dwell,
        case.background.work,
        case.background.importing,
    )
    physics = replace(case.physics, changed_watts=(1.0, beside / before))
    return replace(case, background=background, physics=physics)


def restarted(random: Random) -> Case:
    """The background is killed in the middle, and starts anew."""
    return replace(timeslice(random), restarted=True)


def heat(random: Random) -> Case:
    """Heat holds the clock down in one of the phases."""
    physics = replace(
        timeslice(random).physics,
        power_exponent=random.uniform(1, 2.5),
        speed_exponent=random.uniform(0.3, 1),
    )
    hot = random.choice(["background_only", "foreground"])
    return replace(timeslice(random), physics=physics, hot=hot)


def not_held(random: Random) -> Case:
    """No phase with a context held."""
    return replace(timeslice(random), held=False)


def sleeper(random: Random) -> Case:
    """One of both opens a context, and launches nothing."""
    case = timeslice(random)
    if random.random() < 0.5:
        return replace(case, foreground=replace(NOTHING, asleep=random.uniform(90, 240)))
    return replace(case, background=replace(NOTHING, asleep=random.uniform(4, 12)))


def asleep(case: Case) -> int:
    return FOREGROUND if case.foreground.work == 0 else BACKGROUND


def twins(random: Random) -> Case:
    """The same program on both sides, of one stage."""
    stage = Stage(random.uniform(0.02, 0.4), random.uniform(0, 0.1), random.uniform(80, 420))
    case = timeslice(random)
    return replace(
        case,
        foreground=Program([stage], 10.0, random.uniform(60, 150)),
        background=Program([stage], 10.0, random.uniform(4, 12)),
    )


WORLDS = (
    World("in turn", timeslice, bars=(0.02, 0.06, 0.10)),
    World("power limit", cap),
    World("contention", contend),
    World("at the same time (MPS)", mps),
    World("reference of another stage", other_stage, CLOSURE),
    World("background restarted", restarted),
    World("sleeper", sleeper, asleep=asleep),
    World("twins", twins, twins=True),
    World("foreign process", foreign, "a foreign process was on it", always=True),
    World("samples lost", lost, "who kept it busy is not known", always=True),
    World("heat in one phase", heat, "heat held its clocks down", always=True),
    World("no context held", not_held, 'no phase "context held"', always=True),
)
