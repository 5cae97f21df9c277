"""Web servers on loopback that answer as meters of whole machines do, and as broken ones."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

Answer = Callable[[str, Mapping[str, str]], tuple[int, Any]]
"""Path and headers of a question → status, and JSON data, or bytes as they are."""


class MeterServer:
    """url: of the server. delay_seconds: before each answer. paths: that were asked for.
    connections: how many were made."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.delay_seconds = 0.0
        self.paths: list[str] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._stopping = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one piece

            def setup(self) -> None:
                stand_in.connections += 1
                stand_in._open.append(self.request)
                super().setup()

            def do_GET(self) -> None:
                path = unquote(self.path)
                stand_in.paths.append(path)
                stand_in._stopping.wait(stand_in.delay_seconds)
                status, data = stand_in.answer(path, dict(self.headers))
                body = data if isinstance(data, bytes) else json.dumps(data).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:  # who asked has gone
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close_connections(self) -> None:
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Speaks TLS from now on."""
        listening = self._server.socket
        self._server.socket = context.wrap_socket(listening, server_side=True)

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self.close_connections()
        self._server.server_close()
        self._thread.join()


@contextmanager
def serving(answer: Answer) -> Iterator[MeterServer]:
    server = MeterServer(answer)
    try:
        yield server
    finally:
        server.stop()


def shelly(watt_hours: Callable[[], float], watts: float = 215.3) -> Answer:
    """`Switch.GetStatus` of a Shelly Plus Plug S (Shelly API, Gen2, Switch)."""

    def answer(path: str, _: Mapping[str, str]) -> tuple[int, Any]:
        if path != "/rpc/Switch.GetStatus?id=0":
            return 404, {"code": -105, "message": "Argument 'id', value 1 not found!"}
        return 200, {
            "id": 0,
            "source": "init",
            "output": True,
            "apower": watts,
            "voltage": 236.8,
            "current": 0.95,
            "aenergy": {
                "total": round(watt_hours(), 3),
                "by_minute": [3583.1, 3590.2, 3588.7],
                "minute_ts": 1_764_570_000,
            },
            "temperature": {"tC": 41.2, "tF": 106.2},
        }

    return answer


def tasmota(watts: Callable[[], Any]) -> Answer:
    """`Status 10` of a plug (Tasmota, JSON Status Responses)."""

    def answer(path: str, _: Mapping[str, str]) -> tuple[int, Any]:
        assert path == "/cm?cmnd=Status 10"
        energy = {
            "TotalStartTime": "2025-10-02T11:14:05",
            "Total": 81.493,
            "Yesterday": 1.204,
            "Today": 0.417,
            "Power": watts(),
            "ApparentPower": 231,
            "ReactivePower": 71,
            "Factor": 0.94,
            "Voltage": 231,
            "Current": 0.998,
        }
        return 200, {"StatusSNS": {"Time": "2026-11-30T08:15:30", "ENERGY": energy}}

    return answer


TOKEN = "eyJ0.long-lived.token"


def home_assistant(
    state: Callable[[], str], unit: str = "W", reported: Callable[[], float] = time.time
) -> Answer:
    """`GET /api/states/ENTITY` (Home Assistant, REST API), for those who have the token.

    reported: Unix time at which its device told the state.
    """

    def answer(path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, b"401: Unauthorized"
        if path != "/api/states/sensor.x_power":
            return 404, {"message": "Entity not found."}
        return 200, {
            "entity_id": "sensor.x_power",
            "state": state(),
            "attributes": {
                "state_class": "measurement",
                "unit_of_measurement": unit,
                "device_class": "power",
                "friendly_name": "X Power",
            },
            "last_changed": "2026-11-30T08:15:28.114213+00:00",
            "last_reported": datetime.fromtimestamp(reported(), timezone.utc).isoformat(),
            "last_updated": "2026-11-30T08:15:28.114213+00:00",
        }

    return answer


USER, PASSWORD = "reader", "s3cret"


def redfish(tree: Mapping[str, Any]) -> Answer:
    """The resources of *tree* by path, for those who have the password."""
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def answer(path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        if headers.get("Authorization") != wanted:
            return 401, {"error": {"code": "Base.1.12.AccessDenied"}}
        if path not in tree:
            return 404, {"error": {"code": "Base.1.12.ResourceMissingAtURI"}}
        return 200, tree[path]

    return answer


def _link(path: str) -> dict[str, str]:
    return {"@odata.id": path}


def dell(watts: float) -> dict[str, Any]:
    """Of an iDRAC9: two chassis, of which the enclosure of the disks tells no power."""
    root = "/redfish/v1/Chassis"
    server, disks = f"{root}/System.Embedded.1", f"{root}/Enclosure.Internal.0-1"
    return {
        root: {"Members": [_link(server), _link(disks)], "Members@odata.count": 2},
        server: {"Id": "System.Embedded.1", "Power": _link(f"{server}/Power")},
        disks: {"Id": "Enclosure.Internal.0-1"},
        f"{server}/Power": {
            "@odata.type": "#Power.v1_6_1.Power",
            "PowerControl": [
                {
                    "MemberId": "PowerControl",
                    "Name": "System Power Control",
                    "PowerCapacityWatts": 1536,
                    "PowerConsumedWatts": watts,
                    "PowerMetrics": {
                        "AverageConsumedWatts": 389,
                        "IntervalInMin": 1,
                        "MaxConsumedWatts": 415,
                        "MinConsumedWatts": 386,
                    },
                }
            ],
        },
    }


def supermicro(watts: float) -> dict[str, Any]:
    """Of a board with `PowerSubsystem` and `EnvironmentMetrics`; the old resource is empty."""
    chassis = "/redfish/v1/Chassis/1"
    return {
        "/redfish/v1/Chassis": {"Members": [_link(chassis)]},
        chassis: {
            "Id": "1",
            "Power": _link(f"{chassis}/Power"),
            "EnvironmentMetrics": _link(f"{chassis}/EnvironmentMetrics"),
        },
        f"{chassis}/Power": {"PowerControl": [{"PowerConsumedWatts": None}]},
        f"{chassis}/EnvironmentMetrics": {
            "@odata.type": "#EnvironmentMetrics.v1_3_0.EnvironmentMetrics",
            "PowerWatts": {"Reading": watts, "DataSourceUri": f"{chassis}/Sensors/total_power"},
        },
    }


def openbmc(watts: float) -> dict[str, Any]:
    """Of bmcweb: no reading in `EnvironmentMetrics`, one in the old resource."""
    tree = supermicro(watts)
    chassis = "/redfish/v1/Chassis/1"
    tree[f"{chassis}/EnvironmentMetrics"] = {"PowerWatts": {"Reading": None}}
    tree[f"{chassis}/Power"] = {"PowerControl": [{"PowerConsumedWatts": watts}]}
    return tree


IPMITOOL = """#!/bin/sh
[ "$*" = "dcmi power reading" ] || exit 9
cat <<'END'

    Instantaneous power reading:                   {watts} Watts
    Minimum during sampling period:                162 Watts
    Maximum during sampling period:                276 Watts
    Average power reading over sample period:      176 Watts
    IPMI timestamp:                           Wed Feb 15 12:49:51 2017
    Sampling period:                          01131466 Seconds.
    Power reading state is:                   activated

END
"""
"""As ipmitool prints it (lib/ipmi_dcmi.c, ipmi_dcmi_pwr_rd)."""


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What the condition returns, once that is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.01)
    return value
