"""Counters of known faults, and what the estimators make of their steps."""

from __future__ import annotations

from random import Random

import pytest

from energyctl.meters.acceptance import estimators, judgements
from energyctl.meters.acceptance.estimators import Burst, Staircase
from energyctl.meters.acceptance.steps import REACH, RHYTHMS
from hardware.simulated import Counter, Load, Segments

IDLE, BUSY = 70.0, 450.0
LOCATED_SECONDS = 0.001  # between the two reads around a step


def seen(times: list[float], joules: list[float], random: Random) -> Staircase:
    blurred = [time + LOCATED_SECONDS * random.uniform(-0.5, 0.5) for time in times]
    return Staircase(blurred, joules, [index > 0 for index in range(len(times))])


def stairs(counter: Counter, load: Load, seconds: float, random: Random) -> Staircase:
    shown = counter.shown(load, seconds, 0.001, random)
    return seen(shown.times, shown.joules, random)


def part_time(load: Load, period: float, part: float, seconds: float, random: Random) -> Staircase:
    """Of a sensor that sees the last `part` seconds of each period alone."""
    times, joules, total = [], [], 0.0
    for index in range(int(seconds / period)):
        time = index * period
        total += (load.joules(time) - load.joules(time - part)) * period / part
        times.append(time)
        joules.append(total)
    return seen(times, joules, random)


def pulses(random: Random, count: int = 28, length: float = 1.0) -> tuple[Load, list[Burst]]:
    segments: Segments = []
    bursts, now = [], 0.0
    for _ in range(count):
        rest, busy = (length * random.uniform(1.0, 1.1) for _ in range(2))
        segments += [(rest, IDLE), (busy, BUSY)]
        bursts.append(Burst(now + rest, now + rest + busy, 1000 * busy))
        now += rest + busy
    return Load([*segments, (5.0, IDLE)]), bursts


@pytest.mark.parametrize("period", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_delay_is_found_to_a_few_milliseconds(period: float, delay: float, jitter: float) -> None:
    random = Random(f"{period} {delay} {jitter}")
    load, bursts = pulses(random)
    steps = stairs(Counter(period, jitter, delay=delay), load, bursts[-1].ended + 2, random)
    found = estimators.delay(steps, bursts, REACH)
    assert found is not None
    assert found.edges >= 2 * len(bursts) - 2  # at its beginning there may be no steps before it
    assert found.seconds == pytest.approx(delay, abs=0.003)
    assert abs(found.seconds - delay) <= found.within_seconds + 0.0005
    assert judgements.delay(found).passed


def test_no_delay_is_told_of_a_counter_that_shows_no_pulses() -> None:
    random = Random(1)
    _, bursts = pulses(random)
    steps = stairs(Counter(0.1), Load([(1.0, IDLE)]), bursts[-1].ended + 2, random)
    assert estimators.delay(steps, bursts, REACH) is None
    assert not judgements.delay(None).passed


def test_rises_that_are_shown_later_than_falls_do_not_pass() -> None:
    random = Random(2)
    load, bursts = pulses(random)
    steps = stairs(Counter(0.1), load, bursts[-1].ended + 2, random)
    early = [Burst(b.began - 0.04, b.ended, b.units) for b in bursts]
    found = estimators.delay(steps, early, REACH)
    assert found is not None
    assert found.rise_seconds - found.fall_seconds == pytest.approx(0.04, abs=0.005)
    assert "no one delay explains both" in judgements.delay(found).sentence


def rhythms(period: float, seconds: float = 10.0) -> tuple[Load, dict[str, Burst]]:
    """The same work in each, half of the time, at the places of the counter's period."""
    segments: Segments = []
    bursts, now = {}, 0.0
    for periods, place in RHYTHMS:
        apart = periods * period
        count = round(seconds / apart)
        begin = (round((now + 1.5) / period) + place) * period
        segments.append((begin - now, IDLE))
        segments += [(apart / 2, BUSY), (apart / 2, IDLE)] * count
        now = begin + count * apart
        bursts[f"{periods} + {place}"] = Burst(begin, now - apart / 2, 500 * apart * count)
    return Load([*segments, (5.0, IDLE)]), bursts


def per_unit(steps: Staircase, bursts: dict[str, Burst], late: float = 0.0) -> dict[str, float]:
    return {
        name: estimators.joules_per_unit(steps, burst, late, IDLE) for name, burst in bursts.items()
    }


@pytest.mark.parametrize("period", [0.02, 0.1])
@pytest.mark.parametrize("delay", [0.0, 0.1])
def test_a_sensor_that_sees_all_finds_the_same_work_alike_in_any_rhythm(
    period: float, delay: float
) -> None:
    random = Random(f"{period} {delay}")
    load, bursts = rhythms(period)
    counter = Counter(period, 0.05, delay=delay)
    end = max(burst.ended for burst in bursts.values())
    found = per_unit(stairs(counter, load, end + 2, random), bursts, delay)
    assert found == {name: pytest.approx((BUSY - IDLE) / 1000, rel=0.005) for name in bursts}
    assert judgements.alias(found).passed


@pytest.mark.parametrize("period", [0.05, 0.1])
def test_a_sensor_that_sees_a_part_of_the_time_does_not_pass(period: float) -> None:
    load, bursts = rhythms(period)
    end = max(burst.ended for burst in bursts.values())
    found = per_unit(part_time(load, period, period / 4, end + 2, Random(3)), bursts)
    judged = judgements.alias(found)
    assert not judged.passed
    assert judged.figures["spread"] > 0.3


def test_work_is_in_proportion_unless_the_counter_is_not() -> None:
    random, bursts, segments, now = Random(4), {}, [], 0.0
    for factor in (1, 2, 4):
        segments += [(1.5, IDLE), (5.0 * factor, BUSY)]
        bursts[f"{factor}"] = Burst(now + 1.5, now + 1.5 + 5 * factor, 5000.0 * factor)
        now = bursts[f"{factor}"].ended
    load = Load([*segments, (5.0, IDLE)])
    found = per_unit(stairs(Counter(0.1), load, now + 2, random), bursts)
    assert judgements.work(found).passed
    assert not judgements.work({**found, "4": 1.02 * found["4"]}).passed


@pytest.mark.parametrize("missed", [0.0, 0.05])
def test_updates_that_do_not_come_are_counted(missed: float) -> None:
    steps = stairs(Counter(0.1, 0.2, missed), Load([(1.0, IDLE)]), 60, Random(5))
    found = estimators.pace(steps.periods())
    assert found.seconds == pytest.approx(0.1, rel=0.02)
    assert found.varies_seconds == pytest.approx(0.01, rel=0.5)
    assert found.missed == pytest.approx(missed, abs=0.02)
    assert judgements.counter(found, 0.0002, 1).passed is (missed == 0)


def test_a_line_leaves_what_it_does_not_explain() -> None:
    assert estimators.residuals([1, 2, 3], [2, 4, 6]) == pytest.approx([0, 0, 0])
    assert estimators.residuals([1, 2, 3], [1, 4, 1]) == pytest.approx([-1, 2, -1])
    assert estimators.residuals([1, 1], [2, 4]) == pytest.approx([-1, 1])
    assert estimators.deviation([-1, 2, -1]) == pytest.approx(6**0.5)
