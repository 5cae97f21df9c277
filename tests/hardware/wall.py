"""A machine whose power is that of the stand-in trainings that run (bench.py), and the meter at its
wall, as a source of another package.

The wall is CONSTANT_WATTS more than SLOPE times the machine's own counter, package-0.
"""

from __future__ import annotations

from pathlib import Path

from hardware.plug_in import install

CONSTANT_WATTS, SLOPE = 60.0, 1.1
IDLE_WATTS = 50.0
WATTS = {"small": 200.0, "large": 90.0, "middle": 140.0}
"""Above idle, by model."""

SOURCE = f"""
import json
import os
import time

from energyctl.energy import Domain
from energyctl.meters import Reading, Source

WATTS = {WATTS}
PACKAGE = Domain(
    "package-0", "cpu", "stand-in", part="package-0", quantity="power", resolution_watts=0.1
)
WALL = Domain("wall", "other", "stand-in", in_total=False, relative_uncertainty=0.01)


class Machine(Source):
    name = "stand-in"
    quick = True

    def domains(self):
        return [PACKAGE, WALL]

    joules, watts, then = 0.0, 0.0, time.monotonic()

    def read(self):
        now, watts = time.monotonic(), {IDLE_WATTS} + sum(map(power, trainings()))
        wall = {CONSTANT_WATTS} + {SLOPE} * (watts + self.watts) / 2
        self.joules += wall * (now - self.then)
        self.watts, self.then = watts, now
        return [Reading("package-0", now, watts), Reading("wall", now, self.joules)]


def trainings():
    try:
        lines = open(os.environ["TRIALS"]).read().splitlines()
    except OSError:
        return []
    return [json.loads(line) for line in lines]


def power(training):
    try:
        os.kill(training["pid"], 0)
    except OSError:
        return 0.0
    return WATTS[training["argv"][training["argv"].index("-n") + 1]]


def open_source(request):
    return Machine()
"""


def install_wall(site: Path) -> None:
    install(site, "stand_in_wall", SOURCE, "stand-in = stand_in_wall:open_source")
