"""What each kind of meter makes of the answers that its vendor documents, and of broken ones."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from energyctl.config.node_meters import HomeAssistant, Ipmi, NodeMeter, Redfish, Shelly, Tasmota
from energyctl.meters.node import device, ipmi, redfish
from energyctl.meters.node.device import NoAnswer, secret_in
from energyctl.meters.node.http import JsonClient
from hardware import node_servers
from hardware.node_servers import PASSWORD, TOKEN, USER, Answer, serving


def file_of(folder: Path, text: str) -> str:
    path = folder / "secret"
    path.write_text(f"{text}\n", encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def asked(meter: NodeMeter) -> float:
    made = device("wall", meter)
    try:
        return made.ask()
    finally:
        made.close()


def why_not(meter: NodeMeter) -> str:
    with pytest.raises(NoAnswer) as caught:
        asked(meter)
    return str(caught.value)


def test_a_shelly_tells_joules() -> None:
    with serving(node_servers.shelly(lambda: 6.532)) as server:
        assert asked(Shelly(kind="shelly", url=server.url)) == pytest.approx(6.532 * 3600)
        reason = why_not(Shelly(kind="shelly", url=server.url, switch=3))
    assert reason == f"{server.url}/rpc/Switch.GetStatus?id=3: HTTP 404"


def test_a_shelly_without_a_meter_says_so() -> None:
    with serving(lambda *_: (200, {"id": 0, "output": True})) as server:
        reason = why_not(Shelly(kind="shelly", url=server.url))
    assert reason == f"{server.url}: this switch measures no energy"


def test_a_tasmota_plug_tells_watts_of_all_its_channels() -> None:
    with serving(node_servers.tasmota(lambda: 217)) as server:
        assert asked(Tasmota(kind="tasmota", url=server.url)) == 217.0
    with serving(node_servers.tasmota(lambda: [100, 17.5])) as server:
        assert asked(Tasmota(kind="tasmota", url=server.url)) == 117.5


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"StatusSNS": {"Time": "2026-11-30T08:15:30"}}, "it measures no energy"),
        ({"WARNING": "Need user=<username>&password=<password>"}, "WebPassword 0"),
        ({"StatusSNS": {"ENERGY": {"Total": 1.0}}}, "told no Power"),
        ({"StatusSNS": {"ENERGY": {"Power": "217"}}}, "told '217' as Power"),
        ({"StatusSNS": {"ENERGY": {"Power": -3}}}, "told -3 as Power"),
    ],
)
def test_a_plug_that_tells_no_power_says_why(answer: Any, reason: str) -> None:
    with serving(lambda *_: (200, answer)) as server:
        assert reason in why_not(Tasmota(kind="tasmota", url=server.url))


@pytest.mark.parametrize(
    ("state", "unit", "watts"), [("215.3", "W", 215.3), ("0.2153", "kW", 215.3)]
)
def test_home_assistant_tells_power_in_its_unit(
    tmp_path: Path, state: str, unit: str, watts: float
) -> None:
    with serving(node_servers.home_assistant(lambda: state, unit)) as server:
        assert asked(entity(server.url, tmp_path)) == pytest.approx(watts)


def test_home_assistant_tells_energy_in_its_unit(tmp_path: Path) -> None:
    with serving(node_servers.home_assistant(lambda: "81.493", "kWh")) as server:
        meter = HomeAssistant(
            kind="home_assistant",
            url=server.url,
            energy_entity="sensor.x_power",
            token_file=file_of(tmp_path, TOKEN),
        )
        assert asked(meter) == pytest.approx(81.493 * 3.6e6)


def entity(url: str, folder: Path, token: str = TOKEN, name: str = "sensor.x_power") -> NodeMeter:
    return HomeAssistant(
        kind="home_assistant", url=url, power_entity=name, token_file=file_of(folder, token)
    )


@pytest.mark.parametrize(
    ("state", "unit", "reason"),
    [
        ("unavailable", "W", "the entity is unavailable"),
        ("unknown", "W", "the entity is unknown"),
        ("on", "W", "the entity's state is 'on', no number"),
        ("nan", "W", "told nan as state"),
        ("215", "VA", "the entity's unit is 'VA', none of mW, W, kW, MW"),
        ("215", None, "the entity's unit is None"),
    ],
)
def test_an_entity_that_tells_no_power_says_why(
    tmp_path: Path, state: str, unit: str, reason: str
) -> None:
    with serving(node_servers.home_assistant(lambda: state, unit)) as server:
        assert reason in why_not(entity(server.url, tmp_path))


def test_a_wrong_token_and_a_wrong_entity_are_told_apart(tmp_path: Path) -> None:
    with serving(node_servers.home_assistant(lambda: "215")) as server:
        refused = why_not(entity(server.url, tmp_path, token="another"))
        unknown = why_not(entity(server.url, tmp_path, name="sensor.y"))
    assert refused.endswith(f"HTTP 401: the token in {tmp_path / 'secret'} is not taken")
    assert unknown == f"{server.url}/api/states/sensor.y: HTTP 404"


def bmc(url: str, folder: Path, password: str = PASSWORD, **more: Any) -> Redfish:
    secret = file_of(folder, password)
    return Redfish(kind="redfish", url=url, user=USER, password_file=secret, **more)


@pytest.mark.parametrize(
    "tree", [node_servers.dell(389), node_servers.supermicro(389), node_servers.openbmc(389)]
)
def test_a_bmc_is_found_to_tell_its_power(tmp_path: Path, tree: Mapping[str, Any]) -> None:
    with serving(node_servers.redfish(tree)) as server:
        made = device("bmc", bmc(server.url, tmp_path))
        assert made.ask() == 389.0
        searched = len(server.paths)
        assert made.ask() == 389.0
        made.close()
        assert len(server.paths) == searched + 1  # from then on it is known where


def test_a_resource_that_is_not_there_leaves_the_other(tmp_path: Path) -> None:
    tree = node_servers.openbmc(389)
    del tree["/redfish/v1/Chassis/1/EnvironmentMetrics"]
    with serving(node_servers.redfish(tree)) as server:
        assert asked(bmc(server.url, tmp_path)) == 389.0


def test_of_several_chassis_one_has_to_be_named(tmp_path: Path) -> None:
    tree = {**node_servers.dell(389), **node_servers.supermicro(120)}
    tree["/redfish/v1/Chassis"] = {
        "Members": [
            {"@odata.id": f"/redfish/v1/Chassis/{name}"} for name in ("System.Embedded.1", "1")
        ]
    }
    with serving(node_servers.redfish(tree)) as server:
        reason = why_not(bmc(server.url, tmp_path))
        assert reason.endswith('write one of them as "chassis": System.Embedded.1, 1')
        assert asked(bmc(server.url, tmp_path, chassis="1")) == 120.0
        assert "HTTP 404" in why_not(bmc(server.url, tmp_path, chassis="2"))


def test_a_bmc_that_lets_nobody_in_or_measures_nothing_says_so(tmp_path: Path) -> None:
    with serving(node_servers.redfish(node_servers.openbmc(0))) as server:
        assert why_not(bmc(server.url, tmp_path, password="wrong")).endswith(
            f'HTTP 401: user "reader", with the password in {tmp_path / "secret"}, is not let in, '
            "or may not read"
        )
        assert why_not(bmc(server.url, tmp_path)) == (
            f"{server.url}: none of its chassis tells its power"
        )


def test_a_bmc_that_does_not_let_read_its_power_says_so(tmp_path: Path) -> None:
    tree = node_servers.redfish(node_servers.dell(389))
    denied = "/redfish/v1/Chassis/System.Embedded.1/Power"
    with serving(lambda path, head: (403, {}) if path == denied else tree(path, head)) as server:
        assert why_not(bmc(server.url, tmp_path)) == (
            f"{server.url}: none of its chassis tells its power ({server.url}{denied}: HTTP 403: "
            f'user "reader", with the password in {tmp_path / "secret"}, is not let in, or may not '
            "read)"
        )


def test_a_search_without_end_ends_with_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redfish, "SEARCH_SECONDS", redfish.ANSWER_SECONDS)
    with serving(node_servers.redfish(node_servers.dell(389))) as server:
        assert why_not(bmc(server.url, tmp_path)).startswith(
            f"{server.url}: what tells its power was not found within 5 s"
        )
        assert server.paths == [redfish.CHASSIS]


def test_a_missing_or_open_secret_is_told(tmp_path: Path) -> None:
    url = "https://127.0.0.1:1"
    gone = Redfish(kind="redfish", url=url, user=USER, password_file=str(tmp_path / "gone"))
    assert device("bmc", gone).domain.missing == f"{tmp_path / 'gone'}: No such file or directory"
    made = device("house", entity(url, tmp_path, token=""))
    assert made.domain.missing == f"{tmp_path / 'secret'}: is empty"
    os.chmod(file_of(tmp_path, TOKEN), 0o644)
    meter = HomeAssistant(
        kind="home_assistant",
        url=url,
        power_entity="sensor.x",
        token_file=str(tmp_path / "secret"),
    )
    secret = tmp_path / "secret"
    assert device("house", meter).warnings == [
        f"{secret}: others can read this secret; chmod 600 {secret}"
    ]


def garbage(_: str, __: Mapping[str, str]) -> tuple[int, Any]:
    return 200, b"<html>Welcome</html>"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (garbage, "it answered no JSON"),
        (lambda *_: (500, b""), "HTTP 500"),
        (lambda *_: (200, b"\xff\xfe"), "it answered no JSON"),
        (lambda *_: (200, b" " * (2 << 20)), "the answer is too long"),
        (lambda *_: (200, []), "this switch measures no energy"),
    ],
)
def test_a_broken_answer_is_a_reason(answer: Answer, reason: str) -> None:
    with serving(answer) as server:
        assert reason in why_not(Shelly(kind="shelly", url=server.url))


def test_nobody_at_the_address_is_a_reason() -> None:
    with serving(garbage) as server:
        url = server.url
    assert why_not(Shelly(kind="shelly", url=url)) == (
        f"{url}/rpc/Switch.GetStatus?id=0: Connection refused"
    )


def test_a_slow_answer_ends_with_the_limit_for_the_whole_of_it() -> None:
    with serving(garbage) as server:
        server.delay_seconds = 60.0
        client = JsonClient(server.url, 0.2, denied="")
        with pytest.raises(NoAnswer, match=r"no answer within 0\.2 s"):
            client.get("/")


def test_a_certificate_is_proved(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=bmc",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    with serving(node_servers.redfish(node_servers.dell(389))) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.encrypt(context)
        url = server.url.replace("http:", "https:")
        assert asked(bmc(url, tmp_path, verify=str(certificate))) == 389.0
        assert "its certificate is not trusted (self-signed" in why_not(bmc(url, tmp_path))
    broken = device("bmc", bmc(url, tmp_path, verify=file_of(tmp_path, PASSWORD)))
    assert (broken.domain.missing or "").startswith(str(tmp_path / "secret"))


@pytest.fixture
def bmc_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with /dev/ipmi0 and an ipmitool, whose script may be written anew."""
    tool = tmp_path / "ipmitool"
    tool.write_text(node_servers.IPMITOOL.replace("{watts}", "215"), encoding="utf-8")
    tool.chmod(0o755)
    (tmp_path / "ipmi0").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(ipmi, "DEVICES", (str(tmp_path / "ipmi0"),))
    return tool


def test_ipmitool_tells_watts(bmc_inside: Path) -> None:
    made = device("node", Ipmi(kind="ipmi"))
    assert made.domain.missing is None
    assert made.ask() == 215.0


def test_an_ipmitool_that_fails_or_hangs_says_so(
    bmc_inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Could not open device at /dev/ipmi0: Permission denied"
    bmc_inside.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n", encoding="utf-8")
    assert why_not(Ipmi(kind="ipmi")) == f"ipmitool dcmi power reading: {said}"
    bmc_inside.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    monkeypatch.setattr(ipmi.IpmiReading, "limit_seconds", 0.2)
    assert "no answer within 0.2 s" in why_not(Ipmi(kind="ipmi"))


def test_a_machine_without_a_bmc_says_what_is_missing(
    bmc_inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipmi, "may_use", lambda _: False)
    assert "a group by a udev rule, which lets that group do anything to the BMC" in (
        device("node", Ipmi(kind="ipmi")).domain.missing or ""
    )
    monkeypatch.setattr(ipmi, "DEVICES", ("/dev/there-is-none",))
    assert "modprobe" in (device("node", Ipmi(kind="ipmi")).domain.missing or "")
    bmc_inside.unlink()
    monkeypatch.setenv("PATH", str(bmc_inside.parent))
    assert "install the package ipmitool" in (
        device("node", Ipmi(kind="ipmi")).domain.missing or ""
    )


def test_what_an_owner_states_of_a_meter_is_taken() -> None:
    meter = Tasmota(
        kind="tasmota",
        url="http://plug",
        accuracy_percent=1.0,
        averaging_seconds=0.5,
        update_seconds=2.0,
    )
    domain = device("plug", meter).domain
    assert (domain.relative_uncertainty, domain.averaging_seconds) == (0.01, 0.5)
    assert domain.update_seconds == 2.0


def raw_server(answers: list[bytes]) -> tuple[str, threading.Thread]:
    """Answers each question of one connection with the next of these bytes, then closes it."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            for answer in answers:
                connection.recv(4096)
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", thread


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\nServer: Mongoose\r\n\r\n[7]",
        b"HTTP/1.1 200 OK\r\nCONTENT-LENGTH: 3\r\n\r\n[7]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\n[7\r\n1\r\n]\r\n0\r\n\r\n",
    ],
)
def test_each_way_to_end_an_answer_is_understood(answer: bytes) -> None:
    url, thread = raw_server([answer])
    client = JsonClient(url, 5.0, denied="")
    assert client.get("/") == [7]
    client.close()
    thread.join()


def test_a_connection_is_kept_and_made_anew_where_the_server_ended_it() -> None:
    with serving(node_servers.tasmota(lambda: 217)) as server:
        made = device("plug", Tasmota(kind="tasmota", url=server.url))
        for _ in range(3):
            assert made.ask() == 217.0
        assert server.connections == 1
        server.close_connections()
        assert made.ask() == 217.0
        assert server.connections == 2
        made.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "it closed without an answer"),
        (b"hello\r\n", "it answered no HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n0\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[7", "it answered no JSON"),
    ],
)
def test_what_is_no_answer_is_a_reason(answer: bytes, reason: str) -> None:
    url, thread = raw_server([answer])
    client = JsonClient(url, 5.0, denied="")
    with pytest.raises(NoAnswer, match=reason):
        client.get("/")
    thread.join()


@pytest.mark.skipif(os.getuid() != 0, reason="only root reads the files of others")
def test_root_under_sudo_sends_no_file_that_is_not_of_who_called_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = Path(file_of(tmp_path, "of root"))
    assert secret_in(str(secret)) == ("of root", None)
    monkeypatch.setenv("SUDO_UID", "65534")
    assert secret_in(str(secret)) == (None, f"{secret}: is not a file of nobody")
    link = tmp_path / "link"
    link.symlink_to(secret)
    assert secret_in(str(link))[0] is None
    os.chown(secret, 65534, 65534)
    assert secret_in(str(link)) == ("of root", None)
