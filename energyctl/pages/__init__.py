"""Results → one HTML page that needs nothing beside it (extra `report`)."""

from __future__ import annotations

from energyctl.pages.facts import Glance, glance
from energyctl.pages.page import page
from energyctl.pages.settings import settings_of

__all__ = ["Glance", "glance", "page", "settings_of"]
