"""How uncertain the energy of a typical run will be: what the series make of a simulated one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from math import floor
from random import Random
from statistics import median

from energyctl.energy import Domain, Span
from energyctl.meters.schedule import ROUND_SECONDS
from energyctl.meters.simulation import READ_SECONDS, SimulatedSampler

# The run comes from idle, at this share of its power, and trains up to its exit; a part of each
# iteration goes by at idle power. No multiple of an iteration is one of a usual period.
IDLE_SHARE = 0.1
ITERATION_SECONDS, WORK_SECONDS = 0.43, 0.39
# Where it is not stated what a domain may draw at most, nor known what it draws now.
SOME_WATTS = 100.0
# Each begins and ends anywhere in a step of the counter.
RUNS, ANYWHERE_SECONDS = 7, 0.1
# Of integrated power the whole run counts, and its ends little.
POWER_RUNS = 2


@dataclass(frozen=True)
class TypicalEnergy:
    """Of a run of some length: its joules, and the half-width of their band; None where such runs
    have no figure, as of a slow meter."""

    joules: float | None
    uncertainty_joules: float | None

    @property
    def share(self) -> float | None:
        if self.joules is None or self.uncertainty_joules is None:
            return None
        return self.uncertainty_joules / self.joules


def typical_uncertainty(
    domain: Domain, seconds: float, *, read_seconds: float = READ_SECONDS, count: int = 1
) -> float | None:
    """Half-width of the band of a typical run of `seconds`, as a share of its energy."""
    return typical_energy(domain, seconds, read_seconds=read_seconds, count=count).share


def typical_energy(
    domain: Domain,
    seconds: float,
    *,
    watts_now: float | None = None,
    read_seconds: float = READ_SECONDS,
    count: int = 1,
) -> TypicalEnergy:
    """A run of `seconds` whose training draws half of what the domain may draw at most (twice its
    limit), else `watts_now`. read_seconds: of one call of its source; count: of domains like it,
    which are read one after the other."""
    limit = None if domain.remote else domain.max_watts  # of a plug it says nothing of the machine
    busy = limit / 2 if limit else watts_now or SOME_WATTS
    alike = replace(domain, name="", part=None, check=None)
    slow = count * read_seconds > ROUND_SECONDS
    return _median_run(alike, seconds, busy, read_seconds, count if slow else 1)


@cache
def _median_run(
    domain: Domain, seconds: float, busy: float, read_seconds: float, count: int
) -> TypicalEnergy:
    runs = RUNS if domain.quantity == "energy" else POWER_RUNS
    found: list[Span] = []
    while len(found) < runs:
        found += _run(domain, seconds, busy, read_seconds, count, Random(len(found)))
    known = [span for span in found if span.joules is not None]
    if not known:
        return TypicalEnergy(None, None)
    return TypicalEnergy(
        median(span.joules or 0.0 for span in known),
        median(span.uncertainty_joules or 0.0 for span in known),
    )


def _run(
    domain: Domain, seconds: float, busy: float, read_seconds: float, count: int, random: Random
) -> list[Span]:
    """Of each of `count` domains alike."""
    start = 9.0 + random.random()
    end = start + seconds + random.uniform(-ANYWHERE_SECONDS, ANYWHERE_SECONDS)
    shown = _counter if domain.quantity == "energy" else _power
    load = _Training(start, end, busy)
    values = {
        replace(domain, name=str(i)): shown(domain, load, random.random()) for i in range(count)
    }
    sampler = SimulatedSampler(values, random, read_seconds=read_seconds)
    sampler.run([start, end])
    return [series.between(start, end) for series in sampler.series.values()]


@dataclass(frozen=True)
class _Training:
    """Power from `start` to `end`, and beside that; seconds of one clock, watts."""

    start: float
    end: float
    busy: float

    def watts(self, time: float) -> float:
        inside = self.start <= time < self.end
        works = (time - self.start) % ITERATION_SECONDS < WORK_SECONDS
        return self.busy if inside and works else IDLE_SHARE * self.busy

    def joules(self, time: float) -> float:
        """Since 0."""
        seconds = min(max(0.0, time - self.start), self.end - self.start)
        iterations, rest = divmod(seconds, ITERATION_SECONDS)
        worked = iterations * WORK_SECONDS + min(rest, WORK_SECONDS)
        return self.busy * (IDLE_SHARE * time + (1 - IDLE_SHARE) * worked)


def _counter(domain: Domain, load: _Training, phase: float) -> Callable[[float], float]:
    """What it shows: a staircase, in whole units."""
    step, unit = domain.update_seconds, domain.resolution_joules
    late = domain.delay_seconds or 0.0

    def joules(time: float) -> float:
        flowed = load.joules((floor(time / step + phase) - phase) * step - late if step else time)
        return floor(flowed / unit) * unit if unit else flowed

    return joules


def _power(domain: Domain, load: _Training, phase: float) -> Callable[[float], float]:
    """What it shows: the mean before its last update."""
    step, window = domain.update_seconds, domain.averaging_seconds

    def watts(time: float) -> float:
        seen = (floor(time / step + phase) - phase) * step if step else time
        if not window:
            return load.watts(seen)
        return (load.joules(seen) - load.joules(seen - window)) / window

    return watts
