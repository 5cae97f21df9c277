"""The record of twins: a file per host, GPU model and driver, of the user.

Another model or another driver has another file, so none is ever out of date.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from energyctl.meters.acceptance.record import LARGEST_BYTES, LATEST_UNIX, folder, keep
from energyctl.system.files import read_regular
from energyctl.text import safe_name

SCHEMA = 1
LARGEST = 1e6
MODEL = ("name", "driver")
"""Facts of a GPU that a record is of."""


def path_of(facts: Mapping[str, Any]) -> Path:
    """facts: of the GPU, as in a result."""
    names = [platform.node(), *(str(facts.get(key)) for key in MODEL)]
    return folder() / f"twins-{'-'.join(safe_name(name) for name in names)}.json"


def write(document: Mapping[str, Any]) -> Path:
    """Puts it in the place of the one before. Raises OSError."""
    return keep(path_of(document["gpu"]), document)


def twins_of(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of GPUs like that one, as `twins` in the facts of a result; None: nothing that
    can be read. facts: of the GPU now."""
    try:
        document = json.loads(read_regular(path_of(facts), LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return read(document, facts)


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
        and _within(document.get("date_unix"), 0, LATEST_UNIX)
        and _within(document.get("differential"), 0, LARGEST)
        and _within(document.get("bias"), -1, 1)
        and _within(document.get("seconds"), 0, LARGEST)
        and type(document.get("repeats")) is int
        and document["repeats"] > 0
    )


def _within(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high
