"""Energy until a value was reached, of a recording whose truth is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from energyctl.campaign.reach import reached
from energyctl.campaign.training.foreground import Attempt
from energyctl.config.registry import Metric, Repository
from energyctl.energy import Domain, Recording, series_for
from energyctl.results.schema import ReachJson
from energyctl.system.logs import OutputLog

PACKAGE = Domain("package-0", "cpu", "powercap")
METRIC = Metric("acc", "{number}", select="max", reach=0.9, better="higher", series=True)


def recording(domain: Domain = PACKAGE) -> Recording:
    """100 W, from second 10 on 300 W."""
    series, joules = series_for(PACKAGE), 0.0
    for second in range(41):
        series.append(float(second), joules)
        joules += 100.0 if second < 10 else 300.0
    return Recording((domain,), {"package-0": series}, (), 1.0)


def to_reach(instant: tuple[float, float] | str | None, made: Recording | None = None) -> ReachJson:
    """Of a foreground from second 5 to second 25."""
    attempt = Attempt(0, OutputLog(Path("none")), start=5.0, end=25.0)
    if instant is not None:
        attempt.reached["acc"] = instant
    repository = Repository("r", None, ("m",), (), metrics=(METRIC, Metric("loss", "{number}")))
    (found,) = reached(attempt, repository, made or recording()).values()
    return found


def test_joules_and_seconds_are_those_up_to_the_instant() -> None:
    found = to_reach((15.0, 0.0))
    assert (found["value"], found["better"], found["missing"]) == (0.9, "higher", None)
    assert found["seconds"] == 10.0
    assert found["joules"] == pytest.approx(5 * 100 + 5 * 300)
    assert to_reach((25.0, 0.0))["joules"] == pytest.approx(5 * 100 + 15 * 300)


def test_what_flowed_between_two_looks_is_a_part_of_the_band() -> None:
    sure, late = to_reach((15.0, 0.0)), to_reach((15.0, 0.05))
    assert late["joules"] == sure["joules"]
    assert sure["uncertainty_joules"] is not None
    assert late["uncertainty_joules"] is not None
    wider = late["uncertainty_joules"] - sure["uncertainty_joules"]
    assert wider == pytest.approx(0.05 * 200)  # at the mean power


def test_a_value_right_before_the_end_is_of_the_foreground() -> None:
    found = to_reach((25.03, 0.05))
    assert found["seconds"] == 20.0
    assert to_reach((25.1, 0.05))["missing"] == "it was reached outside of what is metered"
    assert to_reach((5.0, 0.0))["joules"] is None


def test_without_an_instant_there_is_the_reason() -> None:
    found = to_reach("it was not reached: the best was 0.5")
    assert (found["seconds"], found["joules"]) == (None, None)
    assert found["missing"] == "it was not reached: the best was 0.5"
    assert to_reach(None)["missing"] == "no value of it was found"
    repository = Repository("r", None, ("m",), (), metrics=(METRIC,))
    assert reached(None, repository, recording())["acc"]["missing"] == "the foreground never ran"
    assert reached(None, Repository("r", None, ("m",), ()), recording()) == {}


def test_where_the_energy_is_not_known_the_seconds_stand_with_the_reason() -> None:
    lost = Domain("package-0", "cpu", "powercap", missing="the counter is gone")
    found = to_reach((15.0, 0.0), recording(lost))
    assert (found["seconds"], found["joules"]) == (10.0, None)
    assert "the counter is gone" in (found["missing"] or "")
