"""Results → one HTML page that needs nothing beside it, and a summary for the terminal.

`pages.page` needs the extra `report`; nothing else here does.
"""

from __future__ import annotations

from energyctl.pages.facts import Glance, glance
from energyctl.pages.settings import calibrations_of, settings_of

__all__ = ["Glance", "calibrations_of", "glance", "settings_of"]
