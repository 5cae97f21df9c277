"""The file of the meters outside of the machine: what is right, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from energyctl.config import node_meters
from energyctl.config.node_meters import HomeAssistant, Redfish, Shelly
from energyctl.errors import SettingsError

WHOLE = {
    "$schema": "meters.schema.json",
    "_rack": "free text",
    "comment": "the plug is behind the rack",
    "wall": {"kind": "shelly", "url": "http://10.0.0.5/", "switch": 1, "host": "gpu07"},
    "plug": {"kind": "tasmota", "url": "http://10.0.0.6", "accuracy_percent": 1.5},
    "house": {
        "kind": "home_assistant",
        "url": "http://hass:8123",
        "power_entity": "sensor.x_power",
        "token_file": "~/.config/hass-token",
        "_note": "free text",
    },
    "bmc": {
        "kind": "redfish",
        "url": "https://10.0.0.7",
        "user": "reader",
        "password_file": "bmc-password",
        "verify": "ca.pem",
        "averaging_seconds": 5,
    },
    "node": {"kind": "ipmi"},
}


def written(folder: Path, data: Any) -> Path:
    path = folder / "meters.json"
    text = data if isinstance(data, str) else json.dumps(data, indent=1)
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, data: Any) -> str:
    path = written(folder, data)
    with pytest.raises(SettingsError) as caught:
        node_meters.read(path)
    return str(caught.value).replace(f"{path}: ", "")


def test_a_file_of_all_kinds_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    meters = node_meters.read(written(tmp_path, WHOLE))
    assert list(meters) == ["wall", "plug", "house", "bmc", "node"]
    wall, house, bmc = meters["wall"], meters["house"], meters["bmc"]
    assert isinstance(wall, Shelly)
    assert (wall.url, wall.switch, wall.host) == ("http://10.0.0.5", 1, "gpu07")
    assert isinstance(house, HomeAssistant)
    assert house.token_file == "/home/ada/.config/hass-token"
    assert isinstance(bmc, Redfish)
    assert (bmc.password_file, bmc.verify) == (
        str(tmp_path / "bmc-password"), str(tmp_path / "ca.pem"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("meter", "words"),
    [
        ("ipmi", 'wall: must be an object, not "ipmi"; as {"kind": "ipmi"}'),
        (
            {},
            'wall: has no "kind"; one of "shelly", "tasmota", "home_assistant", "redfish", "ipmi"',
        ),
        (
            {"kind": "shely"},
            'wall.kind: must be one of "shelly", "tasmota", "home_assistant", "redfish", "ipmi", '
            'not "shely"; write "shelly"',
        ),
        ({"kind": "shelly"}, "wall.url: is missing"),
        (
            {"kind": "shelly", "url": "10.0.0.5"},
            'wall.url: must be like "http://10.0.0.5", not "10.0.0.5"',
        ),
        (
            {"kind": "tasmota", "url": "http://u:p@x"},
            "wall.url: must not hold a user or a password: this file is no place for secrets",
        ),
        (
            {"kind": "tasmota", "url": "http://x/cm?cmnd=Status"},
            "wall.url: must end before the ?: energyctl adds the rest",
        ),
        (
            {"kind": "shelly", "url": "http://x", "swich": 1},
            'wall.swich: is not a field; write "switch", or "_swich" for free text',
        ),
        (
            {"kind": "shelly", "url": "http://x", "switch": "1"},
            'wall.switch: must be a whole number, not "1"; write 1 without quotes',
        ),
        (
            {"kind": "ipmi", "accuracy_percent": 400},
            "wall.accuracy_percent: must be at most 100, not 400",
        ),
        (
            {
                "kind": "redfish",
                "url": "https://x",
                "user": "u",
                "password_file": "p",
                "password": "hunter2",
            },
            "wall.password: does not belong here: others may read this file; write it into a file, "
            'and name that in "password_file"',
        ),
        (
            {"kind": "redfish", "url": "http://10.0.0.7", "user": "u", "password_file": "p"},
            "wall.url: must begin with https://: whoever listens could read the password",
        ),
        (
            {
                "kind": "home_assistant",
                "url": "http://x",
                "power_entity": "sensor.a",
                "energy_entity": "sensor.b",
                "token_file": "t",
            },
            'wall: must have one of "power_entity" and "energy_entity"; name the other in a meter '
            "of its own",
        ),
    ],
)
def test_what_is_wrong_with_a_meter_is_said_with_its_place(
    tmp_path: Path, meter: Any, words: str
) -> None:
    lines = faults(tmp_path, {"wall": meter}).splitlines()
    assert [line.partition(": ")[2] for line in lines] == [words]


@pytest.mark.parametrize("name", ["access_token", "apiKey", "BMC-Passwd", "long_lived_secret"])
def test_a_secret_is_noticed_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    meter = {"kind": "ipmi", name: "hunter2"}
    assert faults(tmp_path, {"wall": meter}).endswith(
        f"wall.{name}: does not belong here: others may read this file; remove it"
    )


def test_the_name_of_a_secrets_file_is_no_secret(tmp_path: Path) -> None:
    meter = {"kind": "redfish", "url": "https://x", "user": "u", "passwordFile": "p"}
    assert 'wall.passwordFile: is not a field; write "password_file"' in faults(
        tmp_path, {"wall": meter}
    )


def test_names_are_those_of_domains_and_come_once(tmp_path: Path) -> None:
    assert "is no name for a meter" in faults(tmp_path, {"the wall": {"kind": "ipmi"}})
    twice = '{"wall": {"kind": "ipmi"},\n "wall": {"kind": "tasmota", "url": "http://x"}}'
    assert faults(tmp_path, twice) == "line 2: wall: is given more than once; keep one of them"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "not JSON" in faults(tmp_path, '{"wall": {"kind": "ipmi",}}')


def test_the_schema_takes_what_the_program_takes() -> None:
    validator = jsonschema.Draft202012Validator(node_meters.schema())
    assert not list(validator.iter_errors(WHOLE))
    for wrong in ({"kind": "shely", "url": "http://x"}, {"kind": "shelly"}, "ipmi"):
        assert list(validator.iter_errors({"wall": wrong}))
