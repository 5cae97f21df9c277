"""The controls of campaigns, beside their results: the same work, measured again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

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
        if result and energy and result.get("status") == "succeeded":
            joules, facts = energy.get("total_joules"), result.get("environment") or {}
            node, phases = facts.get("node") or facts.get("hostname"), result.get("phases")
            if joules and joules > 0 and node and phases:
                runs.append(ControlRun(str(node), float(phases[0]["start"]), float(joules)))
    return sorted(runs, key=lambda run: run.at)


def deviation(newest: ControlRun, others: Sequence[ControlRun]) -> float | None:
    """By what share its energy lies above the median of the others; None where there is none."""
    return newest.joules / median(one.joules for one in others) - 1 if others else None


def spread(runs: Sequence[ControlRun]) -> float | None:
    """Largest less least energy, as a share of their mean; None of less than two."""
    if len(runs) < 2:
        return None
    joules = [run.joules for run in runs]
    return (max(joules) - min(joules)) / (sum(joules) / len(joules))
