"""The record of twins: a file per host, GPU model and driver, of the user.

Another model or another driver has another file, so none is ever out of date.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from energyctl.system import records

SCHEMA = 1
LARGEST = 1e6
MODEL = ("name", "driver")
"""Facts of a GPU that a record is of."""


def path_of(facts: Mapping[str, Any]) -> Path:
    """facts: of the GPU, as in a result."""
    return records.path_of("twins", platform.node(), *(str(facts.get(key)) for key in MODEL))


def twins_of(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of GPUs like that one, as `twins` in the facts of a result; None: nothing that
    can be read. facts: of the GPU now."""
    return read(records.read(path_of(facts)), facts)


def read(document: Any, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of a record, which anything may have written."""
    if not _is_record(document) or None in (facts.get(key) for key in MODEL):
        return None
    if any(document["gpu"].get(key) != facts.get(key) for key in MODEL):
        return None
    return {
        "differential": document["differential"],
        "bias": document["bias"],
        "repeats": document["repeats"],
        "date": document["date_unix"],
        "how": how(document),
    }


def how(document: Mapping[str, Any]) -> str:
    """``two identical loads of energyctl 1.2, 5 times 20 s``."""
    return (
        f"two identical loads of energyctl {document['energyctl']}, {document['repeats']} times "
        f"{document['seconds']:g} s"
    )


def _is_record(document: Any) -> bool:
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return False
    return (
        isinstance(document.get("gpu"), dict)
        and isinstance(document.get("energyctl"), str)
        and records.is_date(document.get("date_unix"))
        and records.within(document.get("differential"), 0, LARGEST)
        and records.within(document.get("bias"), -1, 1)
        and records.within(document.get("seconds"), 0, LARGEST)
        and type(document.get("repeats")) is int
        and document["repeats"] > 0
    )
