"""The wall by the domains: lines of known truth, how often bands hold it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from statistics import fmean

import pytest

from energyctl.energy.wall import (
    PhasePower,
    WallFit,
    fit_wall,
    levels_of,
    too_little,
)


def phase(
    cpu: float, gpu: float, off: float = 0.0, seconds: float = 60.0, meter: float = 0.0
) -> PhasePower:
    """Of a machine that takes 80 W more than 1.1 times CPUs and GPUs."""
    return PhasePower(seconds, 80 + 1.1 * (cpu + gpu) + off, cpu, gpu, meter)


PHASES = (phase(60, 70), phase(70, 200), phase(90, 340), phase(110, 480))


def fitted(phases: tuple[PhasePower, ...] | list[PhasePower], scale: float = 0.0) -> WallFit:
    levels = levels_of(phases)
    assert too_little(levels) == []
    fit = fit_wall(levels, scale)
    assert fit is not None
    return fit


def test_a_line_is_found_with_one_slope() -> None:
    fit = fitted([replace(one, wall_watts=one.wall_watts + 1) for one in PHASES])
    model = fit.model
    assert model.slopes == 1
    assert model.coefficients == pytest.approx((81.0, 1.1))
    assert model.watts(75, 250) == pytest.approx(81 + 1.1 * 325)
    assert fit.left_out_rms == pytest.approx(0.0, abs=1e-6)
    assert fit.refusals == []


def test_two_slopes_are_taken_where_they_tell_what_is_left_out_better() -> None:
    apart = [(60, 70), (60, 400), (200, 70), (200, 400), (130, 230), (80, 300)]
    differ = [PhasePower(60, 80 + 1.3 * cpu + 1.05 * gpu, cpu, gpu, 0.1) for cpu, gpu in apart]
    two = fitted(differ).model
    assert two.coefficients == pytest.approx((80.0, 1.3, 1.05))
    assert (two.slope_of("dram"), two.slope_of("gpu")) == pytest.approx((1.3, 1.05))
    random = Random(3)
    together = [phase(gpu / 5, gpu, random.gauss(0, 2)) for gpu in range(70, 500, 60)]
    assert fitted(together).model.slopes == 1


def test_phases_of_about_the_same_power_are_one_level() -> None:
    repeated = [phase(60 + i, 70) for i in range(5)] + [phase(60, 480), phase(110, 430)]
    levels = levels_of(repeated)
    assert [len(level.phases) for level in levels] == [5, 1, 1]
    weighted = levels_of([phase(50, 70, seconds=30), phase(54, 70, seconds=90), phase(50, 470)])
    assert weighted[0].mean.cpu_watts == pytest.approx(53)
    assert weighted[0].mean.seconds == 120


def test_repeats_do_not_make_the_line_look_better_than_it_is() -> None:
    bent = [phase(60, gpu, 20 * ((gpu - 280) / 200) ** 2) for gpu in (80, 200, 360, 480)]
    once, often = fitted(bent).model, fitted(bent * 20).model
    assert often.freedom == 2
    assert often.uncertainty_watts(60, 280) == pytest.approx(once.uncertainty_watts(60, 280))


@pytest.mark.parametrize("repeats", [1, 4])
@pytest.mark.parametrize("gpu_slope", [1.1, 1.4])
def test_bands_hold_as_often_as_they_say(gpu_slope: float, repeats: int) -> None:
    """Of levels and phases that scatter by known amounts about a line; nothing else is in it."""
    random = Random(f"{gpu_slope} {repeats}")

    def measured(cpu: float, gpu: float, miss: float) -> PhasePower:
        return phase(cpu, gpu, (gpu_slope - 1.1) * gpu + miss + random.gauss(0, 2))

    inside, slopes = [], []
    for _ in range(1500):
        places = [(random.uniform(50, 250), random.uniform(70, 500)) for _ in range(7)]
        misses = [random.gauss(0, 5) for _ in places]
        seen = [
            measured(*place, miss)
            for place, miss in zip(places, misses, strict=True)
            for _ in range(repeats)
        ]
        fit = fit_wall(levels_of(seen), 0.0)
        assert fit is not None
        one = measured(*random.choice(places), random.gauss(0, 5))
        error = fit.model.watts(one.cpu_watts, one.gpu_watts) - one.wall_watts
        inside.append(abs(error) <= fit.model.uncertainty_watts(one.cpu_watts, one.gpu_watts))
        slopes.append(fit.model.slopes)
    assert 0.94 <= fmean(inside) <= 0.985
    assert fmean(slopes) < 1.05 if gpu_slope == 1.1 else fmean(slopes) > 1.6


def test_a_band_has_the_meter_in_it() -> None:
    exact = fitted(PHASES).model
    scaled = fitted(PHASES, scale=0.02).model
    watts = exact.watts(70, 200)
    assert exact.uncertainty_watts(70, 200) == pytest.approx(0.0, abs=1e-6)
    assert scaled.uncertainty_watts(70, 200) == pytest.approx(0.02 * watts)
    coarse = fitted([replace(one, meter_watts=3.0) for one in PHASES]).model
    assert coarse.uncertainty_watts(70, 200) == pytest.approx(3.0)
    assert scaled.coefficient_uncertainties() == pytest.approx((1.6, 0.022), abs=1e-6)


@pytest.mark.parametrize(
    ("cpu", "gpu", "why"),
    [
        (75, 300, None),
        (112, 490, None),
        (110, 560, "the domains draw 670.0 W, and it covers 130.0 W to 590.0 W"),
        (30, 200, "the CPUs and memory draw 30.0 W, and it covers 60.0 W to 110.0 W"),
        (250, 200, "the CPUs and memory draw 250.0 W"),
        (105, 30, "the GPUs draw 30.0 W"),
    ],
)
def test_powers_that_were_not_calibrated_are_told(cpu: float, gpu: float, why: str | None) -> None:
    found = fitted(PHASES).model.outside(cpu, gpu)
    assert found is None if why is None else why in (found or "")


@pytest.mark.parametrize(("cpu", "gpu"), [(160, 70), (60, 570), (160, 300), (85, 195), (110, 320)])
def test_a_band_holds_where_cpus_and_gpus_share_the_power_as_in_no_level(
    cpu: float, gpu: float
) -> None:
    """Of levels in which both rise together, so that one slope has no scatter."""

    def wall(cpu: float, gpu: float) -> float:
        return 80 + 1.25 * cpu + 1.05 * gpu

    together = [(60, 70), (85, 195), (110, 320), (135, 445), (160, 570)]
    model = fitted([PhasePower(60, wall(*each), *each, 0.1) for each in together]).model
    assert model.slopes == 1
    assert model.outside(cpu, gpu) is None
    error = abs(model.watts(cpu, gpu) - wall(cpu, gpu))
    band = model.uncertainty_watts(cpu, gpu)
    assert error <= band
    # CPUs have 1 W of 6 W more of the sum.
    assert model.beyond_levels(cpu, gpu) == pytest.approx(
        abs(cpu - 60 - (cpu + gpu - 130) / 6), abs=1e-6
    )
    assert band == pytest.approx(0.3 * model.beyond_levels(cpu, gpu) + 0.1, abs=1e-6)


def test_levels_that_share_the_power_as_it_comes_have_that_in_their_scatter() -> None:
    model = fitted(PHASES).model
    assert all(model.beyond_levels(one.cpu_watts, one.gpu_watts) == 0 for one in PHASES)
    apart = [(60, 70), (60, 400), (200, 70), (200, 400), (130, 230), (80, 300)]
    two = fitted([PhasePower(60, 80 + 1.3 * c + 1.05 * g, c, g, 0.1) for c, g in apart]).model
    assert two.slopes == 2
    assert two.beyond_levels(200, 70) == two.beyond_levels(60, 70) == 0


def test_too_few_powers_or_too_alike_ones_are_refused() -> None:
    (few,) = too_little(levels_of([*PHASES[:3], PHASES[0]]))
    assert few.startswith("3 different powers of the domains (130.0 W, 270.0 W, 430.0 W), and it ")
    (narrow,) = too_little(levels_of([phase(60, gpu) for gpu in (70, 80, 90, 100)]))
    assert narrow == "the power at the wall, 223.0 W to 256.0 W, varies by less than 20 %"
    assert too_little([]) == [
        "0 different powers of the domains (), and it takes 4 to tell what a straight line misses"
    ]


def test_a_meter_that_does_not_see_the_machine_is_refused() -> None:
    half = [replace(one, wall_watts=one.wall_watts / 2) for one in PHASES]
    (why,) = fitted(half).refusals
    assert why.startswith("a watt of the domains is 0.550 W at the wall, and cannot be less")
    with_another = [
        replace(one, wall_watts=one.wall_watts + more)
        for one, more in zip(PHASES, (0, 300, 0, 300), strict=True)
    ]
    assert any("of their mean power wrong (rms)" in why for why in fitted(with_another).refusals)
