"""The meters of the whole machine that stand outside of it: `settings/meters.json`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic import field_validator as validates

from energyctl.config.jsonfile import reader as jsonfile
from energyctl.config.jsonfile.reader import Document, json_path
from energyctl.config.jsonfile.validation import (
    Name,
    Problem,
    Strict,
    editor_schema,
    intended_field,
    nearest,
    shown,
    validated,
)
from energyctl.errors import SettingsError

SECRET = re.compile("token|password|passwd|secret|key", re.IGNORECASE)
NOTES = ("comment", "note", "description")
NAME_PATTERN = f"^(?!({'|'.join(NOTES)})$)[A-Za-z][A-Za-z0-9._-]*$"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _url(value: str) -> str:
    parts = urlsplit(value)
    try:
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise ValueError(f'must be like "http://10.0.0.5", not {shown(value)}')
    if parts.username or parts.password:
        raise ValueError("must not hold a user or a password: this file is no place for secrets")
    if parts.query or parts.fragment:
        raise ValueError("must end before the ?: energyctl adds the rest")
    return value.rstrip("/")


Url = Annotated[Name, AfterValidator(_url)]
Seconds = Annotated[float, Field(ge=0, le=3600)]


class MeterFields(Strict):
    """What each kind of meter has."""

    accuracy_percent: float | None = Field(default=None, ge=0, le=100)
    """By how much of itself each figure may be off; without it a usual value of its kind."""
    averaging_seconds: Seconds | None = None
    """Over how long the meter averages its power; without it a usual value of its kind."""
    update_seconds: Seconds | None = None
    """How often the meter's figures are new; without it a usual value of its kind."""
    host: Name | None = None
    """Name of the machine that it meters; without it, every machine that uses the workspace."""

    files: ClassVar[tuple[str, ...]] = ()  # the fields that name files


class Shelly(MeterFields):
    """A Shelly of the second generation or later, by its own web interface."""

    kind: Literal["shelly"]
    url: Url
    """As "http://10.0.0.5"."""
    switch: int = Field(default=0, ge=0, le=100)
    """Which of its switches the machine hangs on, from 0."""


class Tasmota(MeterFields):
    """A plug with the firmware Tasmota, by its own web interface."""

    kind: Literal["tasmota"]
    url: Url
    """As "http://10.0.0.6"."""


class HomeAssistant(MeterFields):
    """An entity of Home Assistant, whatever measures behind it."""

    kind: Literal["home_assistant"]
    url: Url
    """As "http://homeassistant.local:8123"."""
    power_entity: Name | None = None
    """An entity in W or kW, as "sensor.server_power"."""
    energy_entity: Name | None = None
    """Instead of it: an entity in Wh, kWh or MWh that only counts up."""
    token_file: Name
    """File with a long-lived access token."""

    files: ClassVar[tuple[str, ...]] = ("token_file",)


class Redfish(MeterFields):
    """The machine's own BMC, over the network."""

    kind: Literal["redfish"]
    url: Url
    """As "https://10.0.0.7"."""
    chassis: Name | None = None
    """Its id where the BMC has several that tell their power."""
    user: Name
    """Of the BMC; one that may only read is enough."""
    password_file: Name
    """File with that user's password."""
    verify: Literal[True] | Name = True
    """Whose certificates are trusted: true for the system's, or a file of them in PEM."""

    files: ClassVar[tuple[str, ...]] = ("password_file", "verify")

    @validates("url")
    @classmethod
    def _encrypted(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise ValueError("must begin with https://: whoever listens could read the password")
        return value


class Ipmi(MeterFields):
    """The machine's own BMC, from inside: `ipmitool dcmi power reading`."""

    kind: Literal["ipmi"]


NodeMeter = Shelly | Tasmota | HomeAssistant | Redfish | Ipmi

KINDS: Mapping[str, type[NodeMeter]] = {
    "shelly": Shelly,
    "tasmota": Tasmota,
    "home_assistant": HomeAssistant,
    "redfish": Redfish,
    "ipmi": Ipmi,
}


def read(path: Path) -> dict[str, NodeMeter]:
    """The meters of a file by name; the files that they name are relative to its own folder.

    Raises SettingsError, naming the file and every problem in it.
    """
    document = jsonfile.read(path)
    meters, found = _judged(document)
    if found:
        raise SettingsError(*(f"{path}: {problem}" for problem in found))
    return {name: _placed(meter, path.parent) for name, meter in meters.items()}


def problems(document: Document) -> tuple[Problem, ...]:
    """All that is wrong with a file."""
    return tuple(_judged(document)[1])


def _placed(meter: NodeMeter, folder: Path) -> NodeMeter:
    given = {field: getattr(meter, field) for field in meter.files}
    files = {
        field: str(folder / Path(value).expanduser())
        for field, value in given.items()
        if isinstance(value, str)
    }
    return meter.model_copy(update=files)


def _judged(document: Document) -> tuple[dict[str, NodeMeter], list[Problem]]:
    meters: dict[str, NodeMeter] = {}
    found: list[Problem] = []

    def add(path: tuple[str | int, ...], message: str, suggestion: str | None) -> None:
        line, column = document.locate(*path)
        where = json_path(*path)
        found.append(Problem(where, message, suggestion, "error", line=line, column=column))

    for duplicate in document.duplicates:
        if duplicate.differs and not _is_note(str(duplicate.path[0])):
            add(duplicate.path, "is given more than once", "keep one of them")
    for name, data in document.data.items():
        if _is_note(name):
            continue
        meter, faults = _meter(name, data)
        for path, message, suggestion in faults:
            add((name, *path), message, suggestion)
        if meter is not None:
            meters[name] = meter
    return meters, sorted(found, key=lambda problem: (problem.line or 0, problem.column or 0))


def _is_note(name: str) -> bool:
    return name.startswith(("_", "$")) or name in NOTES


Fault = tuple[tuple[str | int, ...], str, str | None]


def _meter(name: str, data: Any) -> tuple[NodeMeter | None, list[Fault]]:
    """The meter of that name, or None; and all that is wrong with it."""
    if not isinstance(data, dict):
        return None, [((), f"must be an object, not {shown(data)}", 'as {"kind": "ipmi"}')]
    faults: list[Fault] = []
    if not re.fullmatch(NAME_PATTERN, name):
        faults.append(((), "is no name for a meter", "use letters, digits and . _ -"))
    kind = data.get("kind")
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        return None, [*faults, _no_kind(kind)]
    faults += _misread(model, data)
    meter, wrong = validated(model, data)
    if isinstance(meter, HomeAssistant) and (
        (meter.power_entity is None) == (meter.energy_entity is None)
    ):
        text = 'must have one of "power_entity" and "energy_entity"'
        wrong.append(((), text, "name the other in a meter of its own"))
    return (None if wrong or faults else meter), [*faults, *wrong]


def _no_kind(kind: Any) -> Fault:
    known = ", ".join(f'"{kind}"' for kind in KINDS)
    if kind is None:
        return (), 'has no "kind"', f"one of {known}"
    like = nearest(kind, KINDS) if isinstance(kind, str) else None
    return (
        ("kind",),
        f"must be one of {known}, not {shown(kind)}",
        (f'write "{like}"' if like else None),
    )


def _misread(model: type[NodeMeter], data: Mapping[str, Any]) -> Iterator[Fault]:
    """Names that are no field of the kind, but meant for one; secrets, which do not belong here."""
    for name in data:
        if name in model.model_fields or _is_note(name):
            continue
        if SECRET.search(name) and "file" not in name.casefold():
            into = next((f'"{field}"' for field in model.files if field.endswith("_file")), None)
            yield (
                (name,),
                "does not belong here: others may read this file",
                (f"write it into a file, and name that in {into}" if into else "remove it"),
            )
        elif (field := intended_field(name, model.model_fields)) is not None:
            yield (name,), "is not a field", f'write "{field}", or "_{name}" for free text'


class File(Strict):
    """Meters of whole machines, by their names. Names that begin with _ are free text."""


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the file, for editors."""
    document = editor_schema(File)
    kinds = {model.__name__: editor_schema(model) for model in KINDS.values()}
    for one in kinds.values():
        one.pop("$schema")
        one["properties"].pop("$schema")
    references = [{"$ref": f"#/$defs/{name}"} for name in kinds]
    return {
        **document,
        "patternProperties": {NAME_PATTERN: {"oneOf": references}},
        "$defs": kinds,
    }
