"""The record of an acceptance: a file per host and GPU, of the user.

It is void once the driver, the VBIOS or the power limit is another one, and after 90 days.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from energyctl.energy import Acceptance, Domain
from energyctl.system import records
from energyctl.text import safe_name

SCHEMA = 1
STEPS = ("quiet", "counter", "idle", "delay", "alias", "steady", "work", "repeats", "null")
VALID_DAYS = 90
CHANGES = {"driver": "driver", "vbios": "VBIOS", "power_limit_watts": "power limit"}
"""Facts of a GPU that an acceptance is of, and what they are called."""


def path_of(uuid: str) -> Path:
    return records.path_of("accept", platform.node(), uuid)


def write(document: Mapping[str, Any]) -> Path:
    """Puts it in the place of the one before. Raises OSError."""
    return records.keep(path_of(document["gpu"]["uuid"]), document)


def as_accepted(domain: Domain, facts: Mapping[str, Any]) -> Domain:
    """The counter with what its acceptance says. facts: of the GPU now, as in a result."""
    found = acceptance_of(facts)
    return replace(
        domain,
        acceptance=found,
        delay_seconds=found.delay_seconds,
        delay_within_seconds=found.delay_within_seconds or 0.0,
        part_time=found.part_time,
    )


def acceptance_of(facts: Mapping[str, Any]) -> Acceptance:
    """By the record of that GPU, if there is one that can be read."""
    return read(records.read(path_of(str(facts["uuid"]))), facts, time.time())


def read(document: Any, facts: Mapping[str, Any], now_unix: float) -> Acceptance:
    """What a record, which anything may have written, says of the GPU with those facts."""
    if not _is_record(document) or document["gpu"].get("uuid") != facts.get("uuid"):
        return Acceptance("none")
    date = records.day(document["date_unix"])
    changed = _changed(document, facts, now_unix)
    if changed:
        return Acceptance("void", date, why=changed)
    lacking = failed(document["steps"])
    wall = document.get("wall")
    return Acceptance(
        "failed" if lacking else "accepted",
        date,
        document["delay_seconds"],
        document["delay_within_seconds"],
        document["part_time"],
        f"failed: {', '.join(lacking)}" if lacking else None,
        isinstance(wall, dict) and wall.get("passed") is True,
    )


def failed(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Of STEPS, those that did not pass, or were not done."""
    passed = [step["step"] for step in steps if step["passed"] is True]
    return [name for name in STEPS if name not in passed]


def _changed(document: Mapping[str, Any], facts: Mapping[str, Any], now_unix: float) -> str | None:
    for key, name in CHANGES.items():
        before, now = document["gpu"].get(key), facts.get(key)
        if before != now:
            return f"the {name} was {_value(before)} and is {_value(now)}"
    days = (now_unix - document["date_unix"]) / 86400
    return f"it is older than {VALID_DAYS} days" if days > VALID_DAYS else None


def _value(fact: object) -> str:
    if isinstance(fact, float | int):
        return f"{fact:g} W"
    return safe_name(fact) if isinstance(fact, str) else "not known"


def _is_record(document: Any) -> bool:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return False
    steps = document.get("steps")
    delay, within = document.get("delay_seconds"), document.get("delay_within_seconds")
    return (
        isinstance(document.get("gpu"), dict)
        and records.is_date(document.get("date_unix"))
        and isinstance(steps, list)
        and bool(steps)
        and all(isinstance(step, dict) and {"step", "passed"} <= step.keys() for step in steps)
        and (delay is None or (_is_seconds(delay) and _is_seconds(within)))
        and isinstance(document.get("part_time"), bool | None)
    )


def _is_seconds(value: Any) -> bool:
    """A delay that can be: pulses are no longer."""
    return records.within(value, -1, 1)
