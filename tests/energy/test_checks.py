"""Whether a figure can be right: what is doubted, what is refused, and what is said of it."""

from __future__ import annotations

from math import inf

import pytest

from energyctl.energy import Band, CounterSeries, Domain, Recording, ToldPower, against_power
from energyctl.energy.checks import off
from energyctl.energy.schema import CheckReason, Verdict

START = 1_700_000_000.0
GPU = Domain("gpu-0", "gpu", "counter", update_seconds=0.1, max_watts=800.0)
PACKAGE = Domain("package-0", "cpu", "counter", max_watts=300.0)


def counted(domain: Domain, watts: float, seconds: int = 30) -> CounterSeries:
    series = CounterSeries(domain)
    for tenth in range(10 * seconds + 1):
        series.append(START + tenth / 10, watts * tenth / 10)
    return series


def told(watts: float, seconds: int = 30) -> ToldPower:
    power = ToldPower(averaging_seconds=1.0)
    for second in range(seconds):
        power.add(START + second + 0.5, watts)
    return power


def recording(series: CounterSeries, **powers: ToldPower) -> Recording:
    by_name = {name.replace("_", "-"): power for name, power in powers.items()}
    return Recording((series.domain,), {series.domain.name: series}, (), 1.0, told=by_name)


def test_two_powers_differ_by_no_less_than_the_ends_of_their_bands() -> None:
    assert off(Band(90, 110), Band(100, 200)) == 1.0
    assert off(Band(90, 100), Band(150, 200)) == off(Band(150, 200), Band(90, 100)) == 1.5
    assert off(Band(0, 0), Band(100, 100)) == inf


@pytest.mark.parametrize(
    ("watts", "verdict"),
    [(19000, "refused"), (400, "refused"), (250, "doubted"), (210, "agreed"), (0.19, "refused")],
)
def test_a_counter_is_held_against_the_power_that_its_device_told(
    watts: float, verdict: Verdict
) -> None:
    series = counted(Domain("gpu-0", "gpu", "counter", update_seconds=0.1), watts)
    energy = recording(series, gpu_0=told(200.0)).energy(START, START + 30)
    (gpu,) = energy.domains
    (check,) = gpu.to_json()["checks"]
    assert (check["when"], check["verdict"]) == ("run", verdict)
    assert check["counter_watts"] == pytest.approx(watts)
    assert check["power_watts"] == pytest.approx(200)
    assert (gpu.joules is None) is (verdict == "refused")
    named = [line for line in energy.warnings if "but its power reading 200 W" in line]
    assert bool(named) is (verdict != "agreed")


def test_few_readings_say_nothing_of_a_run() -> None:
    energy = recording(counted(GPU, 500.0), gpu_0=told(200.0)).energy(START, START + 9.4)
    assert energy.domains[0].checks == ()


def test_readings_that_differ_leave_room_for_what_they_did_not_see() -> None:
    power = ToldPower()
    for second in range(40):
        power.add(START + second, 300.0 if second % 4 else 80.0)
    few = power.mean(START, START + 12, None)
    many = power.mean(START, START + 40, Band(10.0, 400.0))
    assert few is not None
    assert many is not None
    assert few[1].low < 150 < 320 < few[1].high
    assert many[0] == pytest.approx(245, abs=5)
    assert many[1].low < 190  # the range that the counter saw is wider


@pytest.mark.parametrize(
    ("watts", "verdict"), [(290.0, None), (310.0, "doubted"), (1000.0, "refused")]
)
def test_more_than_a_package_can_draw_is_doubted_and_twice_that_refused(
    watts: float, verdict: Verdict | None
) -> None:
    (package,) = recording(counted(PACKAGE, watts)).energy(START, START + 30).domains
    assert [check.verdict for check in package.checks] == ([verdict] if verdict else [])
    assert (package.joules is None) is (verdict == "refused")


@pytest.mark.parametrize(
    ("reason", "joules"),
    [("still", [590.0] * 40), ("back", [900.0] * 20 + [10.0 * n for n in range(20)])],
)
def test_a_counter_that_broke_says_so_in_a_code(reason: CheckReason, joules: list[float]) -> None:
    series = CounterSeries(GPU)
    for tenth in range(100):
        begun = tenth - 60
        value = 10.0 * tenth if begun < 0 else joules[min(begun, 39)]
        series.append(START + tenth / 10, value)
    (gpu,) = recording(series).energy(START, START + 9.9).domains
    assert gpu.joules is None
    assert [check["reason"] for check in gpu.to_json()["checks"]] == [reason]


def test_impossible_readings_that_were_set_aside_are_counted() -> None:
    series = CounterSeries(GPU)
    for tenth in range(100):
        series.append(START + tenth / 10, 1e9 if tenth in (30, 60) else 10.0 * tenth)
    energy = recording(series).energy(START, START + 9.9)
    assert energy.domains[0].joules == pytest.approx(990, abs=1)
    assert [check["reason"] for check in energy.domains[0].to_json()["checks"]] == ["spikes"]
    assert "2 readings of its counter were impossible, and set aside" in energy.warnings[0]
    assert recording(series).energy(START + 7, START + 9).domains[0].checks == ()


def test_what_is_told_of_a_verdict_names_both_powers() -> None:
    check = against_power("start", Band(19000, 19100), Band(188, 192), 19050, 190)
    assert check.words == "its energy counter shows 19050 W, but its power reading 190 W"
