"""The machine's BMC over the network: Redfish (DMTF DSP0266, DSP0268).

`EnvironmentMetrics.PowerWatts.Reading` of its chassis, else `Power.PowerControl[0]`'s
`PowerConsumedWatts`, which Redfish has deprecated and older BMCs have alone.

Over how long a BMC averages is not in the figure: `PowerMetrics.IntervalInMin` is of the minimum,
the maximum and the mean beside it. A Dell was seen to report by the minute (kepler, issue 644), so
that is assumed, unless the BMC's owner states another.
"""

from __future__ import annotations

import base64
import ssl
import time
from typing import Any

from energyctl.config.node_meters import Redfish
from energyctl.meters.node.device import (
    BMC_MAX_WATTS,
    NoAnswer,
    exposure,
    figure,
    member,
    node_domain,
    secret_in,
)
from energyctl.meters.node.http import HttpDevice, JsonClient

UPDATE_SECONDS, AVERAGING_SECONDS, ACCURACY = 10.0, 60.0, 0.05
CHASSIS = "/redfish/v1/Chassis"
# Of a rack's manager there may be hundreds; a machine has a few.
MOST_CHASSIS = 8
# Some BMCs take seconds for each answer, and what tells the power is found with four of them.
ANSWER_SECONDS, SEARCH_SECONDS = 5.0, 20.0


class RedfishChassis(HttpDevice):
    """What a chassis draws; which one is found at the first answer."""

    poll_seconds, limit_seconds = 5.0, SEARCH_SECONDS

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
        self.domain = node_domain(
            name,
            "redfish",
            quantity="power",
            resolution_watts=1.0,
            update_seconds=UPDATE_SECONDS,
            averaging_seconds=AVERAGING_SECONDS,
            relative_uncertainty=ACCURACY,
            max_watts=BMC_MAX_WATTS,
            missing=missing,
        )
        login = base64.b64encode(f"{meter.user}:{password}".encode()).decode()
        self.client = JsonClient(
            meter.url,
            ANSWER_SECONDS,
            headers={"Authorization": f"Basic {login}", "OData-Version": "4.0"},
            trusted=trusted,
            denied=f'user "{meter.user}", with the password in {meter.password_file}, '
            "is not let in, or may not read",
        )
        self._power: str | None = None  # the resource that tells it

    def ask(self) -> float:
        if self._power is not None:
            return figure(_watts(self.client.get(self._power)), f"power at {self._power}")
        self._power, watts = _Search(self.client, self.place).power(self._chassis)
        return watts


class _Search:
    """For the resource that tells the power. The last answer is in after `SEARCH_SECONDS`."""

    def __init__(self, client: JsonClient, place: str) -> None:
        self._client, self._place = client, place
        self._last_question = time.monotonic() + SEARCH_SECONDS - ANSWER_SECONDS
        self._why_not: str | None = None  # the last resource could not be read

    def power(self, named: str | None) -> tuple[str, float]:
        """The resource, of the chassis of that name or the only one, and its watts."""
        found = {}
        for chassis in [f"{CHASSIS}/{named}"] if named else self._all_chassis():
            if told := self._resource_of(chassis):
                found[chassis.removeprefix(f"{CHASSIS}/")] = told
        if not found:
            raise self._nothing("none of its chassis tells its power")
        if len(found) > 1:
            raise NoAnswer(
                f"{self._place}: several chassis tell their power; write one of them as "
                f'"chassis": {", ".join(found)}'
            )
        ((resource, watts),) = found.values()
        return resource, watts

    def _go_on(self) -> None:
        if time.monotonic() > self._last_question:
            raise self._nothing(
                f"what tells its power was not found within {SEARCH_SECONDS:g} s; "
                'the name of its "chassis" shortens the search'
            )

    def _nothing(self, what: str) -> NoAnswer:
        return NoAnswer(f"{self._place}: {what}" + (f" ({self._why_not})" if self._why_not else ""))

    def _all_chassis(self) -> list[str]:
        members = member(self._client.get(CHASSIS), "Members")
        found = [member(one, "@odata.id") for one in members or ()]
        return [one.rstrip("/") for one in found if isinstance(one, str)][:MOST_CHASSIS]

    def _resource_of(self, chassis: str) -> tuple[str, float] | None:
        """The resource that tells its power, and what it tells; None where none does."""
        self._go_on()
        links = self._client.get(chassis)
        for name in ("EnvironmentMetrics", "Power"):
            resource = member(links, name, "@odata.id")
            if not isinstance(resource, str):
                continue
            self._go_on()
            try:
                if watts := _watts(self._client.get(resource)):
                    return resource, figure(watts, f"power at {resource}")
            except NoAnswer as error:  # the other one may tell it
                self._why_not = str(error)
        return None


def _watts(document: Any) -> Any:
    """None where the document has no figure; 0 is none either: a machine that runs draws power."""
    reading = member(document, "PowerWatts", "Reading")
    if reading is None:
        reading = member(document, "PowerControl", 0, "PowerConsumedWatts")
    return reading or None
