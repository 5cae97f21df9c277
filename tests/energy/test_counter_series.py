"""Joules from a counter: wraps, resets, steps and edges, against closed forms."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energyctl.energy import CounterSeries, Domain
from hardware.waveform import Constant, Square, Wave

PACKAGE = Domain("package-0", "cpu", "powercap", wrap_joules=1000.0, max_watts=400.0)
GPU = Domain("gpu-0", "gpu", "nvml energy counter", update_seconds=0.1)
START = 1_700_000_000.0


def sampled(domain: Domain, samples: list[tuple[float, float]]) -> CounterSeries:
    series = CounterSeries(domain)
    for time, value in samples:
        series.append(time, value)
    return series


def gpu_watched(wave: Wave, epoch: float, edges: list[float], step: float) -> CounterSeries:
    """As a sampler reads: at the start and each second, at each edge, and densely after those."""
    series = CounterSeries(GPU)
    first, last = edges[0] - 0.5, edges[-1] + 0.5
    regular = [first + i for i in range(int(last - first) + 1)]
    dense = {first: 0.4} | {edge + 0.0002: 2.1 * step for edge in edges}
    polls = [t + 0.001 * i for t, long in dense.items() for i in range(1, int(long / 0.001))]
    polls += [first + 0.09 * i for i in range(5, 34)]
    kept = {*regular, *(edge + 0.0002 for edge in edges)}
    for time in sorted({*kept, *polls}):
        value = wave.staircase(epoch, step, time)
        if time in regular:
            series.append(time, value)
        elif time in kept:
            series.keep_trail()
            series.append(time, value)
        else:
            series.locate_step(time, value)
    return series


@given(st.floats(10.0, 300.0), st.floats(0.01, 1.9), st.floats(0.0, 999.0))
def test_a_wrap_is_folded_at_any_interval_shorter_than_a_wrap(
    watts: float, interval: float, base: float
) -> None:
    times = [START + i * interval for i in range(200)]
    series = sampled(PACKAGE, [(t, (base + watts * (t - START)) % 1000.0) for t in times])
    span = series.between(times[0], times[-1])
    assert span.joules == pytest.approx(watts * (times[-1] - times[0]), rel=1e-6)


def test_a_counter_is_followed_well_within_the_time_of_a_wrap() -> None:
    fast = Domain("package-0", "cpu", "powercap", wrap_joules=100.0, max_watts=500.0)
    assert CounterSeries(fast).follow_seconds == pytest.approx(0.16)  # a wrap takes 0.2 s


def test_the_counters_unit_and_its_stated_band_are_part_of_the_uncertainty() -> None:
    coarse = Domain("p", "cpu", "meter", resolution_joules=3.0, relative_uncertainty=0.05)
    span = sampled(coarse, [(START + i, 100.0 * i) for i in range(11)]).between(START, START + 10)
    assert (span.budget["unit"], span.budget["stated"]) == (3.0, pytest.approx(50.0))


def test_a_step_is_located_in_the_middle_of_the_two_reads_around_it() -> None:
    series = sampled(GPU, [(START, 0.0)])
    for read in range(1, 40):
        series.locate_step(START + 0.01 * read, 20.0 if read >= 30 else 0.0)
    assert list(series.steps.times) == [pytest.approx(START + 0.295, rel=0, abs=1e-4)]


def test_a_gap_that_could_hide_a_wrap_leaves_no_figure_across_it() -> None:
    series = sampled(PACKAGE, [(START, 0.0), (START + 1, 100.0), (START + 4, 500.0)])
    series.append(START + 5, 600.0)
    assert series.between(START, START + 1).joules == pytest.approx(100.0)
    across = series.between(START, START + 5)
    assert across.joules is None
    assert "may have started over meanwhile" in (across.missing or "")
    assert series.between(START + 4.2, START + 5).joules == pytest.approx(80.0)


def test_a_counter_that_goes_back_without_a_range_leaves_no_figure_across_that() -> None:
    plain = Domain("gpu-0", "gpu", "counter")
    series = sampled(plain, [(START, 50.0), (START + 1, 60.0), (START + 2, 5.0), (START + 3, 15.0)])
    assert series.between(START, START + 1).joules == pytest.approx(10.0)
    assert "went back" in (series.between(START, START + 3).missing or "")
    assert series.between(START + 2, START + 3).joules == pytest.approx(10.0)


def test_a_range_does_not_turn_a_reset_into_a_wrap() -> None:
    series = sampled(PACKAGE, [(START, 100.0), (START + 0.1, 50.0)])  # 950 J in 0.1 s
    assert "reset" in (series.between(START, START + 0.1).missing or "")


def test_the_energy_of_many_phases_adds_up_to_that_of_the_whole() -> None:
    wave = Square(low=80, high=300)
    edges = [START + t for t in (0.0, 2.345, 5.001, 5.777, 11.9)]
    series = gpu_watched(wave, START - 50, edges, 0.1)
    parts = [series.between(a, b).joules for a, b in pairwise(edges)]
    whole = series.between(edges[0], edges[-1]).joules
    assert sum(p for p in parts if p is not None) == pytest.approx(whole)


@pytest.mark.parametrize("step", [0.02, 0.1])
def test_edges_between_two_steps_of_a_constant_load_are_interpolated(step: float) -> None:
    wave = Square(low=200, high=200)
    start, end = START + 0.0537, START + 10.4242
    series = gpu_watched(wave, START - 50, [start, end], step)
    span = series.between(start, end)
    assert span.joules == pytest.approx(wave.joules(start, end), rel=2e-4)
    plain = wave.staircase(START - 50, step, end) - wave.staircase(START - 50, step, start)
    assert abs(plain / wave.joules(start, end) - 1) > 5e-4  # what two plain reads would give


WAVES = st.one_of(
    st.builds(Square, st.floats(0.0, 300.0), st.floats(20.0, 500.0), st.just(1.0), st.just(0.5)),
    st.builds(Square, st.just(80.0), st.just(500.0), st.just(1.0), st.just(0.15)),
    st.builds(Constant, st.floats(10.0, 400.0)),
)


@given(
    WAVES, st.floats(0.0, 1.0), st.floats(2.0, 20.0), st.sampled_from([0.02, 0.05, 0.1]),
    st.floats(0.0, 0.1),
)  # fmt: skip
def test_the_truth_lies_within_the_stated_uncertainty(
    wave: Wave, begin: float, seconds: float, step: float, offset: float
) -> None:
    start, end = START + begin, START + begin + seconds
    span = gpu_watched(wave, START - 50 - offset, [start, end], step).between(start, end)
    assert span.joules is not None
    assert span.uncertainty_joules is not None
    assert abs(span.joules - wave.joules(start, end)) <= span.uncertainty_joules


@pytest.mark.parametrize("offset", [0.0, 0.013, 0.037, 0.05, 0.081])
def test_a_load_that_switches_inside_the_steps_of_the_edges_is_followed(offset: float) -> None:
    wave = Square(low=80, high=300)
    worst = 0.0
    for place in range(40):
        start = START + 0.025 * place
        end = start + 10.37
        span = gpu_watched(wave, START - 50 - offset, [start, end], 0.1).between(start, end)
        assert span.joules is not None
        worst = max(worst, abs(span.joules / wave.joules(start, end) - 1))
    assert worst < 0.003


@settings(derandomize=True, deadline=None)
@given(st.randoms(use_true_random=False))
def test_short_intervals_under_any_reads_are_known_within_finite_bounds(chance: Random) -> None:
    step, wave = chance.choice([0.02, 0.1]), Square(low=80, high=300)
    series, time, epoch = CounterSeries(GPU), START + chance.random(), START - chance.random()
    first, last = time, time + chance.choice([0.3, 0.6, 1.5])
    while time < last:
        value, kind = wave.staircase(epoch, step, time), chance.random()
        if time == first or kind < 0.04:
            series.append(time, value)
        else:
            series.locate_step(time, value)
        time += chance.choice([0.001, 0.005, 0.02, 0.05])
    series.append(time, wave.staircase(epoch, step, time))
    for _ in range(10):
        begin = chance.uniform(first, time)
        span = series.between(begin, chance.uniform(begin, time))
        assert all(isfinite(joules) for joules in span.budget.values())


def test_plain_reads_state_at_least_half_a_step_of_uncertainty_at_each_end() -> None:
    series = CounterSeries(GPU)
    for i in range(11):
        series.append(START + i, 200.0 * i)
    span = series.between(START + 2, START + 8)
    assert span.joules == pytest.approx(1200.0, abs=1.0)
    assert span.uncertainty_joules is not None
    assert 20 <= span.uncertainty_joules <= 60


def test_an_instant_after_the_last_reading_has_no_energy_but_the_failure_as_its_reason() -> None:
    series = sampled(GPU, [(START + i, 100.0 * i) for i in range(5)])
    series.append(START + 5, None, "GPU is lost")
    assert series.between(START, START + 5).missing == "GPU is lost"
    assert series.between(START, START + 3).joules == pytest.approx(300.0, abs=10.0)


def test_a_failed_read_between_two_good_ones_loses_nothing() -> None:
    series = sampled(GPU, [(START, 0.0), (START + 1, 100.0)])
    series.append(START + 2, None, "a hiccup")
    series.append(START + 3, 300.0)
    series.append(START + 4, 400.0)
    assert series.between(START + 0.5, START + 3.5).joules == pytest.approx(300.0, rel=0.05)


def test_a_counter_that_was_never_read_has_no_energy() -> None:
    series = CounterSeries(GPU)
    series.append(START, None, "no permission")
    assert series.between(START, START + 1).missing == "no permission"


def test_samples_take_sixteen_bytes_each() -> None:
    series = sampled(PACKAGE, [(START + i, float(i)) for i in range(1000)])
    stored = sum(len(a) * a.itemsize for a in (series.times, series.values))
    assert stored == 16_000
    assert len(series.steps.times) == 0


RAPL = Domain("package-0", "cpu", "powercap", update_seconds=0.001)


@pytest.mark.parametrize("part", ["psys", "node", "gpu/0000:03:00.0/pkg"])
def test_a_whole_always_draws_power_though_it_is_not_in_the_total(part: str) -> None:
    platform = Domain("it", "other", "perf", in_total=False, update_seconds=0.001, part=part)
    series = sampled(platform, [(START + i / 10, 0.0) for i in range(31)])
    span = series.between(START, START + 3)
    assert span.joules is None
    assert "stood still" in (span.missing or "")


def test_a_counter_that_stands_still_has_no_energy_as_long_as_it_does() -> None:
    moving = [(START + i / 10, 10.0 * i) for i in range(11)]
    still = [(START + 1 + i / 10, 100.0) for i in range(1, 21)]
    again = [(START + 3 + i / 10, 100.0 + 10.0 * i) for i in range(1, 11)]
    series = sampled(RAPL, [*moving, *still, *again])
    assert series.between(START, START + 1).joules == pytest.approx(100.0, rel=0.02)
    assert "stood still for 2.0 s" in (series.between(START + 0.5, START + 1.5).missing or "")
    assert series.between(START + 3.2, START + 4).joules == pytest.approx(80.0, rel=0.02)


@pytest.mark.parametrize(
    "quiet",
    [
        Domain("uncore-0", "other", "powercap", in_total=False, update_seconds=0.001),
        Domain("meter", "cpu", "a counter of watt-hours"),
    ],
)
def test_a_counter_that_may_rest_is_not_taken_for_broken(quiet: Domain) -> None:
    series = sampled(quiet, [(START + i, 5.0) for i in range(10)])
    assert series.between(START, START + 9).joules == 0


LIMITED = Domain("gpu-0", "gpu", "counter", max_watts=800.0, update_seconds=0.1)


@pytest.mark.parametrize("glitch", [0.0, 9e6])
def test_a_reading_that_cannot_have_come_about_is_set_aside(glitch: float) -> None:
    true = [(START + i, 5e5 + 100.0 * i) for i in range(21)]
    true[10] = (START + 10, glitch)
    series = sampled(LIMITED, true)
    assert series.between(START, START + 20).joules == pytest.approx(2000.0, rel=0.02)
    uncertainty = series.between(START + 12, START + 20).uncertainty_joules
    assert uncertainty is not None
    assert uncertainty < 60  # the glitch is no peak of the power


def test_a_jump_that_lasts_is_unknown_across_it_and_known_behind_it() -> None:
    jumped = [(START + i, 100.0 * i + (50_000 if i > 10 else 0)) for i in range(21)]
    series = sampled(LIMITED, jumped)
    assert "jumped by 50100 J" in (series.between(START, START + 20).missing or "")
    assert series.between(START, START + 9).joules == pytest.approx(900.0, rel=0.02)
    assert series.between(START + 12, START + 20).joules == pytest.approx(800.0, rel=0.02)


@pytest.mark.parametrize("early", [0.0, 400.0, 700.0, 3000.0])
def test_a_wrap_that_comes_early_is_told_or_within_the_uncertainty(early: float) -> None:
    package = Domain(
        "package-0", "cpu", "powercap", wrap_joules=10_000.0, max_watts=800.0, update_seconds=0.001
    )
    # It starts over `early` joules before its stated range.
    shown = [(START + i, (8000 + 150.0 * i) % (10_000 - early)) for i in range(31)]
    span = sampled(package, shown).between(START + 1, START + 29)
    assert (span.joules is None) == bool(span.missing)
    if span.joules is not None:
        assert span.uncertainty_joules is not None
        assert abs(span.joules - 28 * 150) <= span.uncertainty_joules
    if early == 0:
        assert span.joules == pytest.approx(28 * 150, rel=0.001)
        assert span.budget["wraps"] < 10


def test_a_counter_whose_steps_change_their_period_is_followed() -> None:
    wave, edges = Constant(200.0), [START + 0.53, START + 3.17, START + 6.91]
    series = CounterSeries(GPU)

    def shown(time: float) -> float:
        step = 0.1 if time < START + 5 else 0.02
        return wave.joules(START - 10, START - 10 + (time - START + 10) // step * step)

    polls = [
        START + 0.001 * i
        for i in range(8000)
        if any(abs(START + 0.001 * i - e) < 0.3 for e in edges)
    ]
    for time in sorted({*polls, *(START + i for i in range(9)), *edges}):
        if time in edges:
            series.append(time, shown(time))
        else:
            series.locate_step(time, shown(time))
    for start, end in pairwise(edges):
        span = series.between(start, end)
        assert span.joules is not None
        assert span.uncertainty_joules is not None
        assert abs(span.joules - wave.joules(start, end)) <= span.uncertainty_joules
