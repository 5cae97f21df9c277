"""An entity of Home Assistant: `GET /api/states/ENTITY` (Home Assistant, REST API)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import quote

from energyctl.config.node_meters import HomeAssistant
from energyctl.meters.node.device import (
    NoAnswer,
    exposure,
    figure,
    member,
    node_domain,
    secret_in,
)
from energyctl.meters.node.http import HttpDevice, JsonClient

WATTS = {"mW": 1e-3, "W": 1.0, "kW": 1e3, "MW": 1e6}
JOULES = {"Wh": 3.6e3, "kWh": 3.6e6, "MWh": 3.6e9, "J": 1.0, "kJ": 1e3, "MJ": 1e6}
# Some entities are of a rack.
MAX_WATTS = 20_000.0
# It passes on what a device last told it, which may be any: seconds to minutes ago.
UPDATE_SECONDS = 30.0
ACCURACY = 0.05
# A counter that moves in wider steps is seen to move less often, and that is in the band.
RESOLUTION_JOULES, RESOLUTION_WATTS = 3600.0, 1.0


class HomeAssistantEntity(HttpDevice):
    poll_seconds, limit_seconds = 5.0, 3.0

    def __init__(self, name: str, meter: HomeAssistant) -> None:
        power = meter.power_entity is not None
        self._entity = meter.power_entity or meter.energy_entity or ""
        self._units = WATTS if power else JOULES
        self.place = f"{meter.url} ({self._entity})"
        token, missing = secret_in(meter.token_file)
        self.warnings = [line] if (line := exposure(meter.token_file)) else []
        self.domain = node_domain(
            name,
            "home_assistant",
            quantity="power" if power else "energy",
            resolution_joules=RESOLUTION_JOULES,
            resolution_watts=RESOLUTION_WATTS,
            update_seconds=UPDATE_SECONDS,
            relative_uncertainty=ACCURACY,
            max_watts=MAX_WATTS,
            missing=missing,
        )
        self.client = JsonClient(
            meter.url,
            self.limit_seconds,
            headers={"Authorization": f"Bearer {token}"},
            denied=f"the token in {meter.token_file} is not taken",
        )

    def ask(self) -> float:
        answer = self.client.get(f"/api/states/{quote(self._entity)}")
        state = member(answer, "state")
        if state in ("unavailable", "unknown"):
            raise NoAnswer(f"{self.place}: the entity is {state}")
        unit = member(answer, "attributes", "unit_of_measurement")
        if unit not in self._units:
            known = ", ".join(self._units)
            raise NoAnswer(f"{self.place}: the entity's unit is {unit!r}, none of {known}")
        self.reported_unix = _reported(answer)
        try:
            return self._units[unit] * figure(float(state), "state")
        except (TypeError, ValueError):
            raise NoAnswer(f"{self.place}: the entity's state is {state!r}, no number") from None


def _reported(answer: Any) -> float | None:
    """When a device told the state, also where it was the one before (Home Assistant, core.py,
    State.as_dict); versions before 2024 tell only when it changed."""
    text = member(answer, "last_reported") or member(answer, "last_updated")
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        return None
