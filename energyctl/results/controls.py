"""The controls of campaigns, beside their results: the same work, measured again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from energyctl.results.reader import load

FOLDER = "control"
REPEATED = "_repeated"
"""Ends the name of a control's folder that was measured anew, since it was too far off."""


@dataclass(frozen=True)
class ControlRun:
    """Energy (joules) of the work, measured at an instant (Unix seconds) on a machine."""

    node: str
    at: float
    joules: float


def of_campaign(results: Path, journal: str) -> list[ControlRun]:
    """Those of the campaign with that journal that succeeded, in the order of their times."""
    runs = []
    for path in sorted((results / "campaigns" / journal / FOLDER).glob("*/control.json")):
        result = None if path.parent.name.endswith(REPEATED) else load(path)
        energy = result.get("energy") if result else None
        if result and energy and result["status"] == "succeeded":
            joules, facts = energy.get("total_joules"), result["environment"]
            if joules and result["phases"]:
                node = str(facts.get("node") or facts["hostname"])
                runs.append(ControlRun(node, float(result["phases"][0]["start"]), float(joules)))
    return sorted(runs, key=lambda run: run.at)


def spread(runs: Sequence[ControlRun]) -> float | None:
    """Largest less least energy, as a share of their mean; None of less than two."""
    if len(runs) < 2:
        return None
    joules = [run.joules for run in runs]
    return (max(joules) - min(joules)) / (sum(joules) / len(joules))
