"""The machine's BMC over the network: Redfish (DMTF DSP0266, DSP0268).

`EnvironmentMetrics.PowerWatts.Reading` of its chassis, else `Power.PowerControl[0]`'s
`PowerConsumedWatts`, which Redfish has deprecated and older BMCs have alone.

Over how long a BMC averages is not in the figure: `PowerMetrics.IntervalInMin` is of the minimum,
the maximum and the mean beside it. A Dell was seen to report by the minute (kepler, issue 644), so
that is assumed, unless the BMC's owner states another.
"""

from __future__ import annotations

import base64
import contextlib
import ssl
from typing import Any

from energyctl.config.node_meters import Redfish
from energyctl.energy import Domain
from energyctl.meters.node.device import (
    PART,
    NoAnswer,
    NodeDevice,
    exposure,
    figure,
    member,
    secret_in,
)
from energyctl.meters.node.http import JsonClient

UPDATE_SECONDS, AVERAGING_SECONDS, ACCURACY = 10.0, 60.0, 0.05
CHASSIS = "/redfish/v1/Chassis"
# Of a rack's manager there may be hundreds; a machine has a few.
MOST_CHASSIS = 8


class RedfishChassis(NodeDevice):
    """What a chassis draws; which one is found at the first answer."""

    poll_seconds, limit_seconds = 5.0, 5.0

    def __init__(self, name: str, meter: Redfish) -> None:
        self.place = meter.url
        self._chassis = meter.chassis
        password, missing = secret_in(meter.password_file)
        self.warnings = [line] if (line := exposure(meter.password_file)) else []
        trusted = None
        try:
            trusted = ssl.create_default_context(
                cafile=meter.verify if isinstance(meter.verify, str) else None
            )
        except OSError as error:  # also where it holds no certificate
            missing = f"{meter.verify}: {error.strerror or error}"
        self.domain = Domain(
            name,
            "other",
            "redfish",
            in_total=False,
            quantity="power",
            part=PART,
            remote=True,
            resolution_watts=1.0,
            update_seconds=UPDATE_SECONDS,
            averaging_seconds=AVERAGING_SECONDS,
            relative_uncertainty=ACCURACY,
            missing=missing,
        )
        login = base64.b64encode(f"{meter.user}:{password}".encode()).decode()
        self._client = JsonClient(
            meter.url,
            self.limit_seconds,
            headers={"Authorization": f"Basic {login}", "OData-Version": "4.0"},
            trusted=trusted,
            denied=f'user "{meter.user}", with the password in {meter.password_file}, '
            "is not let in, or may not read",
        )
        self._power: str | None = None  # the resource that tells it

    def ask(self) -> float:
        if self._power is not None:
            return figure(_watts(self._client.get(self._power)), f"power at {self._power}")
        found = {}
        for chassis in [f"{CHASSIS}/{self._chassis}"] if self._chassis else self._all_chassis():
            if resource := self._resource_of(chassis):
                found[chassis.removeprefix(f"{CHASSIS}/")] = resource
        if not found:
            raise NoAnswer(f"{self.place}: none of its chassis tells its power")
        if len(found) > 1:
            raise NoAnswer(
                f"{self.place}: several chassis tell their power; write one of them as "
                f'"chassis": {", ".join(found)}'
            )
        ((self._power, watts),) = found.values()
        return watts

    def _all_chassis(self) -> list[str]:
        members = member(self._client.get(CHASSIS), "Members")
        found = [member(one, "@odata.id") for one in members or ()]
        return [one.rstrip("/") for one in found if isinstance(one, str)][:MOST_CHASSIS]

    def _resource_of(self, chassis: str) -> tuple[str, float] | None:
        """The resource that tells its power, and what it tells; None where none does."""
        links = self._client.get(chassis)
        for name in ("EnvironmentMetrics", "Power"):
            resource = member(links, name, "@odata.id")
            if not isinstance(resource, str):
                continue
            with contextlib.suppress(NoAnswer):  # the other one may tell it
                if watts := _watts(self._client.get(resource)):
                    return resource, figure(watts, f"power at {resource}")
        return None

    def cancel(self) -> None:
        self._client.cancel()

    def close(self) -> None:
        self._client.close()


def _watts(document: Any) -> Any:
    """None where the document has no figure; 0 is none either: a machine that runs draws power."""
    reading = member(document, "PowerWatts", "Reading")
    if reading is None:
        reading = member(document, "PowerControl", 0, "PowerConsumedWatts")
    return reading or None
