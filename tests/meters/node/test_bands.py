"""Whether the stated bands hold, for meters that average, round, and come late."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from energyctl.config.node_meters import HomeAssistant, Ipmi, NodeMeter, Redfish, Shelly, Tasmota
from energyctl.energy import Span, series_for
from energyctl.meters.node import device
from hardware.machine_wave import Shown, machine, questions

URL = "http://127.0.0.1:1"
RUNS = 40
HOLDS = 0.95


@dataclass(frozen=True)
class Truth:
    """How a meter behaves, which its owner does not know."""

    update: float
    late: float = 0.0
    averaging: float = 0.0
    unit: float = 1.0


def meters(folder: Path) -> dict[str, tuple[NodeMeter, Truth]]:
    secret = folder / "secret"
    secret.write_text("x", encoding="utf-8")
    file = str(secret)
    power = HomeAssistant(kind="home_assistant", url=URL, power_entity="sensor.p", token_file=file)
    energy = HomeAssistant(
        kind="home_assistant", url=URL, energy_entity="sensor.e", token_file=file
    )
    bmc = Redfish(kind="redfish", url=URL, user="u", password_file=file)
    return {
        "shelly": (Shelly(kind="shelly", url=URL), Truth(1.0, unit=3.6)),
        "shelly by the minute": (Shelly(kind="shelly", url=URL), Truth(60.0, unit=3.6)),
        "tasmota": (Tasmota(kind="tasmota", url=URL), Truth(1.0, late=0.3, averaging=1.0)),
        "power entity": (power, Truth(20.0, late=2.0, averaging=1.0, unit=0.1)),
        "energy entity": (energy, Truth(30.0, late=2.0, unit=3600.0)),
        "redfish": (bmc, Truth(10.0, averaging=60.0)),
        "redfish at once": (bmc, Truth(1.0)),
        "ipmi": (Ipmi(kind="ipmi"), Truth(5.0, late=1.0, averaging=20.0)),
    }


NAMES = (
    "shelly", "shelly by the minute", "tasmota", "power entity", "energy entity", "redfish",
    "redfish at once", "ipmi",
)  # fmt: skip


@pytest.mark.parametrize("seconds", [30.0, 180.0])
@pytest.mark.parametrize("name", NAMES)
def test_the_truth_lies_in_the_band(tmp_path: Path, name: str, seconds: float) -> None:
    meter, truth = meters(tmp_path)[name]
    random = Random(f"{name}{seconds}")
    held = 0
    for _ in range(RUNS):
        span, joules = measured(meter, truth, seconds, random)
        assert span.joules is not None
        # What the meter itself may be off is not what is tried here.
        band = sum(part for cause, part in span.budget.items() if cause != "stated")
        held += abs(span.joules - joules) <= band
    assert held >= HOLDS * RUNS


def measured(meter: NodeMeter, truth: Truth, seconds: float, random: Random) -> tuple[Span, float]:
    """What is made of the meter's answers, and the true joules."""
    asker = device("wall", meter)
    wave = machine(random, 300.0)
    shown = Shown(wave, truth.update, truth.late, truth.averaging, truth.unit, random.random())
    value = shown.joules if asker.domain.quantity == "energy" else shown.watts
    series = series_for(asker.domain)
    for middle, took in questions(random, 300.0, asker.poll_seconds, 0.05):
        instant = middle + took * random.uniform(-0.5, 0.5)
        series.append(middle, value(instant), None, took)
    start = random.uniform(20.0, 40.0)
    span = series.between(start, start + seconds)
    return span, wave.joules(start + seconds) - wave.joules(start)
