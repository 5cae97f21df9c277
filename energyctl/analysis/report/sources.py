"""What lies beside the results of campaigns: settings in journals, calibrations, controls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from energyctl.analysis.drift import drift_sentences
from energyctl.analysis.trials import Found, Objectives, found, trials_of
from energyctl.campaign.journal import read_head
from energyctl.errors import SettingsError
from energyctl.results import controls
from energyctl.results.calibrations import Calibration, of_campaign
from energyctl.text import is_file_name

if TYPE_CHECKING:
    from energyctl.results.api import Run


def calibrations_of(runs: Iterable[Run]) -> list[Calibration]:
    """Of each machine the newest one, of the campaigns of these runs."""
    newest: dict[str, Calibration] = {}
    for place, journal in _journals(runs):
        newest |= {one.node: one for one in of_campaign(place, journal)}
    return [newest[name] for name in sorted(newest)]


def drift_of(runs: Iterable[Run]) -> list[str]:
    """What the controls of each campaign of these runs say, in sentences."""
    return [
        f"{journal}: {line}"
        for place, journal in _journals(runs)
        for line in drift_sentences(controls.of_campaign(place, journal))
    ]


def _journals(runs: Iterable[Run]) -> list[tuple[Path, str]]:
    """Results folder and name of each campaign."""
    named = {(run.path.parent, str(run.environment.get("journal"))) for run in runs}
    return sorted(one for one in named if is_file_name(one[1]))


def searches_of(runs: Iterable[Run]) -> dict[str, Found]:
    """Journal → what its search found, of the campaigns of these runs that are one, where the
    journal is there and can be read."""
    every = list(runs)
    searches: dict[str, Found] = {}
    for place, journal in _journals(run for run in every if run.trial is not None):
        with contextlib.suppress(SettingsError):
            head = read_head(place / "campaigns" / f"{journal}.jsonl")
            objectives = Objectives.from_json(head.get("search") or {})
            own = [run for run in every if run.environment.get("journal") == journal]
            searches[journal] = found(trials_of(own, objectives), objectives)
    return searches


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
