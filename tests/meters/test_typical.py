"""The uncertainty that a run of some length will have, before it is made."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from statistics import median

import pytest

from energyctl.energy import Domain
from energyctl.meters.simulation import SimulatedSampler
from energyctl.meters.typical import typical_energy, typical_uncertainty
from hardware.simulated import EPOCH, GPU, RAPL, Counter, Load, Shown, read_as_sampled

POWER = Domain(
    "gpu-0", "gpu", "nvml power", quantity="power", update_seconds=0.1, max_watts=600.0,
    relative_uncertainty=0.05,
)  # fmt: skip
KNOWN_DELAY = replace(GPU, delay_seconds=0.05, delay_within_seconds=0.01)


def trained(seconds: float, random: Random, watts: float) -> tuple[Load, float, float]:
    """From idle to a training of iterations of any length, up to its exit; begin and end."""
    start, left = 2 + random.random(), seconds
    iteration = random.uniform(0.15, 0.6)
    segments = [(start, watts / 10)]
    while left > 0:
        for share, power in ((0.9, watts), (0.1, watts / 10)):
            segments.append((min(left, share * iteration), power))
            left -= segments[-1][0]
    return Load([*segments, (9.0, watts / 10)]), start, start + seconds


def share_of(domain: Domain, seconds: float, seed: int) -> float:
    """Half-width of the band of one recording, as a share of its joules."""
    random = Random(seed)
    assert domain.max_watts
    seconds += random.uniform(-0.1, 0.1)
    load, start, end = trained(seconds, random, domain.max_watts / 2)
    counter = Counter(domain.update_seconds, 0.05, delay=domain.delay_seconds or 0.0)
    shown: Shown = counter.shown(load, end + 3, domain.resolution_joules, random)
    series = read_as_sampled(domain, shown, [start, end], random)
    span = series.between(EPOCH + start, EPOCH + end)
    assert span.joules is not None, span.missing
    return (span.uncertainty_joules or 0.0) / span.joules


@pytest.mark.parametrize("domain", [GPU, KNOWN_DELAY, RAPL], ids=["gpu", "known delay", "rapl"])
@pytest.mark.parametrize("seconds", [10.0, 60.0])
def test_it_is_what_recordings_of_trainings_state(domain: Domain, seconds: float) -> None:
    stated = median(share_of(domain, seconds, seed) for seed in range(15))
    assert typical_uncertainty(domain, seconds) == pytest.approx(stated, rel=0.35)


def test_a_counter_gets_better_with_the_length_and_a_stated_share_does_not() -> None:
    minute, ten = (typical_uncertainty(GPU, seconds) for seconds in (60.0, 600.0))
    assert ten == pytest.approx(minute / 10, rel=0.2)
    estimate = Domain("cpu", "cpu", "estimate", measured=False, relative_uncertainty=1.0)
    assert typical_uncertainty(estimate, 600.0) == pytest.approx(1.0, abs=0.001)
    assert 0.05 < typical_uncertainty(POWER, 600.0) < 0.3


def test_steps_that_are_narrower_leave_less() -> None:
    fine = replace(GPU, update_seconds=0.02)
    assert typical_uncertainty(fine, 60.0) < 0.7 * typical_uncertainty(GPU, 60.0)


def test_power_is_half_of_the_most_or_what_is_drawn_now() -> None:
    assert typical_energy(GPU, 60.0).joules / 60 == pytest.approx(0.916 * 700, rel=0.02)
    unstated = replace(GPU, max_watts=None)
    assert typical_energy(unstated, 60.0, watts_now=50.0).joules / 60 == pytest.approx(
        0.916 * 50, rel=0.02
    )


def test_names_do_not_matter_and_readings_make_it_twice_the_same() -> None:
    other = replace(GPU, name="gpu-7", part="gpu/7")
    assert typical_uncertainty(other, 60.0) == typical_uncertainty(GPU, 60.0)


def test_a_simulated_sampler_reads_power_as_often_as_the_real_one() -> None:
    sampler = SimulatedSampler({POWER: lambda _: 100.0}, Random(1))
    sampler.run([1.0, 11.0])
    assert 80 < len(sampler.series["gpu-0"].times) < 160


def test_many_gpus_whose_calls_are_slow_leave_more() -> None:
    one = typical_uncertainty(KNOWN_DELAY, 10.0)
    quick = typical_uncertainty(KNOWN_DELAY, 10.0, read_seconds=3e-5, count=8)
    slow = typical_uncertainty(KNOWN_DELAY, 10.0, read_seconds=8e-3, count=16)
    assert quick == pytest.approx(one, rel=0.2)
    assert slow > 1.3 * one


def test_runs_that_are_too_short_for_a_slow_meter_have_no_band() -> None:
    slow = Domain(
        "node",
        "other",
        "ipmi",
        in_total=False,
        quantity="power",
        remote=True,
        update_seconds=10.0,
        averaging_seconds=30.0,
        answer_seconds=7.5,
    )
    minute, ten = (typical_energy(slow, seconds, watts_now=300.0) for seconds in (60.0, 600.0))
    assert (minute.joules, minute.share) == (None, None)
    assert ten.share is not None
    assert 0 < ten.share < 1
