"""Looks at a load as it comes up → loaded or not yet, on a clock of their own."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest

from benchmarks.settling import WORLDS, World, settled
from energyctl.background.steady_state import (
    JobLook,
    MeanPower,
    Settling,
    is_under_load,
    trends,
)
from energyctl.results.cycles import Cycle

# -- signs of a load ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "watts", "idle", "loaded"),
    [
        (None, 72.0, 72.0, False),
        (None, 86.0, 72.0, False),
        (None, 88.0, 72.0, True),
        (None, 320.0, 300.0, False),  # a tenth of 300 W may be anything
        (None, 331.0, 300.0, True),
        (0.0, 200.0, 72.0, False),  # of others
        (1.0, 88.0, 72.0, True),
        (1.0, 80.0, 72.0, False),
        (10.0, None, None, True),
        (10.0, 72.0, 72.0, True),
        (None, 200.0, None, False),
        (None, None, None, False),
    ],
)
def test_a_gpu_is_under_load_by_its_utilisation_or_its_power(
    percent: float | None, watts: float | None, idle: float | None, loaded: bool
) -> None:
    assert is_under_load(percent, watts, idle) is loaded


# -- from look to look --------------------------------------------------------------------------


def steps(*watts: float) -> Callable[[float, float], dict[str, MeanPower]]:
    """Mean power of gpu-0 where each value stands for ten seconds."""

    def mean(start: float, end: float) -> dict[str, MeanPower]:
        joules = sum(
            value * max(0.0, min(end, 10 * n + 10) - max(start, 10 * n))
            for n, value in enumerate(watts)
        )
        return {"gpu-0": MeanPower(joules / (end - start), 0.0)}

    return mean


FLAT = steps(*[200.0] * 100)


def look(
    now: float, seconds: float, name: str = "a", since: float = 0.0, **fields: object
) -> JobLook:
    """A job of even iterations that began at *since*."""
    whole = int((now - since) / seconds)
    edges = [since + n * seconds for n in range(whole + 1)]
    cycles = [Cycle(*pair) for pair in pairwise(edges)]
    given: dict[str, object] = {"began": edges[-1], "loaded": True, "cycles": cycles, **fields}
    return JobLook(name, **given)  # type: ignore[arg-type]


def test_a_job_that_shows_no_load_is_not_loaded_however_long_it_runs() -> None:
    settling = Settling(10.0, deadline=300.0)
    for now in range(1, 290):
        idle = look(now, 1000.0, loaded=False, missing="on no GPU, 1.00 cores busy")
        said = settling.look(now, [idle], FLAT)
        assert said == "a is not loaded yet: on no GPU, 1.00 cores busy"
    assert (settling.loaded, settling.since) == ({}, None)


def test_a_whole_iteration_without_any_sign_is_the_load_that_there_is() -> None:
    settling = Settling(10.0, deadline=300.0)
    waited = [settling.look(now, [look(now, 20.0, loaded=False)], FLAT) for now in range(1, 61)]
    assert "is not loaded yet" in str(waited[18])
    assert waited[-2:] == ["2 of 3 whole iterations of a seen, 20 s each, about 1 s left", None]
    assert settling.loaded == {"a": 20}
    assert settling.since == 0


def test_what_is_waited_for_is_told_with_how_long_it_takes() -> None:
    settling = Settling(10.0, deadline=300.0)
    said = {now: settling.look(now, [look(now, 20.0)], FLAT) for now in (5, 25, 45, 60)}
    assert said == {
        5: "waiting for a's first whole iteration (5 s so far)",
        25: "1 of 3 whole iterations of a seen, 20 s each, about 35 s left",
        45: "2 of 3 whole iterations of a seen, 20 s each, about 15 s left",
        60: None,
    }
    assert settling.steady is True
    assert list(settling.cycles) == [(0, 20), (20, 40), (40, 60)]


def wait(settling: Settling, jobs: Callable[[float], Sequence[JobLook]], until: float) -> float:
    """When nothing was waited for any longer; *until* where there always was something."""
    now = 0.0
    while now < until:
        now += 0.5
        if settling.look(now, jobs(now), FLAT) is None:
            return now
    return until


@pytest.mark.parametrize(
    ("seconds", "least", "waited", "count", "steady"),
    [
        (1.0, 10.0, 10.0, 10, True),
        (4.0, 10.0, 12.0, 3, True),
        (60.0, 10.0, 180.0, 3, True),
        (60.0, 240.0, 240.0, 4, True),
        (100.0, 10.0, 300.0, 3, True),
        (120.0, 10.0, 240.0, 2, True),  # three would take 360 s
        (160.0, 10.0, 160.0, 1, None),
        (299.0, 10.0, 299.0, 1, None),
        (301.0, 10.0, 300.0, 0, None),
    ],
)
def test_as_many_iterations_are_waited_for_as_the_time_limit_leaves_room_for(
    seconds: float, least: float, waited: float, count: int, steady: bool | None
) -> None:
    settling = Settling(least, deadline=300.0)
    assert wait(settling, lambda now: [look(now, seconds)], 300.0) == waited
    assert (len(settling.cycles), settling.steady) == (count, steady)
    assert list(settling.unseen) == ([] if count else ["a"])


def test_settle_seconds_are_waited_for_though_the_time_limit_comes_before() -> None:
    settling = Settling(400.0, deadline=300.0)
    assert wait(settling, lambda now: [look(now, 10.0)], 300.0) == 300.0
    said = settling.look(300.0, [look(300.0, 10.0)], FLAT)
    assert said == "30 of 40 whole iterations of a seen, 10 s each, about 1 min 40 s left"


def test_the_slowest_job_is_waited_for_and_counts() -> None:
    settling = Settling(10.0, deadline=300.0)
    jobs = [("a", 5.0), ("b", 40.0)]
    done = wait(settling, lambda now: [look(now, s, name) for name, s in jobs], 300.0)
    assert (done, len(settling.cycles)) == (120.0, 3)


def test_a_job_that_begins_later_has_its_iterations_counted_from_there() -> None:
    """Those of the others, too: before, they were not beside it."""

    def jobs(now: float) -> list[JobLook]:
        late = look(max(now, 30.0), 10.0, "b", since=30.0, loaded=now > 37.0)
        return [look(now, 20.0), late]

    settling = Settling(10.0, deadline=300.0)
    assert wait(settling, jobs, 300.0) == 100.0
    assert settling.since == 30.0
    assert list(settling.cycles) == [(40, 60), (60, 80), (80, 100)]


def test_a_job_that_was_away_is_waited_for_anew() -> None:
    settling = Settling(10.0, deadline=300.0)
    assert settling.look(50.0, [look(50.0, 10.0)], FLAT) is None
    settling.away(52.0, [])
    assert (settling.since, len(settling.cycles)) == (0.0, 3)
    settling.away(55.0, ["a"])
    assert (settling.since, settling.cycles, settling.loaded) == (None, (), {})
    said = settling.look(58.0, [look(58.0, 10.0, loaded=False)], FLAT)
    assert str(said).startswith("a is not loaded yet")
    settling.look(59.0, [look(59.0, 10.0, began=57.0)], FLAT)
    assert (settling.loaded, settling.since) == ({"a": 59.0}, 57.0)


def test_nobody_waits_for_a_cycle_that_was_waited_for_in_vain_before() -> None:
    settling = Settling(10.0, deadline=300.0)

    def jobs(now: float) -> list[JobLook]:
        return [look(now, 1000.0, loaded=now > 25.0, endless=True)]

    assert wait(settling, jobs, 300.0) == 35.5
    assert (settling.steady, list(settling.unseen)) == (None, ["a"])


def test_epochs_count_from_the_first_that_began_under_load() -> None:
    settling = Settling(10.0, deadline=300.0)

    def jobs(now: float) -> list[JobLook]:
        return [look(now, 20.0, unit="epoch", loaded=now > 7, began=0.0)]

    assert wait(settling, jobs, 300.0) == 80.0
    assert settling.cycles[0] == (20, 40)


# -- halves -------------------------------------------------------------------------------------


def drifts(cycle: float, count: int, *watts: float) -> bool:
    """Whether *count* cycles of so many seconds do, over power that moves each ten seconds."""
    cycles = [Cycle(n * cycle, (n + 1) * cycle) for n in range(count)]
    (trend,) = trends(cycles, steps(*watts)).values()
    return abs(trend.drift) > trend.chance


NOISE = [random.Random(3).gauss(200, 4) for _ in range(100)]


@pytest.mark.parametrize(
    ("cycle", "count", "watts", "moves"),
    [
        (10, 3, [200, 200, 200], False),
        (10, 3, [200, 205, 210], False),  # of single iterations: a tenth
        (10, 3, [200, 200, 230], True),
        (10, 3, [230, 200, 200], True),  # falling is no steadier than rising
        (10, 3, [120, 200, 200], True),  # a cold start-up
        (10, 2, [200, 210], False),
        (10, 2, [200, 230], True),
        (10, 10, [200] * 10, False),
        (10, 10, [200] * 5 + [203] * 5, False),  # 1.5 %
        (10, 10, [200] * 5 + [210] * 5, True),
        (10, 10, [200 + 3 * n for n in range(10)], True),
        (10, 10, [150, 250] * 5, False),  # two kinds of iterations in turn
        (10, 40, NOISE, False),
        (1, 30, [200] * 10, False),
        (1, 40, [100, 100, 300, 300], True),
    ],
)
def test_halves_are_alike_or_the_load_drifts(
    cycle: int, count: int, watts: list[float], moves: bool
) -> None:
    assert drifts(cycle, count, *watts) is moves


def test_what_drifts_is_named() -> None:
    settling = Settling(10.0, deadline=25.0)
    assert settling.look(20.0, [look(20.0, 10.0)], steps(100, 200)) == (
        "gpu-0 drifts by +1e+02 W over 2 whole iterations of 150 W"
    )
    assert settling.trends["gpu-0"][:2] == (150, 100)


def test_a_difference_that_the_meter_cannot_carry_is_held_against_no_load() -> None:
    def estimated(start: float, end: float) -> dict[str, MeanPower]:
        return {"cpu": MeanPower(100.0 if start < 10 else 150.0, 60.0)}

    cycles = [Cycle(0, 10), Cycle(10, 20)]
    (trend,) = trends(cycles, estimated).values()
    assert (trend.drift, trend.chance > 50) == (50, True)


def test_a_domain_whose_power_is_not_known_is_left_out() -> None:
    def torn(start: float, end: float) -> dict[str, MeanPower]:
        known = {"gpu-0": MeanPower(200.0, 0.0)}
        return known if end > 10 else {}

    assert trends([Cycle(0, 10), Cycle(10, 20)], torn) == {}


# -- whole backgrounds --------------------------------------------------------------------------

EXPECTED = {
    # wait, at most; steady
    "0.3 s (0)": (13, True),
    "5 s (0.6)": (18, True),
    "20 s (4)": (66, True),
    "20 s (4), first start-up of 24 s": (110, True),
    "20 s (4), only power is told": (66, True),
    "60 s (20)": (200, True),
    "120 s (8)": (264, True),
    "200 s (8)": (230, None),
    "600 s (20)": (300, None),
    "3600 s (8), epochs of 60 s": (260, True),
}


@pytest.mark.parametrize("world", [w for w in WORLDS if w.name in EXPECTED], ids=lambda w: w.name)
def test_a_background_is_loaded_after_its_start_up_and_so_many_iterations(world: World) -> None:
    longest, steady = EXPECTED[world.name]
    outcomes = [settled(world, 60.0, seed) for seed in range(4)]
    assert {one.steady for one in outcomes} == {steady}
    assert all(one.seconds <= longest for one in outcomes)


BANDED = {"5 s (0.6)", "10 s (1.5)", "20 s (4)", "30 s (8)", "60 s (8)", "60 s (20)"}


@pytest.mark.parametrize("world", [w for w in WORLDS if w.name in BANDED], ids=lambda w: w.name)
def test_the_power_of_the_cycles_is_that_of_the_time_after_them_within_their_band(
    world: World,
) -> None:
    outcomes = [settled(world, 600.0, seed) for seed in range(40)]
    inside = [abs(o.error) <= o.band for o in outcomes if o.error is not None and o.band]
    assert len(inside) == len(outcomes)
    assert sum(inside) >= 0.95 * len(inside)
