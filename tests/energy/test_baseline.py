"""What the foreground added: its energy less that of a baseline around it, in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from random import Random

import pytest

from benchmarks.baselines import Background, Meter, beside
from energyctl.energy import (
    Baseline,
    Block,
    Domain,
    EnergyAboveBaseline,
    Recording,
    above,
    baseline_of,
    doubtful,
    equal_blocks,
    joined,
    series_for,
)
from energyctl.energy.block_power import student_t

PACKAGE = Domain("package-0", "cpu", "powercap")
CORE = Domain("core-0", "other", "powercap", in_total=False)
START, END, LAST = 40, 100, 140
BEFORE = equal_blocks(0.0, 40.0, 4)
AFTER = equal_blocks(100.0, 140.0, 4)


def recording(watts: Callable[[int], float], package: Domain = PACKAGE) -> Recording:
    """A package, and its core at half of that, second by second; the foreground adds 100 W."""
    series = {d.name: series_for(d) for d in (package, CORE)}
    joules = 0.0
    for second in range(LAST + 1):
        for name, share in (("package-0", 1.0), ("core-0", 0.5)):
            series[name].append(float(second), joules * share)
        joules += watts(second) + (100.0 if START <= second < END else 0.0)
    return Recording((package, CORE), series, (), 1.0)


def added(
    made: Recording, before: tuple[Block, ...] = BEFORE, after: tuple[Block, ...] = AFTER
) -> EnergyAboveBaseline:
    total, _ = above(made.energy(START, END), baseline_of(made, before, after))
    return total


def uncertain_watts(
    made: Recording, before: tuple[Block, ...] = BEFORE, after: tuple[Block, ...] = AFTER
) -> float:
    """Of the baseline's power alone."""
    power = baseline_of(made, before, after).power("package-0", START, END)
    assert power.uncertainty_watts is not None
    return power.uncertainty_watts


def test_it_is_the_energy_above_the_power_around_it() -> None:
    made = recording(lambda second: 50.0)
    total, domains = above(made.energy(START, END), baseline_of(made, BEFORE, AFTER))
    assert total.joules == pytest.approx(100.0 * 60)
    assert domains["core-0"].joules == pytest.approx(50.0 * 60)
    assert total.joules == domains["package-0"].joules  # the core is not in the total


def test_the_uncertainty_of_a_baseline_counts_for_all_of_the_foreground() -> None:
    made = recording(lambda second: 50.0 + (second % 20 > 9))
    total, foreground = added(made), made.energy(START, END).uncertainty_joules
    assert foreground is not None
    assert total.uncertainty_joules == pytest.approx(foreground + 60 * uncertain_watts(made))


def test_a_drift_is_met_in_the_middle_and_half_of_it_is_uncertain() -> None:
    made = recording(lambda second: 50.0 if second < 70 else 60.0)
    assert added(made).joules == pytest.approx(100.0 * 60)
    assert uncertain_watts(made) == pytest.approx(5.0)
    assert baseline_of(made, BEFORE, AFTER).drift((PACKAGE, CORE)) == pytest.approx(10 / 55)


def test_sides_that_are_not_of_one_length_count_by_it() -> None:
    made, short = recording(lambda second: 50.0 if second < 70 else 60.0), AFTER[:2]
    power = baseline_of(made, BEFORE, short).power("package-0", START, END)
    assert power.watts == pytest.approx((40 * 50 + 20 * 60) / 60)
    assert power.uncertainty_watts == pytest.approx(10 * 40 / 60)


def test_with_nothing_after_it_the_trend_goes_on() -> None:
    made = recording(lambda second: 50.0 + second / 10)
    baseline = baseline_of(made, BEFORE)
    mean = baseline.power("package-0", START, END).watts
    assert mean == pytest.approx(52, abs=0.1)
    drift = 0.1 * (70 - 20)
    spread = sqrt(5 / 3)  # of -1.5, -0.5, 0.5, 1.5 W
    noise = student_t(3) * spread * sqrt(1 / 4 + 10 / 60)
    assert uncertain_watts(made, after=()) == pytest.approx(drift + noise, rel=0.05)
    assert baseline.drift((PACKAGE,)) is None


def test_blocks_that_differ_leave_the_mean_uncertain_by_students_t() -> None:
    blocks = [48.0, 52.0, 50.0, 50.0]
    made = recording(lambda second: blocks[second // 10 % 4])
    spread = sqrt(2 * (2**2 + 2**2) / (8 - 2))
    noise = student_t(8 - 1) * spread * sqrt(1 / 8 + 10 / 60)
    assert uncertain_watts(made) == pytest.approx(noise, rel=1e-3)


def test_a_foreground_that_is_not_of_whole_courses_may_have_any_part_of_one() -> None:
    """100 W and 20 W, five seconds each: half of a block at 40 W more than its mean."""
    made = recording(lambda second: 100.0 if second % 10 < 5 else 20.0)
    assert uncertain_watts(made) == pytest.approx(40 * 5 / 60)


def test_for_a_moment_it_may_have_been_no_more_than_the_course_itself() -> None:
    made = recording(lambda second: 100.0 if second % 10 < 5 else 20.0)
    power = baseline_of(made, BEFORE, AFTER).power("package-0", START, START + 2)
    assert power.uncertainty_watts == pytest.approx(40.0)


@pytest.mark.parametrize(("measured", "joules"), [(True, 300.0), (False, 2100.0)])
def test_a_stated_share_counts_of_the_difference_but_of_both_sides_of_an_estimate(
    measured: bool, joules: float
) -> None:
    """5 % of 100 W in 60 s; or of 400 W and of 300 W."""
    stated = replace(PACKAGE, relative_uncertainty=0.05, measured=measured)
    exact, about = recording(lambda second: 300.0), recording(lambda second: 300.0, stated)
    edges = added(exact).uncertainty_joules
    assert edges is not None
    assert added(about).uncertainty_joules == pytest.approx(joules + edges)


@pytest.mark.parametrize(
    "meter",
    [Meter(0.05), Meter(0.05, delay=0.2, known=True), Meter(delay=0.1), Meter(0.05, power=True)],
    ids=str,
)
def test_what_a_meter_is_off_by_on_both_sides_is_within_the_band(meter: Meter) -> None:
    random, load = Random(7), Background(5.0)
    trials = [beside(random, 30.0, load, after=True, meter=meter) for _ in range(20)]
    assert all(trial.inside for trial in trials)


def test_what_two_readings_disagree_by_over_the_baseline_is_in_its_band() -> None:
    instant = Domain("gpu-0", "gpu", "nvml power", quantity="power", check="gpu-0-average")
    average = Domain("gpu-0-average", "other", "nvml power", quantity="power", in_total=False)
    series = {one.name: series_for(one) for one in (instant, average)}
    for second in range(LAST + 1):
        foreground = 100.0 if START <= second < END else 0.0
        series["gpu-0"].append(float(second), 80.0 + foreground)
        series["gpu-0-average"].append(float(second), 110.0 + foreground)
    made = Recording((instant, average), series, (), 1.0)
    power = baseline_of(made, BEFORE, AFTER).power("gpu-0", START, END)
    assert power.uncertainty_watts is not None
    assert power.uncertainty_watts >= 30.0


def test_the_time_that_a_program_took_to_start_counts_of_the_difference() -> None:
    made = recording(lambda second: 300.0)
    baseline = baseline_of(made, BEFORE, AFTER)
    bands = []
    for slack in (0.0, 0.6):
        energy = made.energy(START, END, slack_seconds=slack)
        total, _ = above(energy, baseline)
        assert total.uncertainty_joules is not None
        bands.append(total.uncertainty_joules)
    assert bands[1] - bands[0] == pytest.approx(0.6 * 100)


def test_one_block_tells_nothing_of_others() -> None:
    made = recording(lambda second: 50.0)
    assert "single block" in (added(made, BEFORE[:1], ()).missing or "")
    assert added(made, BEFORE[:1], AFTER[:1]).joules == pytest.approx(6000)


def test_a_baseline_of_a_moment_is_none() -> None:
    made = recording(lambda second: 50.0)
    total = added(made, equal_blocks(39.5, 40.0, 4))
    assert total.joules is None
    assert "0.5 s are too short" in (total.missing or "")


def test_a_reason_for_no_baseline_stands_for_all_domains() -> None:
    made = recording(lambda second: 50.0)
    total, domains = above(made.energy(START, END), Baseline(missing="nobody was idle"))
    assert (total.joules, total.missing) == (None, "nobody was idle")
    assert domains["package-0"].missing == "nobody was idle"


def test_a_domain_that_failed_before_leaves_the_total_unknown() -> None:
    made = recording(lambda second: 50.0)
    broken = series_for(PACKAGE)
    for second in range(LAST + 1):
        broken.append(float(second), 1000.0 - second if second < 5 else 200.0 * second)
    made = Recording(made.domains, {**made.series, "package-0": broken}, (), 1.0)
    total, domains = above(made.energy(START, END), baseline_of(made, BEFORE, AFTER))
    assert total.joules is None
    assert "baseline" in (total.missing or "")
    assert domains["core-0"].joules is not None


def test_a_domain_that_failed_after_has_the_baseline_before() -> None:
    made = recording(lambda second: 50.0)
    cut = series_for(PACKAGE)
    for second in range(111):
        cut.append(float(second), 50.0 * second + 100.0 * min(max(0, second - START), 60))
    made = Recording(made.domains, {**made.series, "package-0": cut}, (), 1.0)
    baseline = baseline_of(made, BEFORE, AFTER)
    assert baseline.after.keys() == {"core-0"}
    assert added(made).joules == pytest.approx(6000)
    assert baseline.drift((PACKAGE, CORE)) is None


def test_the_baseline_of_another_recording_meets_an_end_of_its_own() -> None:
    first, later = recording(lambda second: 50.0), recording(lambda second: 60.0)
    baseline = baseline_of(first, BEFORE).with_after(later, AFTER)
    assert baseline.watts((PACKAGE, CORE), START, END) == pytest.approx(55.0)
    assert baseline.drift((PACKAGE, CORE)) == pytest.approx(10 / 55)


@pytest.mark.parametrize(
    ("blocks", "together"),
    [
        ([(0, 0.4), (0.4, 0.8), (0.8, 1.2), (1.2, 2.4)], [(0, 1.2), (1.2, 2.4)]),
        ([(0, 0.4), (0.5, 2)], [(0, 0.4), (0.5, 2)]),  # there is a hole
        ([(0, 2), (2, 5)], [(0, 2), (2, 5)]),
        ([], []),
    ],
)
def test_short_blocks_are_joined(blocks: list[Block], together: list[Block]) -> None:
    assert joined(blocks) == together


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (5, 2.571), (11, 2.201), (20, 2.086), (1000, 1.962)]
)
def test_the_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_t(freedom) == pytest.approx(quantile, abs=0.003)


def test_a_figure_that_its_baseline_leaves_open_is_warned_about() -> None:
    def line(joules: float | None, uncertainty: float | None) -> str | None:
        figure = EnergyAboveBaseline(joules, uncertainty, None if joules else "why")
        return doubtful("above_idle_joules", figure, 4000.0, "take a longer one")

    assert line(40.0, 350.0) == "above_idle_joules is uncertain, 40 ± 350 J: take a longer one"
    assert line(3000.0, 200.0) is None
    assert line(5.0, 30.0) is None  # next to nothing
    assert line(None, None) is None
