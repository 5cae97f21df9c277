"""What the GPU is made to do, step by step, and how its counter is looked at meanwhile."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

from energyctl.energy import Domain, Recording
from energyctl.errors import MachineError
from energyctl.meters.acceptance import estimators, judgements
from energyctl.meters.acceptance.estimators import Burst, Delay, Staircase
from energyctl.meters.acceptance.judgements import Finding, Metered
from energyctl.meters.acceptance.load import UNIT_SECONDS, GpuLoad
from energyctl.meters.acceptance.watch import CounterWatch
from energyctl.meters.base import Source, states_of
from energyctl.meters.discovery import RelabelledSource
from energyctl.meters.sampler import Sampler

# Rhythms by how many of the counter's periods theirs is, and where in one they begin. Those in time
# with the counter begin at two places: a sensor that sees a part of each cannot be right at both.
RHYTHMS = ((1.0, 0.0), (1.0, 0.25), (1.37, 0.0), (0.82, 0.0), (2.0, 0.0), (7.3, 0.0))
LEVELS = (0.3, 0.6, 1.0)
WORKS = (1, 2, 4)
# Of a pulse, so much is looked at after its edge.
REACH = 0.7
POWER_SECONDS = 0.1
# Steps of the counter that are looked at around what is of interest.
BEFORE_STEPS, AFTER_STEPS = 20, 4
PATIENCE_SECONDS = 5.0
# A load that something is done beside is so many times as long: the GPU may become faster.
LONGER = 1.3


@dataclass(frozen=True)
class Schedule:
    """How long each step takes. settle_seconds: until a power reading, a mean over a second, shows
    the load; rest_seconds: between two loads."""

    quiet_seconds: float = 10.0
    counter_seconds: float = 30.0
    idle_parts: int = 6
    idle_part_seconds: float = 10.0
    pulses: int = 28
    pulse_seconds: float = 1.0
    rhythm_seconds: float = 16.0
    level_seconds: float = 18.0
    settle_seconds: float = 3.0
    work_seconds: float = 11.0
    repeats: int = 10
    repeat_seconds: float = 8.0
    around_seconds: float = 8.0
    null_seconds: float = 12.0
    rest_seconds: float = 1.5


TEN_MINUTES = Schedule()


@dataclass
class Bench:
    """One GPU and what was found of it so far. gpus: of the machine, read one after the other."""

    source: Source
    domain: Domain
    load: GpuLoad
    gpus: int
    schedule: Schedule
    update_seconds: float = 0.1
    idle_watts: float = 0.0
    delay: Delay | None = None

    @property
    def late_seconds(self) -> float:
        return self.delay.seconds if self.delay else 0.0

    def rest(self, seconds: float | None = None) -> None:
        """Lets the GPU do nothing."""
        time.sleep(self.schedule.rest_seconds if seconds is None else seconds)

    def work(self, seconds: float) -> Burst:
        """Of so many seconds, as the GPU was when the load started, after a rest."""
        self.rest()
        return self.load.run(seconds / UNIT_SECONDS)


def steps(bench: Bench) -> Iterator[Finding]:
    """All but the first, which is of the whole machine; no more than one where the counter's steps
    cannot be located. MachineError where the GPU does not work, or its counter cannot be read."""
    with CounterWatch(bench.source, bench.domain) as watch:
        found = counter(bench, watch)
        yield found
        if "update_seconds" not in found.figures:
            return
        for step in (idle, delay, alias, steady, work):
            yield step(bench, watch)
    for metered in (repeats, null):
        yield metered(bench)


def counter(bench: Bench, watch: CounterWatch) -> Finding:
    began = time.monotonic()
    bench.rest(bench.schedule.counter_seconds)
    periods = watch.staircase(began).periods()
    found = estimators.pace(periods) if len(periods) > 2 else None
    if found is not None:
        bench.update_seconds = found.seconds
    return judgements.counter(found, watch.call_seconds, bench.gpus)


def idle(bench: Bench, watch: CounterWatch) -> Finding:
    began, part = time.monotonic(), bench.schedule.idle_part_seconds
    bench.rest(part * bench.schedule.idle_parts)
    begins = [began + part * i for i in range(bench.schedule.idle_parts)]
    stairs = _stairs(bench, watch, began, begins[-1] + part)
    means = [stairs.mean_watts(begin, begin + part) for begin in begins]
    bench.idle_watts = fmean(means)
    return judgements.idle(means)


def delay(bench: Bench, watch: CounterWatch) -> Finding:
    began, seconds = time.monotonic(), bench.schedule.pulse_seconds
    pulses = []
    for _ in range(bench.schedule.pulses):
        bench.rest(seconds * random.uniform(1.0, 1.1))
        pulses.append(bench.load.run(seconds * random.uniform(1.0, 1.1) / UNIT_SECONDS))
    stairs = _stairs(bench, watch, began, pulses[-1].ended + REACH * seconds)
    shortest = min(pulse.seconds for pulse in pulses)
    bench.delay = estimators.delay(stairs, pulses, REACH * min(seconds, shortest))
    return judgements.delay(bench.delay)


def alias(bench: Bench, watch: CounterWatch) -> Finding:
    began = time.monotonic()
    bursts = {}
    for periods, place in RHYTHMS:
        bench.rest()
        period = periods * bench.update_seconds
        count = max(1, round(bench.schedule.rhythm_seconds / period))
        time.sleep(_until(bench, watch, place))
        units = period / 2 / UNIT_SECONDS
        name = f"{periods:g} periods" + (f" + {place:g}" if place else "")
        bursts[name] = bench.load.run(units, count=count, period=period)
    return judgements.alias(_per_unit(bench, watch, began, bursts))


def steady(bench: Bench, watch: CounterWatch) -> Finding:
    schedule, levels = bench.schedule, []
    for share in LEVELS:
        bench.rest()
        began = time.monotonic()
        bench.load.begin(schedule.level_seconds / UNIT_SECONDS, share=share)
        readings = []
        while not bench.load.done():
            time.sleep(POWER_SECONDS * random.uniform(0.5, 1.5))
            readings += [(time.monotonic(), watts) for watts in _power(bench)]
        burst = bench.load.wait()
        start = burst.began + schedule.settle_seconds
        end = burst.ended - 2 * bench.update_seconds
        read = [watts for taken, watts in readings if start <= taken <= end]
        stairs = _stairs(bench, watch, began, end)
        late = bench.late_seconds
        counted = stairs.mean_watts(start + late, end + late)
        levels.append((counted, fmean(read) if read else None))
    return judgements.steady(levels)


def work(bench: Bench, watch: CounterWatch) -> Finding:
    began, seconds = time.monotonic(), bench.schedule.work_seconds
    bench.work(seconds)  # until it is warm
    bursts = {f"{factor} ×": bench.work(factor * seconds) for factor in WORKS}
    return judgements.work(_per_unit(bench, watch, began, bursts))


def repeats(bench: Bench) -> Finding:
    runs = []
    for _ in range(bench.schedule.repeats):
        bench.rest(bench.schedule.rest_seconds + bench.update_seconds * random.random())
        seconds = bench.schedule.repeat_seconds * random.uniform(0.95, 1.05)
        units = seconds / UNIT_SECONDS
        (run,) = _metered(bench, partial(bench.load.run, units))
        runs.append(replace(run, units=units))
    return judgements.repeats(runs)


def null(bench: Bench) -> Finding:
    schedule = bench.schedule
    around, during = schedule.around_seconds, schedule.null_seconds
    parts = [partial(bench.rest, seconds) for seconds in (around, during, around)]
    bench.rest(schedule.settle_seconds)
    alone = _metered(bench, *parts)
    whole = 2 * schedule.settle_seconds + 2 * around + during
    bench.load.begin(LONGER * whole / UNIT_SECONDS)
    bench.rest(schedule.settle_seconds)
    beside = _metered(bench, *parts)
    bench.load.wait()
    return judgements.null({"alone": alone, "beside a load": beside})


def _stairs(bench: Bench, watch: CounterWatch, began: float, ended: float) -> Staircase:
    """The steps from a little before one instant to a little after another.

    Waits for those that are still to come; MachineError where they do not.
    """
    since = began - BEFORE_STEPS * bench.update_seconds
    late = ended + AFTER_STEPS * bench.update_seconds + max(0.0, bench.late_seconds)
    bench.rest(max(0.0, late - time.monotonic()))
    while not (stairs := watch.staircase(since)).covers(began, late):
        if time.monotonic() > late + PATIENCE_SECONDS:
            raise MachineError(
                f"{bench.domain.name}: its counter could not be followed: it stands still, or the "
                "machine is too busy to read it each millisecond"
            )
        bench.rest(bench.update_seconds)
    return stairs


def _per_unit(
    bench: Bench, watch: CounterWatch, began: float, bursts: dict[str, Burst]
) -> dict[str, float]:
    stairs = _stairs(bench, watch, began, max(burst.ended for burst in bursts.values()))
    return {
        name: estimators.joules_per_unit(stairs, burst, bench.late_seconds, bench.idle_watts)
        for name, burst in bursts.items()
    }


def _until(bench: Bench, watch: CounterWatch, place: float) -> float:
    """Seconds until the counter is at that place of a period, some periods from now."""
    period, now = bench.update_seconds, time.monotonic()
    times = watch.staircase(now - 20 * period).times
    last = times[-1] if times else now
    return (last + place * period - now) % period


def _power(bench: Bench) -> list[float]:
    """Its reading, where there is one."""
    watts = [state.power_watts for state in states_of(bench.source)]
    return [one for one in watts if one is not None]


def _metered(bench: Bench, *parts: Callable[[], object]) -> list[Metered]:
    """Energies of the GPU while each of the parts ran, by the sampler of every campaign."""
    domain = bench.domain
    if bench.delay is not None:
        domain = replace(
            domain,
            delay_seconds=bench.delay.seconds,
            delay_within_seconds=bench.delay.within_seconds,
        )
    others = [domain if d == bench.domain else d for d in bench.source.domains()]
    sampler = Sampler([RelabelledSource(bench.source, others)])
    sampler.start()
    try:
        sampler.wait_until_located()
        for index, part in enumerate(parts):
            sampler.phase(f"part {index}", after_reading=True)
            part()
    finally:
        recording = sampler.stop()
    return [_figures(recording, domain, p.start, p.end) for p in recording.phases]


def _figures(recording: Recording, domain: Domain, start: float, end: float) -> Metered:
    entry = next(d for d in recording.energy(start, end).domains if d.domain.name == domain.name)
    if entry.joules is None or entry.uncertainty_joules is None or entry.own_joules is None:
        raise MachineError(f"{domain.name}: {entry.missing}")
    return Metered(end - start, entry.joules, entry.uncertainty_joules, entry.own_joules)
