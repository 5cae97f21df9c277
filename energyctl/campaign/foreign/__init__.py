"""Edge: what ran on the machine and belongs neither to a campaign's trainings nor to energyctl.

`Watch` looks at the machine at both ends of an interval; `ForeignLoad` is what it saw between.
"""

from __future__ import annotations

from energyctl.campaign.foreign.watch import Interval, Watch
from energyctl.results.foreign_load import ForeignLoad, unknown

__all__ = ["ForeignLoad", "Interval", "Watch", "unknown"]
