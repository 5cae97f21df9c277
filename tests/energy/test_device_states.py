"""Clocks and throttling of an interval, from looks whose times are chosen."""

from __future__ import annotations

import pytest

from energyctl.energy import CpuClocks, DeviceStates, GpuClocks
from energyctl.energy.device_states import NO_LOOK, NOT_TOLD_HERE, ONE_LOOK

NOTHING: frozenset[str] = frozenset()


def gpu(*looks: tuple[float, float | None, frozenset[str] | None]) -> GpuClocks:
    """Of (time, SM clock, what holds it down), in P0 up to second 5 and in P2 from then on."""
    clocks = GpuClocks()
    for time, mhz, limits in looks:
        clocks.add(time, mhz, 2619.0, 0 if time <= 5 else 2, limits)  # type: ignore[arg-type]
    return clocks


def test_a_look_stands_for_the_time_since_the_one_before() -> None:
    clocks = gpu(
        (1.0, 1980.0, NOTHING),
        (5.0, 1000.0, frozenset({"power_cap"})),
        (8.0, 1500.0, frozenset({"power_cap", "heat"})),
        (11.0, 300.0, NOTHING),
    )
    state = clocks.between(0.0, 10.0)
    assert state["looks"] == 3
    # From 0 to 1, from 1 to 5, and from 5 to the end at 10.
    assert state["sm_mhz"] == pytest.approx((1 * 1980 + 4 * 1000 + 5 * 1500) / 10)
    assert state["memory_mhz"] == 2619.0
    assert state["performance_state_seconds"] == {"P0": 5.0, "P2": 5.0}
    assert state["limited_seconds"] == {
        "power_cap": 9.0,
        "heat": 5.0,
        "power_brake": 0.0,
        "slowdown": 0.0,
    }
    assert "missing" not in state


def test_a_look_right_behind_an_edge_tells_next_to_nothing_of_the_phase_that_it_begins() -> None:
    """Where the training's end is looked at, the GPU may still be as it was during it."""
    state = gpu((0.01, 1000.0, frozenset({"heat"})), (3.0, 1980.0, NOTHING)).between(0.0, 6.0)
    assert (state["limited_seconds"] or {})["heat"] == pytest.approx(0.01)


def test_what_is_told_at_some_looks_only_is_taken_from_those() -> None:
    state = gpu((2.0, None, None), (4.0, 1000.0, frozenset({"heat"}))).between(0.0, 4.0)
    assert state["sm_mhz"] == 1000.0
    assert (state["limited_seconds"] or {})["heat"] == 4.0


def test_what_is_never_told_is_null_with_a_reason() -> None:
    clocks = GpuClocks()
    for time in (1.0, 2.0):
        clocks.add(time, None, None, 8, None)
    state = clocks.between(0.0, 3.0)
    assert (state["sm_mhz"], state["memory_mhz"], state["limited_seconds"]) == (None, None, None)
    assert state["performance_state_seconds"] == {"P8": 3.0}
    assert state["missing"] == dict.fromkeys(
        ("sm_mhz", "memory_mhz", "limited_seconds"), NOT_TOLD_HERE
    )


def test_throttling_by_heat_is_counted_from_edge_to_edge() -> None:
    clocks = CpuClocks()
    for time, count, milliseconds in ((0.0, 7, 70), (3.0, 7, 70), (6.1, 9, 1570), (9.0, 10, 1600)):
        clocks.add(time, 1000.0 + 100 * time, count, milliseconds)
    before, hot = clocks.between(0.0, 3.2), clocks.between(3.2, 6.2)
    assert (before["throttle_count"], before["throttle_seconds"]) == (0, 0.0)
    assert (hot["throttle_count"], hot["throttle_seconds"]) == (2, 1.5)
    assert hot["mhz"] == pytest.approx(1610.0)
    # Between two edges that have one nearest look nothing was counted: that is not 0.
    short = clocks.between(5.9, 6.2)
    assert short["throttle_count"] is None
    assert short["missing"] == dict.fromkeys(("throttle_count", "throttle_seconds"), ONE_LOOK)


def test_a_counter_that_is_not_there_or_began_anew_is_null() -> None:
    clocks = CpuClocks()
    for time, count in ((0.0, 7), (3.0, 2), (6.0, 2)):
        clocks.add(time, None, count, None)
    state = clocks.between(0.0, 6.0)
    assert (state["mhz"], state["throttle_count"], state["throttle_seconds"]) == (None, None, None)


def test_a_device_without_a_look_in_the_interval_is_named_with_the_reason() -> None:
    states = DeviceStates()
    states.gpus["gpu-0"] = gpu((1.0, 1980.0, NOTHING))
    states.cpus["package-0"] = CpuClocks()
    states.cpus["package-0"].add(1.0, 2000.0, 0, 0)
    assert states.between(2.0, 2.5) == {
        "gpus": {},
        "cpus": {},
        "missing": {"gpu-0": NO_LOOK, "package-0": NO_LOOK},
    }
    inside = states.between(0.0, 2.0)
    assert (inside["gpus"].keys(), inside["cpus"].keys()) == ({"gpu-0"}, {"package-0"})
    assert "missing" not in inside
    assert DeviceStates().between(0.0, 2.0) == {"gpus": {}, "cpus": {}}
