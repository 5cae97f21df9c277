"""Meters outside of the machine, as commands in a workspace use them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from energyctl.campaign import doctor
from energyctl.system.workspace import Workspace
from hardware import node_servers
from hardware.node_servers import serving

WATTS = 300.0


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ENERGYCTL_POWERCAP", "ENERGYCTL_PERF"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (tmp_path / "settings").mkdir()
    return tmp_path


def declare(workspace: Path, meters: dict[str, Any]) -> None:
    path = workspace / "settings/meters.json"
    path.write_text(json.dumps(meters, indent=1), encoding="utf-8")


@dataclass
class Said:
    exit_code: int
    output: str


def energyctl(workspace: Path, *arguments: str) -> Said:
    command = [sys.executable, "-m", "energyctl", "-C", str(workspace), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    return Said(done.returncode, done.stdout + done.stderr)


def counting() -> node_servers.Answer:
    return node_servers.shelly(lambda: 5000 + WATTS * time.monotonic() / 3600, WATTS)


def test_validate_names_what_is_wrong_with_its_line(workspace: Path) -> None:
    declare(workspace, {"wall": {"kind": "tasmota", "url": "http://10.0.0.6"}})
    path = workspace / "settings/meters.json"
    assert f"{path}: 1 meter\n" in energyctl(workspace, "validate").output
    declare(workspace, {"wall": {"kind": "tasmota", "urll": "http://10.0.0.6"}})
    result = energyctl(workspace, "validate")
    assert result.exit_code == 2
    assert f"{path}:2: error: wall.url: is missing" in result.output
    assert f'{path}:4: error: wall.urll: is not a field; write "url"' in result.output
    assert energyctl(workspace, "validate", str(path)).exit_code == 2


def test_a_wrong_file_starts_nothing(workspace: Path) -> None:
    declare(workspace, {"wall": {"kind": "shely"}})
    marker = workspace / "started"
    result = energyctl(workspace, "meter", "--", "touch", str(marker))
    assert result.exit_code == 2
    assert 'line 3: wall.kind: must be one of "shelly"' in result.output
    assert not marker.exists()


def test_the_schema_is_printed(workspace: Path) -> None:
    printed = json.loads(energyctl(workspace, "schema", "--meters").output)
    assert set(printed["$defs"]) == {"Shelly", "Tasmota", "HomeAssistant", "Redfish", "Ipmi"}


def test_doctor_shows_each_with_its_power_or_why_it_says_nothing(workspace: Path) -> None:
    with serving(counting()) as server:
        declare(
            workspace,
            {
                "wall": {"kind": "shelly", "url": server.url},
                "plug": {"kind": "tasmota", "url": "http://127.0.0.1:9"},
                "attic": {"kind": "ipmi", "host": "elsewhere"},
            },
        )
        began = time.monotonic()
        text = energyctl(workspace, "doctor").output
        rows = {row["domain"]: row for row in doctor.examine(Workspace(workspace))["meters"]}
    assert time.monotonic() - began < 20.0
    assert rows["wall"]["watts"] == pytest.approx(WATTS, rel=0.2)
    assert (rows["wall"]["in_total"], rows["wall"]["covers"]) == (False, "node")
    assert 0.02 < rows["wall"]["uncertainty_10_min"] < 0.05
    why = "http://127.0.0.1:9/cm?cmnd=Status%2010: Connection refused"
    assert (rows["plug"]["readable"], rows["plug"]["cure"]) == (False, why)
    assert (rows["attic"]["needed"], rows["attic"]["cure"]) == (False, 'of the machine "elsewhere"')
    assert "attic" not in text
    (shown,) = [line for line in text.splitlines() if line.startswith(" wall ")]
    assert "shelly     not in total" in shown
    assert f"plug: {why}" in text
