"""What each kind of meter offers to the thread that asks it."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import isfinite
from typing import Any

from energyctl.energy import Domain
from energyctl.system.user import sudo_caller

PART = "node"
"""The physical thing that all of them show: the whole machine."""
PLUG_MAX_WATTS, BMC_MAX_WATTS = 4_000.0, 20_000.0
"""16 A at 250 V; and more than the largest of today's servers draw."""


class NoAnswer(Exception):
    """The meter could not be asked, or told nothing that could be used; with the reason."""


def node_domain(name: str, source: str, **own: Any) -> Domain:
    """That of a meter: the whole machine, beside the total. own: what else is known of it."""
    return Domain(name, "other", source, in_total=False, part=PART, remote=True, **own)


class NodeDevice(ABC):
    """One meter of the whole machine. `ask` is called in a thread of its own, `cancel` in any.

    domain: what it measures; where that cannot be had at all, with the reason in `missing`.
    place: where it is asked, for messages. poll_seconds: between two questions.
    limit_seconds: a question takes no longer. warnings: what a user should know of its files.
    reported_unix: when the meter itself was told what it answered last, by its own clock; None
        where it does not say.
    """

    domain: Domain
    place: str
    poll_seconds: float
    limit_seconds: float
    warnings: Sequence[str] = ()
    reported_unix: float | None = None

    @abstractmethod
    def ask(self) -> float:
        """Watts, or joules of a counter, as the domain has it. NoAnswer with the reason."""

    @abstractmethod
    def cancel(self) -> None:
        """Ends a question under way, `ask` raises at once; and every one from then on."""

    def close(self) -> None:  # noqa: B027
        """Gives back what it holds; called by whoever asked, for the last time."""


def secret_in(path: str) -> tuple[str | None, str | None]:
    """(what the file holds, None), or (None, why it cannot be read).

    Root under sudo reads no file but those of who called it: whatever may write their meters.json
    would otherwise have root send it any file.
    """
    caller = sudo_caller()
    try:
        with open(path, encoding="utf-8") as file:
            if caller is not None and os.fstat(file.fileno()).st_uid != caller.uid:
                return None, f"{path}: is not a file of {caller.name}"
            text = file.read().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        return None, f"{path}: {reason}"
    if not text.isprintable() or not text:
        return None, f"{path}: must hold one line of text" if text else f"{path}: is empty"
    return text, None


def exposure(path: str) -> str | None:
    """The warning where others than its owner can read a file of secrets."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return None
    if not mode & (stat.S_IRGRP | stat.S_IROTH):
        return None
    return f"{path}: others can read this secret; chmod 600 {path}"


def member(document: Any, *keys: str | int) -> Any:
    """What is at a path of a JSON document; None where there is no such place."""
    for key in keys:
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and isinstance(key, int) and key < len(document):
            document = document[key]
        else:
            return None
    return document


def figure(value: Any, what: str) -> float:
    """*value* as a number of 0 or more. NoAnswer where it is none: `what` says which it was."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NoAnswer(f"told no {what}" if value is None else f"told {value!r} as {what}")
    if not isfinite(value) or value < 0:
        raise NoAnswer(f"told {value!r} as {what}")
    return float(value)
