"""What is summed, what is not, and what a result says about it."""

from __future__ import annotations

import pytest

from energyctl.energy import (
    Domain,
    DomainEnergy,
    Energy,
    Phase,
    Recording,
    SamplerStatistics,
    Ticks,
    count_once,
    series_for,
)

STATISTICS = SamplerStatistics(interval_seconds=1.0, samples=11)


def known(name: str, kind: str, joules: float, **facts: bool) -> DomainEnergy:
    domain = Domain(name, kind, "test", **facts)  # type: ignore[arg-type]
    return DomainEnergy(domain, joules, joules / 100)


def unknown(name: str, kind: str, reason: str) -> DomainEnergy:
    return DomainEnergy(Domain(name, kind, "test"), None, None, reason)  # type: ignore[arg-type]


def energy(*domains: DomainEnergy) -> Energy:
    return Energy(100.0, 110.0, domains, STATISTICS)


def test_each_joule_is_counted_once() -> None:
    result = energy(
        known("package-0", "cpu", 100),
        known("package-1", "cpu", 50),
        known("core-0", "other", 80, in_total=False),
        known("psys", "other", 400, in_total=False),
        known("package-0-mmio", "other", 100, in_total=False),
        known("dram-0", "dram", 7),
        known("gpu-0", "gpu", 1000),
        known("gpu-1", "gpu", 500),
    )
    assert result.total_joules == 1657
    assert result.cpu_package_joules == 150
    assert result.cpu_dram_joules == 7
    assert result.gpu_joules == 1500
    assert result.measured
    assert result.warnings == ()


def test_of_two_that_show_the_same_part_the_one_that_can_be_read_is_in_the_total() -> None:
    denied = Domain("package-0", "cpu", "powercap", part="package-0", missing="denied")
    second = Domain("package-0-perf", "cpu", "perf", part="package-0")
    assert [d.in_total for d in count_once([denied, second])] == [False, True]
    third = Domain("package-0-mmio", "cpu", "powercap", part="package-0")
    assert [d.in_total for d in count_once([second, third])] == [True, False]


def test_an_estimate_stands_in_for_packages_and_dram_and_for_no_gpu() -> None:
    unreadable = [
        Domain("package-0", "cpu", "powercap", missing="denied"),
        Domain("dram-0", "dram", "powercap", missing="denied"),
        Domain("gpu-0", "gpu", "nvml", missing="lost"),
    ]
    estimate = Domain("cpu", "cpu", "estimate", measured=False)
    assert [d.in_total for d in count_once([*unreadable, estimate])] == [False, False, True, True]
    assert [d.in_total for d in count_once(unreadable)] == [True, True, True]


def test_an_estimate_counts_in_the_total_but_is_no_measured_package() -> None:
    result = energy(known("cpu", "cpu", 30, measured=False), known("gpu-0", "gpu", 100))
    assert result.total_joules == 130
    assert result.cpu_package_joules is None
    assert result.gpu_joules == 100
    assert not result.measured
    assert result.warnings == ()


def test_a_part_that_is_unknown_makes_the_sum_unknown_and_is_named() -> None:
    result = energy(
        known("package-0", "cpu", 100),
        known("gpu-0", "gpu", 100),
        unknown("gpu-1", "gpu", "GPU is lost"),
    )
    assert result.total_joules is None
    assert result.uncertainty_joules is None
    assert result.gpu_joules is None
    assert result.cpu_package_joules == 100
    assert "no energy of gpu-1: GPU is lost" in result.warnings
    assert not result.measured


def test_no_meter_at_all_is_no_total_instead_of_zero() -> None:
    result = energy(known("psys", "other", 400, in_total=False))
    assert result.total_joules is None
    assert not result.measured
    assert result.warnings


def test_the_energy_object_of_a_result_has_exactly_these_keys() -> None:
    document = energy(known("gpu-0", "gpu", 100), unknown("dram-0", "dram", "no")).to_json()
    assert list(document) == [
        "seconds",
        "total_joules",
        "uncertainty_joules",
        "own_joules",
        "common_joules",
        "cpu_package_joules",
        "cpu_dram_joules",
        "gpu_joules",
        "measured",
        "domains",
        "sampler",
    ]
    assert document["seconds"] == 10.0
    assert document["domains"][1] == {
        "name": "dram-0",
        "kind": "dram",
        "source": "test",
        "measured": True,
        "in_total": True,
        "joules": None,
        "uncertainty_joules": None,
        "own_joules": None,
        "common_joules": None,
        "budget": {},
        "checks": [],
        "missing": "no",
    }
    assert list(document["sampler"]) == [
        "interval_seconds",
        "samples",
        "missed",
        "max_gap_seconds",
        "cpu_seconds",
    ]


def test_phases_show_joules_and_watts_of_each_domain_and_reasons_for_the_missing() -> None:
    package = Domain("package-0", "cpu", "powercap")
    hidden = Domain("dram-0", "dram", "powercap", missing="no permission")
    series = series_for(package)
    for second in range(21):
        series.append(100.0 + second, 50.0 * second)
    recording = Recording(
        (package, hidden),
        {"package-0": series},
        (Phase("idle", 100.0, 104.0), Phase("foreground", 104.0, 120.0)),
        1.0,
    )
    (slack, most) = (recording.energy(100, 120, slack_seconds=s).domains[0] for s in (0.5, 50.0))
    assert slack.budget["window"] == pytest.approx(25.0)
    assert most.budget["window"] == pytest.approx(1000.0)  # all of it, and no more
    idle, foreground = recording.phases_json()
    assert idle["name"] == "idle"
    assert idle["end"] == foreground["start"]
    assert idle["joules"] == {"package-0": pytest.approx(200.0), "dram-0": None}
    assert foreground["watts"] == {"package-0": pytest.approx(50.0), "dram-0": None}
    assert foreground["missing"] == {"dram-0": "no permission"}


def test_the_uncertainties_of_the_domains_add_up() -> None:
    result = energy(known("package-0", "cpu", 300), known("gpu-0", "gpu", 400))
    assert result.uncertainty_joules == pytest.approx(3 + 4)


def of_cause(name: str, joules: float, **budget: float) -> DomainEnergy:
    domain = Domain(name, "gpu", "test")
    return DomainEnergy(domain, joules, sum(budget.values()), budget=budget)


def test_what_runs_on_one_machine_share_is_told_from_what_is_a_runs_own() -> None:
    first = of_cause("gpu-0", 1000.0, assumed_delay=30.0, window=2.0, interpolation=5.0)
    result = energy(first, of_cause("gpu-1", 1000.0, stated=50.0, location=4.0))
    assert result.own_joules == pytest.approx(5 + 4)
    assert result.common_joules == pytest.approx(32 + 50)
    assert result.uncertainty_joules == pytest.approx(91)


def test_a_total_that_is_uncertain_by_more_than_one_percent_says_why_and_what_helps() -> None:
    first = of_cause("gpu-0", 1000.0, interpolation=25.0, unit=1.0)
    (line,) = energy(first, of_cause("gpu-1", 1000.0, unit=4.0)).warnings
    assert "1.5 %" in line
    assert "gpu-0" in line
    assert "the counter moves in steps" in line
    assert "longer run" in line
    assert "15.0 s or more" in line  # of 10 s, at a fixed number of joules
    assert energy(of_cause("gpu-0", 1000.0, interpolation=9.9)).warnings == ()


def test_the_sampler_is_told_of_the_interval_alone() -> None:
    ticks = Ticks()
    for second in range(21):
        missed = 2 if second == 15 else 0
        ticks.add(100.0 + second if second < 15 else 102.0 + second, missed, 0.01 * second)
    recording = Recording((), {}, (), 1.0, ticks)
    early = recording.energy(101.0, 111.0).sampler
    assert (early.samples, early.missed) == (11, 0)
    assert early.max_gap_seconds == pytest.approx(1.0)
    late = recording.energy(113.5, 119.0).sampler
    assert (late.samples, late.missed) == (4, 2)
    assert late.max_gap_seconds == pytest.approx(3.0)
    assert recording.statistics.samples == 21
    assert early.cpu_seconds == pytest.approx(0.11, abs=0.011)
