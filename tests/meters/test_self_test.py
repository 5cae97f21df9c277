"""Counters held against the power of the same devices, on a simulated clock."""

from __future__ import annotations

from random import Random

import pytest

from energyctl.energy import Check
from energyctl.meters.self_test import LONG_SECONDS, SHORT_SECONDS, Look, self_test
from hardware.simulated import Counter, Load
from hardware.simulated_gpu import Broken, Clock, SimulatedGpu, shown

STEADY = Load([(30.0, 200.0)])
SWITCHING = Load([(0.13, 80.0), (0.17, 300.0)] * 60)
BEGINS = 2.0


def trial(
    load: Load = STEADY,
    counter: Counter = Counter(0.1),  # noqa: B008
    averaging: float = 1.0,
    broken: Broken | None = None,
) -> tuple[Check, float]:
    """The check, and how long it took."""
    random = Random(1)
    clock = Clock(BEGINS, random)
    told = shown(load, counter, 10.0, random, broken)
    gpu = SimulatedGpu(load, told, clock, averaging, noise=0.01)
    (check,) = self_test([gpu], clock=clock, sleep=clock.sleep)
    return check, clock.now - BEGINS


@pytest.mark.parametrize("averaging", [0.0, 1.0])
@pytest.mark.parametrize("period", [0.02, 0.1])
def test_a_healthy_counter_is_looked_at_for_half_a_second_at_most(
    period: float, averaging: float
) -> None:
    check, seconds = trial(counter=Counter(period, 0.1), averaging=averaging)
    assert check.verdict == "agreed"
    assert check.counter_watts == pytest.approx(200, rel=0.15)
    assert check.power_watts == pytest.approx(200, rel=0.02)
    assert seconds < SHORT_SECONDS + 0.05


@pytest.mark.parametrize("averaging", [0.0, 1.0])
def test_a_load_that_switches_meanwhile_is_looked_at_for_longer_and_is_no_fault(
    averaging: float,
) -> None:
    just_begun = Load([(BEGINS - 0.1, 70.0), (30.0, 600.0)])
    for load in (SWITCHING, just_begun):
        check, seconds = trial(load, averaging=averaging)
        assert check.verdict == "agreed"
        assert seconds < SHORT_SECONDS + LONG_SECONDS + 0.1


@pytest.mark.parametrize("factor", [100, 2, 0.5, 0.001])
def test_a_counter_off_by_a_factor_is_refused_with_both_powers(factor: float) -> None:
    for load in (STEADY, Load([(0.5, 80.0), (0.5, 300.0)] * 20)):
        check, _ = trial(load, broken=lambda joules, _: factor * joules)
        assert (check.verdict, check.reason) == ("refused", "power")
        assert check.counter_watts == pytest.approx(factor * 195, rel=0.1)
        assert check.power_watts == pytest.approx(195, rel=0.1)


def test_a_counter_off_by_a_fifth_is_doubted() -> None:
    check, _ = trial(broken=lambda joules, _: 1.2 * joules)
    assert (check.verdict, check.reason) == ("doubted", "power")


@pytest.mark.parametrize(
    ("reason", "counter", "broken"),
    [
        ("still", Counter(0.1), lambda joules, time: 5.0),
        ("still", Counter(0.1), lambda joules, time: 0.0),
        ("still", Counter(1.5), None),
        ("back", Counter(0.1), lambda joules, time: 1e6 - joules),
        ("back", Counter(0.1), lambda joules, time: 1e9 if time % 0.5 < 0.03 else joules),
    ],
)
def test_a_counter_that_does_not_count_is_refused(
    reason: str, counter: Counter, broken: Broken | None
) -> None:
    check, _ = trial(counter=counter, broken=broken)
    assert (check.verdict, check.reason) == ("refused", reason)
    assert check.words.startswith("its energy counter")


class Alone:
    """A device that tells no power; its counter fails now and then."""

    averaging_seconds = 0.0

    def __init__(self, clock: Clock, fails_for: float = 0.0) -> None:
        self.clock, self.fails_for = clock, fails_for

    def look(self) -> Look:
        now = self.clock.now
        failed = now % 1.5 < self.fails_for
        return Look(now, None if failed else 200 * (now // 0.1 * 0.1), None, None)


def test_without_a_power_to_hold_it_against_a_counter_that_counts_is_believed() -> None:
    clock = Clock(BEGINS, Random(1))
    (check,) = self_test([Alone(clock)], clock=clock, sleep=clock.sleep)
    assert (check.verdict, check.power_watts) == ("agreed", None)


def test_reads_that_fail_are_no_proof_against_a_counter() -> None:
    clock = Clock(BEGINS, Random(1))
    (check,) = self_test([Alone(clock, fails_for=1.4)], clock=clock, sleep=clock.sleep)
    assert (check.verdict, check.reason) == ("doubted", "gap")


def test_many_devices_take_no_longer_than_one() -> None:
    random = Random(1)
    clock = Clock(BEGINS, random)
    gpus = [SimulatedGpu(STEADY, shown(STEADY, Counter(0.1), 10, random), clock) for _ in range(8)]
    checks = self_test(gpus, clock=clock, sleep=clock.sleep)
    assert [check.verdict for check in checks] == ["agreed"] * 8
    assert clock.now - BEGINS < SHORT_SECONDS + 0.05
