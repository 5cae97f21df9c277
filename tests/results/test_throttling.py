"""What of a run's clocks is worth a warning."""

from __future__ import annotations

from typing import Any, cast

from energyctl.energy.schema import PhaseJson
from energyctl.results.throttling import warnings


def phase(
    name: str, start: float, end: float, mhz: float | None = 1980.0, **seconds: float
) -> PhaseJson:
    """With one GPU, held down for so many seconds by each cause; package: by heat."""
    heat = seconds.pop("package", 0.0)
    limited = dict.fromkeys(("power_cap", "heat", "power_brake", "slowdown"), 0.0) | seconds
    gpu = {"looks": 3, "sm_mhz": mhz, "limited_seconds": limited}
    package = {"looks": 3, "mhz": 2000.0, "throttle_count": 1, "throttle_seconds": heat}
    state = {"gpus": {"gpu-0": gpu}, "cpus": {"package-0": package}}
    return cast(PhaseJson, {"name": name, "start": start, "end": end, "state": state})


def test_a_power_limit_that_acts_on_both_together_spoils_what_is_marginal() -> None:
    alone = phase("background_only", 10, 20)
    training = phase("foreground", 20, 120, 1120.0, power_cap=98.0)
    (line,) = warnings([alone, training], 20, 120)
    assert line == (
        "gpu-0 was held down by its power limit for 98.0 % of the training (SM clock 1120 MHz), "
        "but for 0.0 % of the load alone before it (SM clock 1980 MHz): the training slowed the "
        "background, and marginal_joules is less than what the training itself drew"
    )


def test_a_power_limit_that_acted_before_it_too_or_on_a_training_alone_is_none() -> None:
    training = phase("foreground", 20, 120, power_cap=98.0)
    capped = phase("background_only", 10, 20, power_cap=9.0)
    assert warnings([capped, training], 20, 120) == []
    assert warnings([phase("idle", 0, 20), training], 20, 120) == []


def test_a_baseline_without_a_look_leaves_it_open() -> None:
    blind = phase("background_only", 10, 11)
    blind["state"] = {"gpus": {}, "cpus": {}, "missing": {"gpu-0": "no look"}}
    training = phase("foreground", 20, 120, None, power_cap=98.0)
    (line,) = warnings([blind, training], 20, 120)
    assert (
        "for 98.0 % of the training: whether it was so under the load alone, too, is not known"
        in line
    )


def test_heat_a_brake_and_an_unnamed_slowdown_are_told_above_one_percent() -> None:
    lines = warnings(
        [phase("foreground", 0, 100, heat=12.0, power_brake=1.5, slowdown=0.9, package=3.0)], 0, 100
    )
    assert [line.partition(" for ")[0] for line in lines] == [
        "gpu-0 was held down by heat",
        "gpu-0 was held down by its power supply (external power brake)",
        "package-0 was held down by heat",
    ]
    assert "for 3.0 % of the training:" in lines[2]


def test_only_the_last_attempt_counts_and_its_steps_together() -> None:
    phases = [
        phase("foreground", 0, 100, heat=100.0),
        phase("foreground:load", 200, 250),
        phase("foreground:train", 250, 300, heat=10.0),
        phase("cooldown", 300, 400, heat=100.0),
    ]
    (line,) = warnings(phases, 200, 300)
    assert "for 10.0 % of the training" in line


def test_phases_that_know_no_clocks_say_nothing() -> None:
    imported: Any = {"name": "foreground", "start": 0.0, "end": 10.0}
    unknown = phase("foreground", 10, 20)
    unknown["state"]["gpus"]["gpu-0"]["limited_seconds"] = None
    unknown["state"]["cpus"]["package-0"]["throttle_seconds"] = None
    assert warnings([imported, unknown], 0, 20) == []
