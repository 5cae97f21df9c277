"""The calibrations of campaigns, beside their results."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from energyctl.results.reader import load, total_energy
from energyctl.results.schema import Result
from energyctl.results.tables import total

FOLDER = "calibration"


@dataclass(frozen=True)
class Calibration:
    """What was measured on a machine: idle power, and the energy and time of the same work.

    domains: kinds of those that its energy consists of. factor, factor_uncertainty: its energy over
    that of the first machine, and the half-width by the meters' bands alone: how far the same
    machine differs from one run to the next is not in it. no_factor: why there is none.
    """

    node: str
    idle_watts: float | None
    seconds: float | None
    joules: float | None
    uncertainty_joules: float | None
    above_idle_joules: float | None
    measured: bool
    domains: tuple[str, ...] = ()
    factor: float | None = None
    factor_uncertainty: float | None = None
    no_factor: str | None = None


def of_campaign(results: Path, journal: str) -> list[Calibration]:
    """Those of the campaign with that journal, by name of the machine."""
    calibrations = []
    for path in sorted((results / "campaigns" / journal / FOLDER).glob("*/calibration.json")):
        result = load(path)
        with contextlib.suppress(KeyError):
            calibrations += [_calibration(result)] if result else []
    return calibrations


def _calibration(result: Result) -> Calibration:
    energy, facts = result.get("energy"), result["environment"]
    idle = next((p for p in result["phases"] if p["name"] == "idle"), None)
    counted = [d for d in energy["domains"] if d["in_total"]] if energy else []
    watts = [idle["watts"].get(domain["name"]) for domain in counted] if idle else []
    band = total_energy(result)
    of_work = energy if result["status"] == "succeeded" else None
    return Calibration(
        node=str(facts.get("node") or facts["hostname"]),
        idle_watts=total(watts),
        seconds=of_work.get("seconds") if of_work else None,
        joules=of_work.get("total_joules") if of_work else None,
        uncertainty_joules=band.uncertainty_joules,
        above_idle_joules=of_work.get("above_idle_joules") if of_work else None,
        measured=bool(band.measured),
        domains=tuple(str(d["kind"]) for d in counted if d.get("joules") is not None),
    )
