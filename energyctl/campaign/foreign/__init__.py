"""Edge: what ran on the machine and belongs neither to a campaign's trainings nor to energyctl.

`Watch` looks at the machine at the two ends of an interval; `Load` is what it saw in between.
"""

from __future__ import annotations

from energyctl.campaign.foreign.watch import Interval, Watch
from energyctl.results.foreign_load import Load, unknown

__all__ = ["Interval", "Load", "Watch", "unknown"]
