"""Meters of the whole machine that stand outside of it: plugs, Home Assistant, the BMC.

They are declared in `settings/meters.json` and asked over a network, so seldom and late that each
has a thread of its own: no other source and no edge of a phase waits for them.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from energyctl.config import node_meters
from energyctl.config.node_meters import NodeMeter
from energyctl.energy import Domain
from energyctl.errors import SettingsError
from energyctl.meters.base import Reading, Source
from energyctl.meters.node.device import NodeDevice, node_domain
from energyctl.meters.node.poller import UNEVEN, Poller

DEVICES = {
    "shelly": ("shelly", "ShellySwitch"),
    "tasmota": ("tasmota", "TasmotaPlug"),
    "home_assistant": ("home_assistant", "HomeAssistantEntity"),
    "redfish": ("redfish", "RedfishChassis"),
    "ipmi": ("ipmi", "IpmiReading"),
}
"""By kind: the module here, and its class; only what is declared is imported."""
# How much longer than a meter's own limit its first answer is waited for.
PATIENCE_SECONDS = 0.5
# After the end of a recording a meter is given so long to show what flowed; one that takes longer
# is asked at once, and what it did not show yet is in the band.
SETTLING_SECONDS = 2.0


def open_source(
    path: Path, *, leave_out: Collection[str] = (), taken: Collection[str] = ()
) -> NodeMeters | None:
    """The meters of this machine in the file at *path*; None where it declares none for it.

    Waits until each has answered once or failed, which takes a few seconds, and 20 at most with a
    slow BMC over Redfish. Those of *leave_out* are not asked. SettingsError where the file is
    wrong, or gives a meter a name that is *taken*.
    """
    here = of_host(node_meters.read(path), platform.node())
    for name in here:
        if name in taken:
            why = "a domain of this machine has that name; name the meter otherwise"
            raise SettingsError(f"{path}: {name}: {why}")
    asked = [device(name, meter) for name, meter in here.items() if name not in leave_out]
    left_out = [node_domain(name, meter.kind) for name, meter in here.items() if name in leave_out]
    return NodeMeters(asked, left_out) if here else None


def elsewhere(path: Path) -> dict[str, NodeMeter]:
    """The meters in the file at *path* that are of other machines."""
    meters = node_meters.read(path)
    here = of_host(meters, platform.node())
    return {name: meter for name, meter in meters.items() if name not in here}


def of_host(meters: Mapping[str, NodeMeter], host: str) -> dict[str, NodeMeter]:
    """Those that meter the machine of that name."""
    return {
        name: meter
        for name, meter in meters.items()
        if meter.host is None or _is_same(meter.host.casefold(), host.casefold())
    }


def _is_same(host: str, other: str) -> bool:
    """Each may be short, or with its domain."""
    return host in (other, other.split(".")[0]) or host.split(".")[0] == other


def device(name: str, meter: NodeMeter) -> NodeDevice:
    """What asks the meter; nothing is asked yet."""
    module, class_name = DEVICES[meter.kind]
    made: NodeDevice = getattr(import_module(f"{__name__}.{module}"), class_name)(name, meter)
    longest = UNEVEN[1] * made.poll_seconds + made.limit_seconds
    made.domain = replace(_as_stated(made.domain, meter), answer_seconds=longest)
    return made


def settling_seconds(domain: Domain) -> float:
    """How long after the end of a recording the meter is asked once more."""
    late = domain.update_seconds + domain.averaging_seconds
    return late if late <= SETTLING_SECONDS else 0.0


def _as_stated(domain: Domain, meter: NodeMeter) -> Domain:
    """*domain* with what its owner says of the meter."""
    if meter.accuracy_percent is not None:
        domain = replace(domain, relative_uncertainty=meter.accuracy_percent / 100)
    if meter.averaging_seconds is not None:
        domain = replace(domain, averaging_seconds=meter.averaging_seconds)
    if meter.update_seconds is not None:
        domain = replace(domain, update_seconds=meter.update_seconds)
    return domain


class NodeMeters(Source):
    """All of them. `read` asks nobody: it returns what came since the call before."""

    name = "node"
    quick = True

    def __init__(self, devices: Iterable[NodeDevice], left_out: Sequence[Domain] = ()) -> None:
        """left_out: of meters that are not asked."""
        self._devices, self._left_out = tuple(devices), left_out
        self._pollers: list[Poller] = []
        try:
            for one in self._devices:
                if one.domain.missing is None:
                    self._pollers.append(Poller(one))
            self._wait()
        except BaseException:
            self.close()
            raise
        self.warnings = [
            *(line for one in self._devices for line in one.warnings),
            *(f"{p.device.domain.name}: {p.failure}" for p in self._pollers if p.failure),
        ]

    def _wait(self) -> None:
        now = time.monotonic()
        for poller in self._pollers:
            poller.wait_for_first(now + poller.device.limit_seconds + PATIENCE_SECONDS)

    @property
    def cpu_seconds(self) -> float:
        return sum(poller.cpu_seconds for poller in self._pollers)

    def failure_of(self, name: str) -> str | None:
        """Why the meter of that name did not answer when it was opened; None: it did."""
        return next((p.failure for p in self._pollers if p.device.domain.name == name), None)

    def domains(self) -> Sequence[Domain]:
        return [*(one.domain for one in self._devices), *self._left_out]

    def read(self) -> Sequence[Reading]:
        return [reading for poller in self._pollers for reading in poller.readings()]

    def read_after(self, time: float) -> Sequence[Reading]:
        """Each that ever answered is asked once more, and waited for up to its own limit."""
        wanted = {p: time + settling_seconds(p.device.domain) for p in self._pollers if p.answered}
        for poller, instant in wanted.items():
            poller.call(instant)
        for poller, instant in wanted.items():
            poller.wait_for_answer(instant, instant + poller.device.limit_seconds)
        return self.read()

    def close(self) -> None:
        for poller in self._pollers:
            poller.end()
        for poller in self._pollers:
            poller.wait_for_end()
