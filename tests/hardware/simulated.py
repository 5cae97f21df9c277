"""Counters of known loads, read on a simulated clock as the sampler reads them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import exp, floor, log
from random import Random

from energyctl.energy import CounterSeries, Domain, Span
from energyctl.meters import Reading
from energyctl.meters.probe import (
    FINE_SECONDS,
    LOOK_SECONDS,
    PERIOD_LOOKS,
    PERIOD_MOVES,
    ProbedDomain,
)
from energyctl.meters.simulation import SimulatedSampler

EPOCH = 1_700_000_000.0
GPU = Domain(
    "gpu-0", "gpu", "counter", resolution_joules=0.001, update_seconds=0.1, max_watts=1400.0
)
RAPL = Domain(
    "package-0", "cpu", "counter", resolution_joules=2.0**-14, update_seconds=0.001, max_watts=800.0
)
Segments = list[tuple[float, float]]


class Load:
    """Power in flat pieces (seconds, watts), the last of which goes on."""

    def __init__(self, segments: Segments) -> None:
        self._times = list(accumulate((s for s, _ in segments), initial=0.0))
        self._watts = [w for _, w in segments] + [segments[-1][1]]
        self._joules = list(accumulate((s * w for s, w in segments), initial=0.0))

    def joules(self, time: float) -> float:
        i = max(0, bisect_right(self._times, time) - 1)
        return self._joules[i] + self._watts[i] * max(0.0, time - self._times[i])

    def beside(self, other: Load) -> Load:
        """Both together."""
        times = sorted({*self._times, *other._times})
        ends = [*times[1:], times[-1] + 1.0]
        both = [(b - a, self.watts(a) + other.watts(a)) for a, b in zip(times, ends, strict=True)]
        return Load(both)

    def watts(self, time: float) -> float:
        return self._watts[max(0, bisect_right(self._times, time) - 1)]


@dataclass(frozen=True)
class Counter:
    """How a counter shows its energy: it moves each `period` seconds, in steps whose instants vary
    by the share `jitter`; `missed` of its updates do not come; each tells what had flowed `delay`
    seconds before, or what its sensor takes that to be: it sees the last `seen` seconds of each."""

    period: float
    jitter: float = 0.0
    missed: float = 0.0
    delay: float = 0.0
    seen: float | None = None

    def shown(self, load: Load, seconds: float, unit: float, random: Random) -> Shown:
        first = random.uniform(-1, 0) * self.period
        updates = [
            first + self.period * (i + self.jitter * random.uniform(-0.5, 0.5))
            for i in range(int(seconds / self.period) + 3)
        ]
        kept = updates[:1] + [u for u in updates[1:] if random.random() >= self.missed]
        kept.sort()
        joules = [load.joules(u - self.delay) for u in kept]
        if self.seen is not None:
            joules = list(accumulate(self._taken(load, a, b) for a, b in pairwise([0.0, *kept])))
        return Shown(kept, [floor(j / unit) * unit for j in joules])

    def _taken(self, load: Load, before: float, now: float) -> float:
        assert self.seen
        flowed = load.joules(now - self.delay) - load.joules(now - self.delay - self.seen)
        return flowed / self.seen * (now - before)


@dataclass(frozen=True)
class Shown:
    times: list[float]
    joules: list[float]

    def at(self, time: float) -> float:
        return self.joules[max(0, bisect_right(self.times, time) - 1)]


def as_seen(domain: Domain, shown: Shown, now: float, random: Random) -> Domain:
    """The domain after a look how often its counter moves."""
    probed = ProbedDomain(domain)
    for _ in range(PERIOD_LOOKS):
        probed.add(Reading(domain.name, now, shown.at(now)))
        now += LOOK_SECONDS + 2e-4 * random.uniform(0.6, 1.4)
        if len(probed.moves()) >= PERIOD_MOVES:
            break
    return probed.as_seen()


def read_as_sampled(
    domain: Domain,
    shown: Shown,
    edges: Sequence[float],
    random: Random,
    *,
    before: float | None = None,
) -> CounterSeries:
    """From `before` the first edge on; the edges are begins of phases, the last one the end."""
    sampler = SimulatedSampler({domain: shown.at}, random, epoch=EPOCH)
    sampler.run(edges, before)
    series = sampler.series[domain.name]
    assert isinstance(series, CounterSeries)
    return series


# -- loads: what the machine draws around a run from `start` to `end` ------------------------------


def full(random: Random, start: float, end: float) -> Load:
    """Idle, then full power up to the exit, then idle."""
    return Load([(start, 70.0), (end - start, 600.0), (4.0, 90.0)])


def training(random: Random, start: float, end: float) -> Load:
    """Iterations all the time: the run is no more than a stretch of them."""
    return Load([(random.uniform(0.001, 0.3), 100.0), *iterations(random, end + 3)])


def beside(random: Random, start: float, end: float) -> Load:
    """A foreground at full power on top of a background's iterations."""
    background = Load([(0.05, 100.0), *iterations(random, end + 3, peak=300.0)])
    return background.beside(Load([(start, 0.0), (end - start, 220.0), (8.0, 0.0)]))


def constant(random: Random, start: float, end: float) -> Load:
    return Load([(end + 5, 200.0)])


def square(random: Random, start: float, end: float) -> Load:
    """Half a second each."""
    halves = [(0.5, 300.0), (0.5, 80.0)] * (int(end) + 8)
    return Load([(random.uniform(0.01, 1), 80.0), *halves])


def bursts(random: Random, start: float, end: float) -> Load:
    segments: Segments = []
    while sum(seconds for seconds, _ in segments) < end + 5:
        segments.append((random.expovariate(2) + 0.005, 80.0))
        segments.append((random.uniform(0.005, 0.15), 500.0))
    return Load(segments)


def iterations(random: Random, seconds: float, peak: float | None = None) -> Segments:
    """A pause for data, forward and backward passes, the optimizer; of 30 to 500 ms in all."""
    usual = exp(random.uniform(log(0.03), log(0.5)))
    pause, last = random.uniform(0.0, 0.3), random.uniform(0.05, 0.2)
    peak = peak or random.uniform(250, 650)
    segments: Segments = []
    time = 0.0
    while time < seconds + 5:
        length = max(usual / 3, usual * random.gauss(1, 0.03))
        segments.append((length * pause, 105.0))
        segments.append((length * (1 - pause - last), peak))
        segments.append((length * last, peak * 0.6))
        time += length
    return segments


LOADS: dict[str, Callable[[Random, float, float], Load]] = {
    load.__name__: load for load in (full, training, beside, constant, square, bursts)
}


@dataclass(frozen=True)
class Run:
    """One run: what was found, and the truth."""

    span: Span
    truth: float

    @property
    def error(self) -> float:
        assert self.span.joules is not None, self.span.missing
        return abs(self.span.joules - self.truth)

    @property
    def inside(self) -> bool:
        uncertainty = self.span.uncertainty_joules
        return uncertainty is not None and self.error <= uncertainty


def run(domain: Domain, counter: Counter, load: str, random: Random) -> Run:
    """A run of 5 to 20 s at a random place of the counter's steps."""
    start = 2.0 + random.random()
    end = start + random.uniform(5, 20)
    drawn = LOADS[load](random, start, end)
    shown = counter.shown(drawn, end + 3, domain.resolution_joules, random)
    if domain.update_seconds < FINE_SECONDS:
        domain = as_seen(domain, shown, start - 0.6, random)
    series = read_as_sampled(domain, shown, [start, end], random)
    return Run(series.between(EPOCH + start, EPOCH + end), drawn.joules(end) - drawn.joules(start))


def run_many(
    count: int, read_seconds: float, load: str, random: Random, *, seconds: float = 10.0
) -> list[Run]:
    """A run on so many GPUs, each of which is asked in a call of its own, one after the other."""
    start = 9.0 + random.random()
    end = start + seconds
    values, loads = {}, []
    for index in range(count):
        loads.append(LOADS[load](random, start, end))
        counter = Counter(0.1 * random.uniform(0.99, 1.01), jitter=0.05)
        shown = counter.shown(loads[-1], end + 9, GPU.resolution_joules, random)
        values[replace(GPU, name=f"gpu-{index}")] = shown.at
    sampler = SimulatedSampler(values, random, read_seconds=read_seconds, epoch=EPOCH)
    sampler.run([start, end])
    spans = [series.between(EPOCH + start, EPOCH + end) for series in sampler.series.values()]
    truths = [load.joules(end) - load.joules(start) for load in loads]
    return [Run(span, truth) for span, truth in zip(spans, truths, strict=True)]
