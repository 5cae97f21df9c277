"""Joules from watts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energyctl.energy import Domain, PowerSeries, Recording
from energyctl.energy.series import NOT_SHOWN
from hardware.waveform import Square

GPU = Domain("gpu-0", "gpu", "nvml power", quantity="power", relative_uncertainty=0.05)
START = 1_700_000_000.0
WHY = {
    0.0: "and the device always draws some power",
    -3.0: "and the device always draws some power",
    65535.0: "more than the device can draw",
}


def sampled(samples: list[tuple[float, float]]) -> PowerSeries:
    series = PowerSeries(GPU)
    for time, watts in samples:
        series.append(START + time, watts)
    return series


@given(st.lists(st.floats(0.2, 3.0), min_size=3, max_size=50))
def test_a_ramp_is_integrated_exactly_whatever_the_distances(gaps: list[float]) -> None:
    times = [sum(gaps[:i]) for i in range(len(gaps) + 1)]
    series = sampled([(t, 100 + 7 * t) for t in times])
    end = times[-1]
    span = series.between(START, START + end)
    assert span.joules == pytest.approx(100 * end + 3.5 * end * end, rel=1e-5)


def test_edges_between_two_readings_are_interpolated() -> None:
    series = sampled([(0, 100.0), (2, 200.0), (4, 200.0)])
    span = series.between(START + 1, START + 3)
    assert span.joules == pytest.approx((150 + 200) / 2 + 200)
    assert series.joules_at_last() == pytest.approx(300 + 400)


def test_just_outside_the_readings_the_nearest_one_counts() -> None:
    series = sampled([(0, 100.0), (1, 100.0), (2, 300.0), (3, 300.0)])
    span = series.between(START - 0.04, START + 3.04)
    assert span.joules == pytest.approx(0.04 * 100 + 100 + 200 + 300 + 0.04 * 300)


def test_a_reading_that_was_overtaken_by_a_later_one_is_passed_over() -> None:
    series = sampled([(0, 100.0), (2, 100.0), (1, 900.0), (2, 900.0), (4, 100.0)])
    assert series.between(START, START + 4).joules == pytest.approx(400.0)


@pytest.mark.parametrize("watts", [0.0, -3.0, 65535.0])
def test_a_reading_that_the_device_cannot_have_made_has_failed(watts: float) -> None:
    series = PowerSeries(replace(GPU, max_watts=800.0))
    for time in range(10):
        series.append(START + time, watts if time == 5 else 100.0)
    assert series.between(START, START + 9).joules == pytest.approx(900.0)
    assert [reason for *_, reason in series.failures] == [f"it read {watts:.0f} W, {WHY[watts]}"]


@pytest.mark.parametrize("watts", [0.0, 65535.0])
def test_power_that_is_impossible_throughout_is_no_energy_and_says_why(watts: float) -> None:
    series = PowerSeries(replace(GPU, max_watts=800.0))
    for time in range(10):
        series.append(START + time, watts)
    span = series.between(START, START + 9)
    assert span.joules is None
    assert WHY[watts] in (span.missing or "")


def test_a_device_that_may_be_off_may_draw_nothing() -> None:
    plug = Domain("plug", "other", "a plug", quantity="power")
    series = PowerSeries(plug)
    for time in range(10):
        series.append(START + time, 0.0)
    assert series.between(START, START + 9).joules == 0.0


def test_a_long_gap_is_no_energy_and_says_why() -> None:
    series = sampled([(t, 100.0) for t in range(5)])
    series.append(START + 6, None, "GPU is lost")
    series.append(START + 30, 100.0)
    assert "GPU is lost" in (series.between(START, START + 30).missing or "")
    assert series.between(START, START + 4).joules == pytest.approx(400.0)
    assert series.stretch == 1  # and the joules before it are of another stretch
    series.append(START + 31, 100.0)
    assert series.between(START + 30, START + 31).joules == pytest.approx(100.0)


def test_after_the_last_reading_there_is_no_energy() -> None:
    series = sampled([(t, 100.0) for t in range(5)])
    series.append(START + 5, None, "GPU is lost")
    assert series.between(START, START + 9).missing == "GPU is lost"


def test_the_sensors_own_band_is_part_of_the_uncertainty() -> None:
    span = sampled([(t, 100.0) for t in range(11)]).between(START, START + 10)
    assert span.uncertainty_joules == pytest.approx(50.0)


def test_half_a_unit_of_the_readings_is_part_of_the_uncertainty() -> None:
    series = PowerSeries(Domain("gpu-0", "gpu", "nvml", quantity="power", resolution_watts=2.0))
    for second in range(11):
        series.append(START + second, 100.0)
    assert series.between(START, START + 10).uncertainty_joules == pytest.approx(10.0)


def test_a_load_that_changes_between_readings_widens_the_uncertainty() -> None:
    steady = sampled([(t, 200.0) for t in range(11)]).between(START, START + 10)
    uneven = sampled([(t, 100.0 + 200.0 * (t % 2)) for t in range(11)]).between(START, START + 10)
    assert steady.uncertainty_joules is not None
    assert uneven.uncertainty_joules is not None
    assert uneven.uncertainty_joules > steady.uncertainty_joules + 100
    assert uneven.budget["gaps"] == pytest.approx(10 * 200 / 2)


def test_an_averaged_reading_blurs_the_edges_by_what_the_power_moved_around_them() -> None:
    averaged = Domain(
        "gpu-1", "gpu", "nvml power", quantity="power", averaging_seconds=1.0, max_watts=300.0
    )
    readings = [(i / 10, 100.0 if i < 50 else 300.0) for i in range(151)]
    series = PowerSeries(averaged)
    for seconds, watts in readings:
        series.append(START + seconds, watts)
    at_the_switch = series.between(START + 5, START + 14)
    away_from_it = series.between(START + 7, START + 14)
    assert at_the_switch.budget["averaging"] == pytest.approx(100.0)  # 200 W, half a second
    assert away_from_it.budget["averaging"] == 0


def test_a_source_that_changes_once_a_minute_is_no_gap() -> None:
    slow = Domain("plug", "other", "plug", quantity="power", update_seconds=60.0)
    series = PowerSeries(slow)
    for minute in range(4):
        series.append(START + 60 * minute, 100.0)
    assert series.between(START, START + 180).joules == pytest.approx(18_000)


def test_an_average_hides_bursts_at_the_edges_and_says_so() -> None:
    # 150 ms of 500 W each second above 80 W: the mean over a second is flat.
    averaged = Domain(
        "gpu-1", "gpu", "nvml power", quantity="power", averaging_seconds=1.0, max_watts=1000.0
    )
    wave, series = Square(80, 500, 1.0, 0.15), PowerSeries(averaged)
    for i in range(101):
        time = START + i / 10
        series.append(time, wave.joules(time - 1, time))
    for start, end in ((2.0, 2.15), (2.2, 3.0), (3.0, 6.15)):
        span = series.between(START + start, START + end)
        assert span.joules is not None
        assert span.uncertainty_joules is not None
        assert abs(span.joules - wave.joules(START + start, START + end)) <= span.uncertainty_joules


def test_a_long_gap_may_have_held_the_highest_power_that_was_seen() -> None:
    readings = [(float(i) / 10, 450.0 if i < 20 else 80.0) for i in range(100)]
    series = sampled([*readings, (19.0, 80.0), (19.1, 80.0)])
    span = series.between(START + 5, START + 19)
    assert span.budget["gaps"] >= 9 * 370


def test_two_readings_that_do_not_agree_are_uncertain_by_what_they_disagree() -> None:
    instant = Domain("gpu-0", "gpu", "nvml power", quantity="power", check="gpu-0-average")
    average = Domain("gpu-0-average", "other", "nvml power", quantity="power", in_total=False)
    series = {d.name: PowerSeries(d) for d in (instant, average)}
    for second in range(11):
        series["gpu-0"].append(START + second, 80.0)
        series["gpu-0-average"].append(START + second, 206.0)
    recording = Recording((instant, average), series, (), 1.0)
    energy = recording.energy(START, START + 10)
    assert energy.domains[0].budget["disagreement"] == pytest.approx(1260.0)
    assert any("two power readings of this GPU disagree" in line for line in energy.warnings)
    series["gpu-0-average"] = PowerSeries(average)  # of which nothing is known: it may be all wrong
    energy = recording.energy(START, START + 10)
    assert energy.domains[0].budget["disagreement"] == pytest.approx(800.0)


PLUG = Domain("plug", "other", "a plug", in_total=False, quantity="power", remote=True)


def test_a_load_of_which_no_reading_tells_is_no_energy_and_says_why() -> None:
    series = PowerSeries(replace(PLUG, update_seconds=30.0))
    for time in (0, 30, 65, 95, 130):
        series.append(START + time, 100.0)
    assert series.between(START + 40, START + 60).missing == "no new value within the run"
    assert series.between(START + 95, START + 145).missing == NOT_SHOWN
    assert series.between(START + 5, START + 90).joules == pytest.approx(8500.0)


def test_what_no_reading_has_shown_yet_may_have_been_any_power_that_was_seen() -> None:
    series = PowerSeries(replace(PLUG, update_seconds=10.0, averaging_seconds=10.0))
    for time in range(101):
        series.append(START + time, 100.0 if time < 20 else 500.0)
    at_its_end, before = (series.between(START + 20, START + end) for end in (100, 79))
    assert at_its_end.budget["averaging"] > before.budget["averaging"] + 20 * 400 / 2


@pytest.mark.parametrize("beside", [True, False])
def test_between_readings_that_come_seldom_power_may_have_been_any_around(beside: bool) -> None:
    domain = replace(GPU, kind="other", in_total=False) if beside else GPU
    series = PowerSeries(domain)
    for time in range(20):
        series.append(START + time, 800.0 if time == 9 else 200.0)
    gaps = series.between(START, START + 19).budget["gaps"]
    assert (gaps > 15 * 600) == beside


def test_a_reading_a_thousand_times_too_high_has_failed() -> None:
    series = PowerSeries(replace(PLUG, max_watts=4000.0))
    for time in range(20):
        series.append(START + time, 300_000.0 if time == 10 else 300.0)
    span = series.between(START + 2, START + 17)
    assert span.joules == pytest.approx(4500.0)
