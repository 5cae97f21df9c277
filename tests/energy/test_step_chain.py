"""When steps were that were seen between reads far apart."""

from __future__ import annotations

from random import Random

import pytest

from energyctl.energy.counter_steps import LocatedSteps
from energyctl.energy.step_chain import LENGTH, SeenStep, StepChain

PERIOD, ROUND = 0.1, 0.032


def seen(instants: list[float], random: Random) -> list[SeenStep]:
    """Steps at these instants, each between two reads of rounds."""
    steps = []
    for index, instant in enumerate(instants):
        begins = instant - random.random() * ROUND
        steps.append(SeenStep(begins + ROUND / 2, ROUND, 10.0 * index, 10.0 * (index + 1)))
    return steps


@pytest.mark.parametrize("jitter", [0.0, 0.05, 0.2])
def test_steps_that_follow_each_other_tell_together_when_each_was(jitter: float) -> None:
    random = Random(3)
    instants = [5 + PERIOD * (i + jitter * random.uniform(-0.5, 0.5)) for i in range(60)]
    chain = StepChain()
    for step in seen(instants, random):
        chain.add(step, PERIOD)
    assert chain.period_seconds == pytest.approx(PERIOD, abs=0.001)
    assert chain.followed == 59
    assert not chain.missed
    located = chain.sharpened(0.025)
    assert located
    for step in located:
        instant = instants[round(step.before / 10)]
        assert step.gap < ROUND
        assert abs(step.time - instant) <= step.gap / 2 + jitter * PERIOD / 2


def test_too_few_steps_and_sharp_ones_have_nothing_to_tell() -> None:
    random, chain = Random(3), StepChain()
    first, second, third = seen([1.0, 1.1, 1.2], random)
    chain.add(first, PERIOD)
    chain.add(second, PERIOD)
    assert chain.sharpened(0.025) == []
    chain.add(third, PERIOD)
    assert len(chain.sharpened(ROUND - 1e-9)) <= 3
    assert chain.sharpened(ROUND) == []


def test_an_update_that_was_left_out_ends_the_chain() -> None:
    random, chain = Random(3), StepChain()
    for step in seen([1.0, 1.1, 1.2, 1.4, 1.5], random):
        chain.add(step, PERIOD)
    assert chain.missed
    assert chain.followed == 3
    assert chain.sharpened(0.025) == []


def test_a_step_that_nobody_saw_ends_the_chain() -> None:
    random, chain = Random(3), StepChain()
    steps = seen([1 + PERIOD * i for i in range(LENGTH + 2)], random)
    for step in steps[:4] + steps[5:]:
        chain.add(step, PERIOD)
    assert not chain.missed
    assert chain.followed == LENGTH - 1


def test_what_was_seen_late_is_located_in_its_place() -> None:
    random, steps = Random(5), LocatedSteps(PERIOD)
    instants = [2 + PERIOD * i for i in range(30)]
    for index, step in enumerate(seen(instants, random)):
        gap = 0.001 if index % 9 in (0, 1) else step.gap
        time = instants[index] if gap == 0.001 else step.time
        steps.add(time, gap, step.before, step.after)
    assert list(steps.times) == sorted(steps.times)
    assert list(steps.after) == sorted(set(steps.after))
    assert len(steps.times) > 20
    for time, width, before in zip(steps.times, steps.widths, steps.before, strict=True):
        assert abs(time - instants[round(before / 10)]) <= width / 2 + 1e-9


def test_reads_that_are_as_far_apart_as_its_steps_locate_none() -> None:
    steps = LocatedSteps(PERIOD)
    for index in range(20):
        assert not steps.add(1 + 0.09 * index, 0.09, 10.0 * index, 10.0 * (index + 1))
    assert len(steps.times) == 0
