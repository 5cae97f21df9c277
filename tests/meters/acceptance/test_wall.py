"""Wall meters of known faults beside counters of a known load."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from energyctl.errors import SettingsError
from energyctl.meters.acceptance import wall
from energyctl.meters.acceptance.wall import Second

START = 1_800_000_000.0
PARTS = (
    (wall.IDLE, 20, 70.0, 60.0),
    ("gpu 30 %", 20, 200.0, 65.0),
    ("gpu 60 %", 20, 340.0, 65.0),
    ("gpu 100 %", 20, 500.0, 66.0),
    (wall.CPU, 20, 75.0, 250.0),
    (wall.BOTH, 20, 500.0, 255.0),
    (wall.IDLE_AGAIN, 20, 70.5, 60.2),
)
Wall = Callable[[float, float, float], float]
"""(GPU, CPU, seconds since the start) → watts at the wall."""


def course(random: Random) -> list[Second]:
    seconds, time = [], START
    for part, length, gpu, cpu in PARTS:
        for index in range(length):
            noise = random.gauss(0, 1), random.gauss(0, 2)
            settled = 5 <= index < length - 1
            seconds.append(Second(time, part, settled, gpu + noise[0], cpu + noise[1]))
            time += 1
    return seconds


def meter(seconds: list[Second], watts: Wall, random: Random, lag: float = 0.0) -> list[str]:
    """Two samples a second, a little noisy."""
    lines = ["time,watts"]
    for index in range(-60, 2 * len(seconds) + 60):
        time = START + index / 2
        second = seconds[min(max(0, index // 2), len(seconds) - 1)]
        value = watts(second.gpu_watts, second.cpu_watts, time - START)
        lines.append(f"{time + lag:.3f},{value + random.gauss(0, 1):.2f}")
    return lines


def linear(gpu: float, cpu: float, time: float) -> float:
    return 120 + 1.08 * gpu + 1.12 * cpu


@pytest.mark.parametrize("lag", [-1.5, 0.0, 2.3])
def test_a_wall_meter_that_agrees_passes_with_its_lag_and_slopes(lag: float) -> None:
    random = Random(str(lag))
    seconds = course(random)
    found = wall.judge(wall.wall_power(meter(seconds, linear, random, lag)), seconds)
    assert found.passed, found.sentence
    assert found.figures["lag_seconds"] == pytest.approx(lag, abs=0.35)
    assert found.figures["gpu_slope"] == pytest.approx(1.08, abs=0.005)
    assert found.figures["cpu_slope"] == pytest.approx(1.12, abs=0.01)
    assert found.figures["constant_watts"] == pytest.approx(120, abs=3)


@pytest.mark.parametrize(
    ("watts", "says"),
    [
        (lambda gpu, cpu, time: linear(gpu, cpu, time) + gpu * gpu / 5000, "not linear"),
        (lambda gpu, cpu, time: 120 + 0.9 * gpu + 1.1 * cpu, "1 to 1.25 W at the wall"),
        (lambda gpu, cpu, time: linear(gpu, cpu, time) + (8 if time > 119 else 0), "idle differs"),
        (
            lambda gpu, cpu, time: linear(gpu, cpu, time) + (20 if time % 8 < 4 else -20),
            "leaves more than 1 %",
        ),
    ],
)
def test_one_that_does_not_says_why(watts: Wall, says: str) -> None:
    random = Random(says)
    seconds = course(random)
    found = wall.judge(wall.wall_power(meter(seconds, watts, random)), seconds)
    assert not found.passed
    assert says in found.sentence


def test_samples_must_cover_all_of_it() -> None:
    random = Random(1)
    seconds = course(random)
    found = wall.judge(wall.wall_power(meter(seconds, linear, random)[:200]), seconds)
    assert "do not cover" in found.sentence


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "its first line must be time,watts"),
        (["t,w", "1,2"], "its first line must be time,watts"),
        (["time,watts", "1,2", "x,3"], "line 3"),
        (["time,watts", "1,2", "2,nan", "3,4"], "no finite number"),
        (["time,watts", "1,2"], "a sample each second"),
        (["time,watts", "1,2", "4,2", "7,2"], "a sample each second"),
    ],
)
def test_a_file_that_is_no_record_of_a_wall_meter_is_refused(lines: list[str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        wall.wall_power(lines)
