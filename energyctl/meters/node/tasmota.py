"""A plug with the firmware Tasmota: `Status 10` of its own web interface.

`StatusSNS.ENERGY.Power` is in whole watts unless `WattRes` says otherwise, and new every second
(Tasmota, xdrv_03_energy, FUNC_ENERGY_EVERY_SECOND). `Total` counts kWh, with three decimals by
default: 3.6 kJ, half a minute of a small server, so the power is read instead.
"""

from __future__ import annotations

from energyctl.config.node_meters import Tasmota
from energyctl.meters.node.device import (
    PLUG_MAX_WATTS,
    NoAnswer,
    figure,
    member,
    node_domain,
)
from energyctl.meters.node.http import HttpDevice, JsonClient

UPDATE_SECONDS = AVERAGING_SECONDS = 1.0
# Assumed: plugs are calibrated one by one, by their owners (Tasmota, Power Monitoring Calibration).
ACCURACY = 0.05
STATUS_SENSORS = "/cm?cmnd=Status%2010"


class TasmotaPlug(HttpDevice):
    poll_seconds, limit_seconds = 1.0, 3.0

    def __init__(self, name: str, meter: Tasmota) -> None:
        self.place = meter.url
        self.domain = node_domain(
            name,
            "tasmota",
            quantity="power",
            resolution_watts=1.0,
            update_seconds=UPDATE_SECONDS,
            averaging_seconds=AVERAGING_SECONDS,
            relative_uncertainty=ACCURACY,
            max_watts=PLUG_MAX_WATTS,
        )
        denied = "it wants a password: end that with its command WebPassword 0"
        self.client = JsonClient(meter.url, self.limit_seconds, denied=denied)

    def ask(self) -> float:
        status = self.client.get(STATUS_SENSORS)
        if (warning := member(status, "WARNING")) is not None:
            raise NoAnswer(f"{self.place}: {warning}; end that with its command WebPassword 0")
        energy = member(status, "StatusSNS", "ENERGY")
        if energy is None:
            raise NoAnswer(f"{self.place}: it measures no energy (no ENERGY in its Status 10)")
        power = member(energy, "Power")
        of_each = power if isinstance(power, list) else [power]
        return sum(figure(watts, "Power") for watts in of_each)
