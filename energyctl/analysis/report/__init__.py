"""Results → one HTML page that needs nothing beside it, and a summary for the terminal.

`pages.page` needs the extra `report`; nothing else here does.
"""

from __future__ import annotations

from energyctl.analysis.report.sources import calibrations_of, settings_of
from energyctl.analysis.report.summary import Glance, glance

__all__ = ["Glance", "calibrations_of", "glance", "settings_of"]
