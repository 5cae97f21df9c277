"""Edge: the calibrations of campaigns, beside their results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    return read(results / "campaigns" / journal / FOLDER)


def read(folder: Path) -> list[Calibration]:
    """The calibrations in the folder of a campaign, by name of the machine."""
    found = []
    for path in sorted(folder.glob("*/calibration.json")):
        try:
            found.append(_calibration(json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _calibration(result: Mapping[str, Any]) -> Calibration:
    energy = result.get("energy") or {}
    facts = result["environment"]
    idle = next((p for p in result["phases"] if p["name"] == "idle"), None)
    counted = {domain["name"] for domain in energy.get("domains", ()) if domain["in_total"]}
    watts = [w for name, w in (idle or {}).get("watts", {}).items() if name in counted]
    succeeded = result["status"] == "succeeded"
    return Calibration(
        node=str(facts.get("node") or facts["hostname"]),
        idle_watts=sum(watts) if watts and None not in watts else None,
        seconds=energy.get("seconds") if succeeded else None,
        joules=energy.get("total_joules") if succeeded else None,
        uncertainty_joules=energy.get("uncertainty_joules"),
        above_idle_joules=energy.get("above_idle_joules") if succeeded else None,
        measured=bool(energy.get("measured")),
        domains=tuple(
            str(domain["kind"])
            for domain in energy.get("domains", ())
            if domain["in_total"] and domain.get("joules") is not None
        ),
    )
