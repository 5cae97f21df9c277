"""Records of what was found of this machine (acceptances, calibrations): files of the user."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from energyctl.system.files import Created, read_regular, write_atomic
from energyctl.system.user import give_to_caller, invoking_user
from energyctl.text import json_text, safe_name

LARGEST_BYTES = 2**20
LATEST_UNIX = 253402300799.0  # the year 9999, where dates end


def folder() -> Path:
    """ENERGYCTL_ACCEPTANCE takes the place of ~/.local/state/energyctl."""
    named = os.environ.get("ENERGYCTL_ACCEPTANCE")
    return Path(named) if named else Path(invoking_user().home, ".local", "state", "energyctl")


def path_of(kind: str, *of: str) -> Path:
    """``twins-HOST-MODEL-DRIVER.json``. of: names of what it is a record of."""
    return folder() / f"{'-'.join([kind, *map(safe_name, of)])}.json"


def make_folder() -> None:
    """Raises OSError where it cannot be made, or written into."""
    place = folder()
    created = Created(place, [])
    place.mkdir(parents=True, exist_ok=True)
    created.give_to_caller()
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def keep(path: Path, document: Mapping[str, Any]) -> Path:
    """Puts it in the place of the one before. Raises OSError."""
    make_folder()
    write_atomic(path, json_text(document) + "\n")
    give_to_caller(path)
    return path


def keep_or_warn(path: Path, document: dict[str, Any]) -> str | None:
    """The path; None, with one more of the document's `warnings`, where it cannot be kept."""
    try:
        return str(keep(path, document))
    except OSError as error:
        document["warnings"].append(
            f"not kept: {path} cannot be written ({error.strerror or error}); choose another "
            "folder: ENERGYCTL_ACCEPTANCE=DIR"
        )
        return None


def read(path: Path) -> Any:
    """What it holds, which anything may have written; None: nothing that can be read."""
    try:
        return json.loads(read_regular(path, LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def day(unix: float) -> str:
    """``2026-11-30``."""
    return time.strftime("%Y-%m-%d", time.gmtime(unix))


def within(value: Any, low: float, high: float) -> bool:
    """Whether it is a number in that range: what else a file may hold is none."""
    return type(value) in (int, float) and low <= value <= high


def is_date(value: Any) -> bool:
    """Whether it is Unix seconds."""
    return within(value, 0, LATEST_UNIX)
