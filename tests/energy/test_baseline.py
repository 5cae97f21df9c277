"""What the foreground added: its energy less that of a baseline, in closed form."""

from __future__ import annotations

import pytest

from energyctl.energy import (
    Domain,
    EnergyAboveBaseline,
    Phase,
    Recording,
    above,
    doubtful,
    series_for,
)

PACKAGE = Domain("package-0", "cpu", "powercap", resolution_joules=0.5)
CORE = Domain("core-0", "other", "powercap", in_total=False)
PHASES = (
    Phase("idle", 0.0, 10.0),
    Phase("background_start", 10.0, 15.0),
    Phase("background_only", 15.0, 25.0),
    Phase("foreground", 25.0, 65.0),
    Phase("background_only", 65.0, 70.0),
)


def recording(watts: dict[str, float], phases: tuple[Phase, ...] = PHASES) -> Recording:
    """A package and its core at a constant power in each phase."""
    series = {d.name: series_for(d) for d in (PACKAGE, CORE)}
    joules = 0.0
    for second in range(int(phases[-1].end) + 1):
        for name, share in (("package-0", 1.0), ("core-0", 0.5)):
            series[name].append(float(second), joules * share)
        joules += next((watts[p.name] for p in phases if p.start <= second < p.end), 0.0)
    return Recording((PACKAGE, CORE), series, phases, 1.0)


WATTS = {"idle": 50.0, "background_start": 90.0, "background_only": 120.0, "foreground": 200.0}


@pytest.mark.parametrize(("baseline", "watts"), [("idle", 50.0), ("background_only", 120.0)])
def test_it_is_the_energy_above_the_power_of_the_phase(baseline: str, watts: float) -> None:
    total, domains = above(recording(WATTS), baseline, 25.0, 65.0)
    assert total.joules == pytest.approx(40 * (200 - watts))
    assert domains["core-0"].joules == pytest.approx(20 * (200 - watts))
    assert total.joules == domains["package-0"].joules  # the core is not in the total


def test_the_uncertainty_of_a_short_baseline_is_stretched_to_the_foreground() -> None:
    made = recording(WATTS)
    total, _ = above(made, "background_only", 25.0, 65.0)
    foreground = made.energy(25.0, 65.0).uncertainty_joules
    baseline = made.energy(15.0, 25.0).uncertainty_joules
    assert foreground is not None
    assert baseline is not None
    assert total.uncertainty_joules == pytest.approx(foreground + baseline * 40 / 10)


def test_a_baseline_whose_power_moved_is_trusted_less() -> None:
    halves = (
        Phase("idle", 0.0, 10.0),
        Phase("rising", 10.0, 20.0),
        Phase("foreground", 20.0, 60.0),
    )
    made = recording({"idle": 40.0, "rising": 60.0, "foreground": 200.0}, halves)
    one = Recording(
        made.domains,
        made.series,
        (Phase("idle", 0.0, 20.0), Phase("foreground", 20.0, 60.0)),
        1.0,
    )
    total, _ = above(one, "idle", 20.0, 60.0)
    assert total.joules == pytest.approx(40 * (200 - 50))
    assert total.uncertainty_joules == pytest.approx(40 * 10, abs=25)  # it moved by 20 W


def test_a_baseline_that_is_missing_or_came_after_leaves_null_with_its_reason() -> None:
    total, domains = above(recording(WATTS), "background_only", 0.0, 10.0)
    assert total.joules is None
    assert total.uncertainty_joules is None
    assert "background_only" in (total.missing or "")
    assert domains["package-0"].joules is None


def test_a_domain_that_failed_in_the_baseline_leaves_the_total_unknown() -> None:
    made = recording(WATTS)
    broken = series_for(PACKAGE)
    for second in range(71):
        broken.append(float(second), 1000.0 - second if second < 5 else 200.0 * second)
    series = {**made.series, "package-0": broken}
    total, domains = above(Recording(made.domains, series, PHASES, 1.0), "idle", 25.0, 65.0)
    assert total.joules is None
    assert "baseline" in (total.missing or "")
    assert domains["core-0"].joules is not None


def test_a_baseline_of_a_moment_is_none() -> None:
    phases = (Phase("idle", 0.0, 0.5), Phase("foreground", 1.0, 40.0))
    total, _ = above(recording(WATTS, phases), "idle", 1.0, 40.0)
    assert total.joules is None
    assert "too short" in (total.missing or "")


def test_a_figure_that_its_baseline_leaves_open_is_warned_about() -> None:
    assert "idle_seconds" in (
        doubtful("above_idle_joules", EnergyAboveBaseline(40.0, 350.0), 4000.0) or ""
    )
    assert doubtful("above_idle_joules", EnergyAboveBaseline(3000.0, 200.0), 4000.0) is None
    assert (
        doubtful("marginal_joules", EnergyAboveBaseline(5.0, 30.0), 4000.0) is None
    )  # next to nothing
    assert doubtful("marginal_joules", EnergyAboveBaseline(None, None, "why"), 4000.0) is None
