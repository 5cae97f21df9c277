"""The page of runs with all that lies beside their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from energyctl.analysis.footprint import Footprint, footprints
from energyctl.analysis.report.page import page
from energyctl.analysis.report.sources import calibrations_of, drift_of, searches_of, settings_of
from energyctl.results.api import Runs


def whole_page(
    runs: Runs,
    title: str | None = None,
    step: Callable[[int, int], None] = lambda done, total: None,
    *,
    now: float | None = None,
    settings: str | None = None,
    footprint: Sequence[Footprint] | None = None,
    language: str = "en",
) -> str:
    """The page as text. now: Unix seconds that it tells as its date. settings: those of every
    campaign; None: as their journals hold them. footprint: by factors that are stated now; None: by
    those in the results. Raises SettingsError where a library is missing."""
    found = settings_of(runs)
    return page(
        runs,
        title,
        found if settings is None else dict.fromkeys(found, settings),
        step,
        now,
        calibrations=calibrations_of(runs),
        drift=drift_of(runs),
        footprint=footprints(runs) if footprint is None else footprint,
        searches=searches_of(runs),
        language=language,
    )
