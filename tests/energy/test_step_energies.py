"""The spread of a counter's single steps."""

from __future__ import annotations

from statistics import stdev

import pytest

from energyctl.energy import CounterSeries, Domain
from energyctl.energy.step_energies import StepEnergies

GPU = Domain("gpu-0", "gpu", "nvml energy counter", update_seconds=0.1, part_time=True)


def test_it_is_that_of_the_steps_between_two_samples() -> None:
    energies, steps = StepEnergies(), [3.0, 60.0, 12.0, 44.0, 51.0, 5.0, 900.0]
    energies.keep(10.0)
    for second, joules in enumerate(steps, start=1):
        energies.add(joules)
        energies.keep(10.0 + second)
    assert energies.deviation(10.0, 16.0) == pytest.approx(stdev(steps[:6]))
    assert energies.deviation(10.9, 14.1) == pytest.approx(stdev(steps[1:4]))
    assert energies.deviation(12.1, 13.9) is None
    assert energies.deviation(12.0, 13.0) is None


def test_without_any_step_that_was_seen_nothing_of_the_energy_is_certain() -> None:
    series = CounterSeries(GPU)
    for time in (0.0, 1.0, 2.0, 3.0):
        series.append(100 + time, 50 * time)
    span = series.between(100.5, 102.5)
    assert span.budget["attention"] == span.joules


def test_steps_that_are_alike_leave_nothing_unseen() -> None:
    series = CounterSeries(GPU)
    for index in range(400):
        time, joules = 100 + 0.05 * index, 10.0 * (index // 2)
        if index % 20:
            series.locate_step(time, joules)
        else:
            series.append(time, joules)
    assert series.between(102.0, 118.0).budget["attention"] == pytest.approx(0.0, abs=1e-6)
