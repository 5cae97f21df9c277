"""Twins whose truth is known: what each used, by its own power and time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from energyctl.campaign.twins import warnings
from energyctl.meters.twins.estimates import Course, Repeat, Stretch, Twins, repeat, twins

IDLE, HELD, SECONDS, RATE = 70.0, 110.0, 20.0, 1000.0


@dataclass(frozen=True)
class World:
    """watts: of each twin's kernels, alone; beside: by how many times that changes beside the
    other; busy: of each when both are there; told: by how many times the driver tells it."""

    watts: tuple[float, float] = (300.0, 300.0)
    beside: tuple[float, float] = (1.0, 1.0)
    busy: tuple[float, float] = (0.5, 0.5)
    told: tuple[float, float] = (1.0, 1.0)
    warmer: float = 1.0  # the first twin's power at the end, by that at the begin

    def alone(self, twin: int, warmer: float = 1.0) -> Stretch:
        joules = (HELD + 0.998 * warmer * self.watts[twin]) * SECONDS
        return Stretch(SECONDS, joules, 0.0, (0.998 * SECONDS,), (0.998 * RATE,))

    def both(self) -> Stretch:
        above = sum(
            watts * beside * busy
            for watts, beside, busy in zip(self.watts, self.beside, self.busy, strict=True)
        )
        busy = tuple(b * told * SECONDS for b, told in zip(self.busy, self.told, strict=True))
        rates = tuple(b * RATE for b in self.busy)
        return Stretch(SECONDS, (HELD + above) * SECONDS, 0.0, busy, rates)

    def course(self) -> Course:
        return Course(
            idle=Stretch(SECONDS, IDLE * SECONDS, 0.0),
            held=Stretch(SECONDS, HELD * SECONDS, 0.0),
            first=self.alone(0),
            second=self.alone(1),
            both=[self.both()],
            again=self.alone(0, self.warmer),
        )

    def found(self) -> tuple[Twins, Repeat]:
        found = twins(self.course())
        return found, found.repeats[0]


def test_identical_twins_get_half_each_and_the_least_is_allowed_for() -> None:
    found, one = World().found()
    assert (one.share, one.work_share) == (pytest.approx(0.5), pytest.approx(0.5))
    assert one.closure == pytest.approx(0, abs=1e-12)
    assert found.context_watts == pytest.approx(HELD - IDLE)
    assert found.throughput == pytest.approx(1 / 0.998)
    # Half a percent of 50 % for each beside the other, of 100 % for each alone, the first twice.
    parts = (0.01, 0.01, 0.005, 0.0025, 0.0025)
    assert one.resolution == pytest.approx(sum(part**2 for part in parts) ** 0.5, rel=1e-2)
    assert found.differential == 0.05
    assert found.bias == pytest.approx(0)
    assert warnings(found) == []


def test_a_driver_that_gives_one_twin_more_is_no_error_of_the_division() -> None:
    found, one = World(busy=(0.6, 0.4)).found()
    assert (one.share, one.work_share) == (pytest.approx(0.6), pytest.approx(0.6))
    assert found.bias == pytest.approx(0)
    assert warnings(found) == [
        "one twin did 60.0 % of the work: the driver does not divide the GPU equally"
    ]


def test_utilisation_told_wrongly_of_one_of_them_is_an_error_of_the_share() -> None:
    found, one = World(told=(1.0, 1.1)).found()
    assert one.share == pytest.approx(1 / 2.1)
    assert one.differential == pytest.approx(4 * (0.5 - 1 / 2.1))
    assert found.differential == pytest.approx(one.differential + one.resolution)
    assert found.bias == pytest.approx(1 / 2.1 - 0.5)


def test_one_that_draws_more_beside_the_other_is_seen_in_the_energy_that_is_not_explained() -> None:
    found, one = World(beside=(1.0, 1.3)).found()
    assert one.share == pytest.approx(0.5)  # what no reference can tell
    assert one.closure == pytest.approx(45 / 345)
    assert found.differential == pytest.approx(one.closure + one.resolution)
    (line,) = warnings(found)
    assert line.startswith("both together drew 13 % more than the twins alone explain")


def test_a_driver_that_tells_both_busy_all_the_time_is_seen() -> None:
    found, one = World(told=(2.0, 2.0)).found()
    assert one.share == pytest.approx(0.5)
    assert one.closure == pytest.approx(-1)
    assert found.differential > 1
    assert warnings(found)[0].startswith("100.9 % is more than the 15 % that are assumed")


def test_a_reference_that_drifts_is_told() -> None:
    found, _ = World(warmer=1.05).found()
    assert found.drift == pytest.approx(0.05)
    assert warnings(found)[-1].startswith("the first twin alone drew 5.0 % more at the end")


def test_meters_that_are_unsure_make_the_resolution_wider() -> None:
    course = World().course()
    unsure = replace(course.second, own_joules=0.05 * 0.998 * 300 * SECONDS)
    one = repeat(course.held, [course.first], unsure, course.both[0])
    assert one.resolution == pytest.approx(
        (2 * 0.01**2 + 2 * 0.00501**2 + 0.05**2) ** 0.5, rel=1e-3
    )


def test_the_largest_of_the_repeats_counts() -> None:
    course = World().course()
    off = World(told=(1.0, 1.2)).both()
    found = twins(replace(course, both=[*course.both, off, *course.both]))
    assert found.differential == pytest.approx(4 * (0.5 - 1 / 2.2) + found.repeats[1].resolution)
    assert found.bias == pytest.approx((1 / 2.2 - 0.5) / 3)
