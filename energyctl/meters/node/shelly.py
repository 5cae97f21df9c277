"""A Shelly of the second generation or later: `Switch.GetStatus` of its own web interface.

`aenergy.total` counts Wh with three decimals, 3.6 J (Shelly API, Switch, Status). It is read
instead of `apower`, since a counter misses nothing between two questions. How often it moves is
not documented: a second is taken, and more where it is seen to move less often.
"""

from __future__ import annotations

from energyctl.config.node_meters import Shelly
from energyctl.meters.node.device import (
    PLUG_MAX_WATTS,
    NoAnswer,
    figure,
    member,
    node_domain,
)
from energyctl.meters.node.http import HttpDevice, JsonClient

JOULES_PER_WATT_HOUR = 3600.0
RESOLUTION_JOULES = 3.6
UPDATE_SECONDS = 1.0
# Assumed: the API's documents state none.
ACCURACY = 0.02


class ShellySwitch(HttpDevice):
    """One switch of it."""

    poll_seconds, limit_seconds = 1.0, 3.0

    def __init__(self, name: str, meter: Shelly) -> None:
        self.place = meter.url
        self.domain = node_domain(
            name,
            "shelly",
            resolution_joules=RESOLUTION_JOULES,
            update_seconds=UPDATE_SECONDS,
            relative_uncertainty=ACCURACY,
            max_watts=PLUG_MAX_WATTS,
        )
        self._path = f"/rpc/Switch.GetStatus?id={meter.switch}"
        denied = "it wants a password, which energyctl cannot give: end its authentication"
        self.client = JsonClient(meter.url, self.limit_seconds, denied=denied)

    def ask(self) -> float:
        status = self.client.get(self._path)
        if member(status, "aenergy") is None:
            raise NoAnswer(f"{self.place}: this switch measures no energy")
        return JOULES_PER_WATT_HOUR * figure(member(status, "aenergy", "total"), "aenergy.total")
