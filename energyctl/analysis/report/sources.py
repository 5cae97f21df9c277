"""What lies beside the results of campaigns: settings in journals, calibrations."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from energyctl.results.calibrations import Calibration, of_campaign

if TYPE_CHECKING:
    from energyctl.results.api import Run


def calibrations_of(runs: Iterable[Run]) -> list[Calibration]:
    """Of each machine the newest one, of the campaigns of these runs."""
    newest: dict[str, Calibration] = {}
    for place, journal in sorted(
        {(run.path.parent, str(run.environment.get("journal"))) for run in runs}
    ):
        if "/" not in journal:
            newest |= {one.node: one for one in of_campaign(place, journal)}
    return [newest[name] for name in sorted(newest)]


def settings_of(runs: Iterable[Run]) -> dict[str, str]:
    """Campaign → its settings as they stood, where its journal is there and can be read."""
    settings: dict[str, str] = {}
    for run in runs:
        journal, name = run.environment.get("journal"), run.campaign or "campaign"
        if not isinstance(journal, str) or name in settings or "/" in journal:
            continue
        try:
            path = run.path.parent / "campaigns" / f"{journal}.jsonl"
            with open(path, encoding="utf-8") as file:
                head = json.loads(file.readline())
            settings[name] = str(head["settings"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return settings
