"""Results → one HTML page that needs nothing beside it, and a summary for the terminal.

`page.page` needs the extra `report`; nothing else here does.
"""

from __future__ import annotations

from energyctl.analysis.report.sources import (
    calibrations_of,
    drift_of,
    searches_of,
    settings_of,
)

__all__ = ["calibrations_of", "drift_of", "searches_of", "settings_of"]
