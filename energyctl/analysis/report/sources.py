"""What lies beside the results of campaigns: settings in journals, calibrations."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from energyctl.campaign.journal import read_head
from energyctl.errors import SettingsError
from energyctl.results.calibrations import Calibration, of_campaign
from energyctl.text import is_file_name

if TYPE_CHECKING:
    from energyctl.results.api import Run


def calibrations_of(runs: Iterable[Run]) -> list[Calibration]:
    """Of each machine the newest one, of the campaigns of these runs."""
    newest: dict[str, Calibration] = {}
    for place, journal in sorted(
        {(run.path.parent, str(run.environment.get("journal"))) for run in runs}
    ):
        if is_file_name(journal):
            newest |= {one.node: one for one in of_campaign(place, journal)}
    return [newest[name] for name in sorted(newest)]


def settings_of(runs: Iterable[Run]) -> dict[str, str]:
    """Campaign → its settings as they stood, where its journal is there and can be read."""
    settings: dict[str, str] = {}
    for run in runs:
        journal, name = run.environment.get("journal"), run.campaign or "campaign"
        if isinstance(journal, str) and name not in settings and is_file_name(journal):
            with contextlib.suppress(SettingsError):
                head = read_head(run.path.parent / "campaigns" / f"{journal}.jsonl")
                settings[name] = head["settings"]
    return settings
