"""What twins tell of the division by activity: how far it is off where the truth is known.

Two identical kernels use the same energy for each pass, so of the energy above that of an idle
context each twin used the share of the passes that it did: half. Divided by activity it gets
`x / (x + y)`, x and y being specific power (watts above the held context for each second in which
a kernel ran, by the references alone) times busy seconds beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

from energyctl.energy.schema import GpuStateJson

LEAST_DIFFERENTIAL = 0.05
"""Equal kernels change alike; by how much unlike ones may differ they do not tell."""

UTILIZATION_STEP = 0.005  # half of the percent that drivers tell it in
# What is further off is said in a warning: share of the work, drift of a reference.
UNEVEN_WORK, DRIFT = 0.02, 0.02


@dataclass(frozen=True)
class Stretch:
    """Of one GPU under one load. own_joules: of the uncertainty, what is the stretch's own.

    busy_seconds, passes_per_second: of each load on it; passes of all the time of its load, some
    of which is before and after. clocks: of the GPU, and what held them down; None: not told.
    """

    seconds: float
    joules: float
    own_joules: float
    busy_seconds: tuple[float, ...] = ()
    passes_per_second: tuple[float, ...] = ()
    clocks: GpuStateJson | None = None

    @property
    def watts(self) -> float:
        return self.joules / self.seconds

    def busy(self, load: int = 0) -> float:
        """Share of the time in which a kernel of that load ran."""
        return self.busy_seconds[load] / self.seconds


@dataclass(frozen=True)
class Course:
    """All stretches: without a context, with one that does nothing, each twin alone, both, and the
    first one again."""

    idle: Stretch
    held: Stretch
    first: Stretch
    second: Stretch
    both: Sequence[Stretch]
    again: Stretch


@dataclass(frozen=True)
class Repeat:
    """Of one stretch with both. share: that the first twin gets; work_share: that it did;
    closure: energy above that of the held context that the references do not explain, as a share
    of it; resolution: what meters and utilisation alone may make of `differential`."""

    share: float
    work_share: float
    closure: float
    resolution: float

    @property
    def differential(self) -> float:
        """By how much the two specific powers changed differently, at least: of twins, an error of
        the share is a quarter of that. What both together changed by (the closure) may be
        another for each of two kernels that are no twins."""
        return max(4 * abs(self.share - self.work_share), abs(self.closure))


@dataclass(frozen=True)
class Twins:
    """What a course tells. bias: mean of the share less that of the work; drift: of the first
    twin's power above the held context, from its first to its last time alone."""

    repeats: Sequence[Repeat]
    differential: float
    bias: float
    drift: float
    context_watts: float
    throughput: float


def specific_watts(held: Stretch, alone: Stretch, load: int = 0) -> float:
    """Power above the held context in the seconds in which a kernel ran."""
    return (alone.watts - held.watts) / alone.busy(load)


def repeat(held: Stretch, first: Sequence[Stretch], second: Stretch, both: Stretch) -> Repeat:
    """first: the first twin alone, each time."""
    above = both.joules - held.watts * both.seconds
    x = fmean(specific_watts(held, one) for one in first) * both.busy_seconds[0]
    y = specific_watts(held, second) * both.busy_seconds[1]
    parts = [UTILIZATION_STEP / both.busy(load) for load in (0, 1)]
    for weight, alone in [*((1 / len(first), one) for one in first), (1.0, second)]:
        parts.append(weight * UTILIZATION_STEP / alone.busy())
        parts.append(weight * alone.own_joules / (alone.joules - held.watts * alone.seconds))
    return Repeat(
        share=x / (x + y),
        work_share=both.passes_per_second[0] / sum(both.passes_per_second),
        closure=(above - x - y) / above,
        resolution=sqrt(sum(part * part for part in parts)),
    )


def twins(course: Course) -> Twins:
    alone = (course.first, course.again)
    repeats = [repeat(course.held, alone, course.second, both) for both in course.both]
    worst = max(one.differential + one.resolution for one in repeats)
    before, after = (specific_watts(course.held, one) for one in alone)
    return Twins(
        repeats=repeats,
        differential=max(LEAST_DIFFERENTIAL, worst),
        bias=fmean(one.share - one.work_share for one in repeats),
        drift=after / before - 1,
        context_watts=course.held.watts - course.idle.watts,
        throughput=fmean(sum(both.passes_per_second) for both in course.both)
        / fmean(sum(one.passes_per_second) for one in (*alone, course.second)),
    )
