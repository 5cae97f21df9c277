"""The record of a calibration against a wall meter: a file per machine and meter, of the user.

Other domains or GPUs have another file, so none is ever out of date.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from energyctl.energy.wall import WallModel
from energyctl.results import shape
from energyctl.results.wall.phases import Machine
from energyctl.system import records
from energyctl.text import safe_name

SCHEMA = 1


@dataclass(frozen=True)
class WallCalibration:
    """What reading results needs of a record."""

    meter: str
    machine: Machine
    date_unix: float
    model: WallModel

    @property
    def date(self) -> str:
        return records.day(self.date_unix)


def path_of(machine: Machine, meter: str) -> Path:
    parts = sha256(repr((machine.domains, machine.gpus)).encode()).hexdigest()[:8]
    return records.path_of("wall", machine.hostname, meter, parts)


def of_host(hostname: str) -> list[WallCalibration]:
    """All that are kept of that host, the newest first."""
    paths = sorted(records.folder().glob(f"wall-{safe_name(hostname)}-*.json"))
    found = [one for one in map(read, map(records.read, paths)) if one is not None]
    return sorted(
        (one for one in found if one.machine.hostname == hostname),
        key=lambda one: -one.date_unix,
    )


def read(document: Any) -> WallCalibration | None:
    """Of a record, which anything may have written."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return None
    if shape.fault(document, WallCalibration) or not records.is_date(document["date_unix"]):
        return None
    machine, model = document["machine"], document["model"]
    calibration = WallCalibration(
        document["meter"],
        Machine(machine["hostname"], tuple(machine["domains"]), tuple(machine["gpus"])),
        document["date_unix"],
        WallModel(
            tuple(model["coefficients"]),
            tuple(map(tuple, model["inverse"])),
            model["level_variance"],
            model["phase_variance"],
            int(model["freedom"]),
            model["meter_watts"],
            model["scale"],
            tuple(model["sum_watts"]),
            tuple(model["cpu_watts"]),
            tuple(model["gpu_watts"]),
            tuple(model["cpu_line"]),
            model["apart_watts"],
        ),
    )
    return calibration if calibration.model.makes_sense else None
