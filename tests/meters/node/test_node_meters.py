"""Meters of the whole machine beside the others: in time, beside the total, and gone at the end."""

from __future__ import annotations

import json
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from energyctl.config.node_meters import HomeAssistant, Ipmi, Redfish, Shelly
from energyctl.energy import Domain
from energyctl.errors import MachineError, SettingsError
from energyctl.meters import Source, describe, node, open_meters, why_null
from energyctl.meters.node import NodeMeters, device, ipmi, of_host, redfish
from energyctl.meters.node.poller import placed
from energyctl.meters.sampler import Sampler
from hardware import node_servers
from hardware.meter import ScriptedMeter
from hardware.node_servers import MeterServer, serving, until
from hardware.powercap import zone

WATTS = 720.0


def counting() -> node_servers.Answer:
    """A Shelly that counts 720 W, 0.2 Wh each second."""
    return node_servers.shelly(lambda: 5000 + WATTS * time.monotonic() / 3600, WATTS)


def written(folder: Path, meters: Any) -> Path:
    path = folder / "meters.json"
    path.write_text(json.dumps(meters), encoding="utf-8")
    return path


@pytest.fixture
def closing() -> Iterator[list[Source]]:
    """Sources that are closed in the end; then none of their threads is left."""
    sources: list[Source] = []
    yield sources
    for source in sources:
        source.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("meter-")]


def opened(path: Path, closing: list[Source], **options: Any) -> tuple[list[Source], list[str]]:
    sources, warnings = open_meters(gpus=[], node_meters=path, **options)
    closing += sources
    return sources, warnings


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with one package that counts."""
    for name in ("ENERGYCTL_POWERCAP", "ENERGYCTL_PERF"):
        monkeypatch.setenv(name, str(tmp_path / "sys"))
    (tmp_path / "sys").mkdir()
    zone(tmp_path / "sys", "intel-rapl:0", "package-0")
    return tmp_path


def test_a_wall_meter_stands_beside_the_total(packages: Path, closing: list[Source]) -> None:
    with serving(counting()) as server:
        path = written(packages, {"wall": {"kind": "shelly", "url": server.url}})
        sources, warnings = opened(path, closing)
        assert warnings == []
        domains = {d.name: d for source in sources for d in source.domains()}
        assert {name for name, d in domains.items() if d.in_total} == {"package-0"}
        wall = domains["wall"]
        assert (wall.kind, wall.part, wall.measured) == ("other", "node", True)
        sampler = Sampler(sources, interval_seconds=0.2)
        sampler.start()
        sampler.phase("a")
        start = sampler.now()
        until(lambda: sampler.now() > start + 3.2)
        recording = sampler.stop()
    energy = recording.energy(start, start + 3.0)
    (figure,) = [d for d in energy.domains if d.domain.name == "wall"]
    assert figure.joules is not None
    assert figure.uncertainty_joules is not None
    assert abs(figure.joules - 3 * WATTS) <= figure.uncertainty_joules < 6 * WATTS


@pytest.mark.parametrize("kind", ["shelly", "tasmota"])
def test_a_recording_has_an_answer_of_after_its_end(
    packages: Path, closing: list[Source], kind: str
) -> None:
    answer = counting() if kind == "shelly" else node_servers.tasmota(lambda: WATTS)
    with serving(answer) as server:
        path = written(packages, {"wall": {"kind": kind, "url": server.url}})
        sources, _ = opened(path, closing)
        sampler = Sampler(sources, interval_seconds=0.2)
        sampler.start()
        until(lambda: len(server.paths) > 1)
        sampler.phase("run")
        start = sampler.now()
        until(lambda: sampler.now() > start + 3.0)
        before = time.monotonic()
        recording = sampler.stop()
        assert time.monotonic() - before < 3.0
    (run,) = recording.phases
    (wall,) = [d for d in recording.energy(run.start, run.end).domains if d.domain.name == "wall"]
    (series,) = [s for s in recording.series.values() if s.domain.name == "wall"]
    late = wall.domain.update_seconds + wall.domain.averaging_seconds
    assert series.times[-1] >= run.end + late
    assert wall.joules is not None
    assert wall.uncertainty_joules is not None
    assert abs(wall.joules - (run.end - run.start) * WATTS) <= wall.uncertainty_joules


def test_a_meter_that_died_holds_up_the_end_no_longer_than_its_limit(
    closing: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("energyctl.meters.node.shelly.ShellySwitch.limit_seconds", 0.5)
    with serving(counting()) as server:
        meters = NodeMeters([device("wall", Shelly(kind="shelly", url=server.url))])
        closing.append(meters)
        server.delay_seconds = 60.0
        before = time.monotonic()
        meters.read_after(before)
        assert time.monotonic() - before < 1.0 + 0.5 + 0.3


def test_a_value_that_was_told_before_is_no_new_reading(
    tmp_path: Path, closing: list[Source]
) -> None:
    (tmp_path / "token").write_text(node_servers.TOKEN, encoding="utf-8")
    reported = time.time() - 2.0
    answer = node_servers.home_assistant(lambda: "300", reported=lambda: reported)
    with serving(answer) as server:
        told = HomeAssistant(
            kind="home_assistant",
            url=server.url,
            power_entity="sensor.x_power",
            token_file=str(tmp_path / "token"),
        )
        asker = device("wall", told)
        asker.poll_seconds = 0.02
        meters = NodeMeters([asker])
        closing.append(meters)
        readings = list(meters.read())
        asked = len(server.paths)
        until(lambda: len(server.paths) > asked + 3)
        assert not meters.read()
        reported += 1.5
        until(lambda: readings.extend(meters.read()) or len(readings) > 1)
    first, second = readings
    assert first.time == pytest.approx(time.monotonic() - (time.time() - reported) - 1.5, abs=0.05)
    # 1.5 s later by its clock, but the question before was answered later still.
    assert first.time + 1.5 < second.time - second.seconds / 2


def test_a_time_by_another_clock_is_taken_where_the_clocks_agree() -> None:
    assert placed(12.0, 10.0, 14.0) == (12.0, 0.0)
    assert placed(9.0, 10.0, 14.0) == placed(500.0, 10.0, 14.0) == (12.0, 4.0)


def test_a_dead_and_a_slow_meter_hold_up_nobody(tmp_path: Path, closing: list[Source]) -> None:
    with serving(counting()) as server:
        server.delay_seconds = 60.0
        dead = Shelly(kind="shelly", url="http://127.0.0.1:9")
        slow = Shelly(kind="shelly", url=server.url)
        began = time.monotonic()
        meters = NodeMeters([device("dead", dead), device("slow", slow)])
        closing.append(meters)
        assert time.monotonic() - began < 4.0
        limit = "http://127.0.0.1:9/rpc/Switch.GetStatus?id=0: Connection refused"
        assert meters.failure_of("dead") == limit
        assert "no answer within 3 s" in (meters.failure_of("slow") or "")
        assert meters.warnings[0] == f"dead: {limit}"
        fast = ScriptedMeter({Domain("gpu", "gpu", "x", quantity="power"): lambda _: 100.0})
        sampler = Sampler([meters, fast], interval_seconds=0.1)
        sampler.start()
        edges = []
        for name in "abcde":
            before = time.monotonic()
            sampler.phase(name)
            edges.append(time.monotonic() - before)
        recording = sampler.stop()
        assert max(edges) < 0.1
        first, last = recording.phases[0], recording.phases[-1]
        figures = {d.domain.name: d for d in recording.energy(first.start, last.end).domains}
        assert figures["dead"].joules is None
        assert figures["dead"].missing == limit
        assert figures["slow"].joules is None
        assert figures["gpu"].joules is not None
        closed = time.monotonic()
        meters.close()
        assert time.monotonic() - closed < 0.5


def test_a_slow_bmc_is_waited_for(
    tmp_path: Path, closing: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first answer is the fourth: it has to be found what tells its power."""
    monkeypatch.setattr(redfish, "ANSWER_SECONDS", 0.6)
    monkeypatch.setattr(redfish, "SEARCH_SECONDS", 4 * 0.6)
    monkeypatch.setattr(redfish.RedfishChassis, "limit_seconds", 4 * 0.6)
    secret = tmp_path / "secret"
    secret.write_text(node_servers.PASSWORD, encoding="utf-8")
    with serving(node_servers.redfish(node_servers.dell(389))) as server:
        server.delay_seconds = 0.35
        meter = Redfish(
            kind="redfish", url=server.url, user=node_servers.USER, password_file=str(secret)
        )
        meters = NodeMeters([device("bmc", meter)])
        closing.append(meters)
        assert meters.failure_of("bmc") is None
        assert [reading.value for reading in meters.read()] == [389.0]


def test_a_meter_that_comes_back_is_read_again(closing: list[Source]) -> None:
    with serving(node_servers.tasmota(lambda: 0)) as server:
        plug = device("plug", node_tasmota(server))
        plug.poll_seconds = 0.05
        meters = NodeMeters([plug])
        closing.append(meters)
        assert "told 0 W" in (meters.failure_of("plug") or "")
        server.answer = node_servers.tasmota(lambda: 217)
        seen: list[float | None] = []
        until(lambda: seen.extend(r.value for r in meters.read()) or 217.0 in seen)
    assert 0.0 not in seen


def node_tasmota(server: MeterServer) -> Any:
    from energyctl.config.node_meters import Tasmota

    return Tasmota(kind="tasmota", url=server.url)


def test_a_program_under_way_is_ended_with_the_meters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool, running = tmp_path / "ipmitool", tmp_path / "running"
    tool.write_text(f"#!/bin/sh\necho $$ > {running}\nexec sleep 60\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(ipmi, "DEVICES", (str(tool),))
    monkeypatch.setattr(ipmi.IpmiReading, "limit_seconds", 0.3)
    meters = NodeMeters([device("node", Ipmi(kind="ipmi"))])
    pid = until(lambda: running.exists() and running.read_text().strip())
    closed = time.monotonic()
    meters.close()
    assert time.monotonic() - closed < 1.0
    until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_total_that_was_asked_for_is_that_domain_alone(
    packages: Path, closing: list[Source]
) -> None:
    with serving(counting()) as server:
        path = written(packages, {"wall": {"kind": "shelly", "url": server.url}})
        sources, _ = opened(path, closing, total="wall")
        kinds = {d.name: (d.in_total, d.kind) for s in sources for d in s.domains()}
        assert kinds == {"wall": (True, "other"), "package-0": (False, "cpu")}
        sampler = Sampler(sources, interval_seconds=0.2)
        sampler.start()
        start = sampler.now()
        until(lambda: sampler.now() > start + 1.5)
        energy = sampler.stop().energy(start, start + 1.5)
    (wall,) = [d for d in energy.domains if d.domain.name == "wall"]
    assert energy.total_joules == wall.joules
    assert energy.cpu_package_joules is None
    reason = why_null(energy, sources)["cpu_package_joules"]
    assert reason == "the total is wall alone; what stands beside it is among the domains"


def test_a_total_that_cannot_be_had_is_refused_with_what_there_is(packages: Path) -> None:
    path = written(packages, {"wall": {"kind": "shelly", "url": "http://127.0.0.1:9"}})
    with pytest.raises(MachineError) as caught:
        open_meters(gpus=[], node_meters=path, total="plug")
    assert str(caught.value) == (
        '"total": there is no plug on this machine; it has package-0, wall'
    )
    with pytest.raises(MachineError, match=r'"total": wall cannot be measured: .*refused'):
        open_meters(gpus=[], node_meters=path, total="wall")
    with pytest.raises(MachineError, match='"total": package-0 cannot be measured: left out'):
        open_meters(gpus=[], total="package-0", leave_out=["package-0"])
    assert not [t for t in threading.enumerate() if t.name.startswith("meter-")]


def test_a_wrong_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match='has no "kind"'):
        open_meters(gpus=[], node_meters=written(tmp_path, {"wall": {}}))


def test_a_meter_of_another_machine_is_not_opened(tmp_path: Path) -> None:
    meters = {
        "here": Ipmi(kind="ipmi", host="GPU07"),
        "with domain": Ipmi(kind="ipmi", host="gpu07.cluster"),
        "there": Ipmi(kind="ipmi", host="gpu08"),
        "of its name elsewhere": Ipmi(kind="ipmi", host="gpu07.attic"),
        "all": Ipmi(kind="ipmi"),
    }
    ours = ["here", "with domain", "all"]
    assert list(of_host(meters, "gpu07.cluster")) == ours
    assert list(of_host(meters, "gpu07.Cluster")) == ours
    assert list(of_host(meters, "Gpu07")) == ["here", "with domain", "of its name elsewhere", "all"]
    elsewhere = written(tmp_path, {"wall": {"kind": "ipmi", "host": "gpu08"}})
    assert node.open_source(elsewhere) is None
    with pytest.raises(MachineError) as caught:
        open_meters(gpus=[], node_meters=elsewhere, total="wall")
    assert str(caught.value) == (
        f'"total": {elsewhere} has wall for the machine "gpu08", and this one is '
        f'"{platform.node()}"'
    )


def test_a_meter_that_is_left_out_is_not_asked(packages: Path, closing: list[Source]) -> None:
    with serving(counting()) as server:
        path = written(packages, {"wall": {"kind": "shelly", "url": server.url}})
        sources, warnings = opened(path, closing, leave_out=["wall"])
        wall = sources[-1].domains()[0]
        assert (wall.name, wall.source, wall.in_total) == ("wall", "shelly", False)
        assert warnings == [f"not measured: wall: {wall.missing}"]
        assert "left out" in (wall.missing or "")
        assert server.connections == 0


def test_a_meter_has_no_name_of_a_domain(packages: Path) -> None:
    path = written(packages, {"package-0": {"kind": "ipmi"}})
    with pytest.raises(SettingsError) as caught:
        open_meters(gpus=[], node_meters=path)
    assert str(caught.value) == (
        f"{path}: package-0: a domain of this machine has that name; name the meter otherwise"
    )


def test_what_cannot_be_read_is_warned_of_whatever_else_shows_the_same(
    packages: Path, closing: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipmi, "DEVICES", ())
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with serving(counting()) as server:
        path = written(
            packages, {"wall": {"kind": "shelly", "url": server.url}, "bmc": {"kind": "ipmi"}}
        )
        sources, (warning,) = opened(path, closing)
        assert warning.startswith("not measured: bmc: there is no ")
        rows = {row.domain: row for row in describe(sources, seconds=0.1)}
    assert rows["wall"].covers == "node"
    assert rows["wall"].watts == pytest.approx(WATTS, rel=0.2)
    assert not rows["bmc"].readable
