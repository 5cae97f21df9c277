"""What of the machine was set for a run: as requested, as enforced, and both in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from energyctl.config.settings.machine import CLOCK, GOVERNOR, LIMIT

NAMES = {GOVERNOR: "CPU governor", LIMIT: "GPU power limit", CLOCK: "GPU clock"}
"""In words."""
UNITS = {LIMIT: "W", CLOCK: "MHz"}
TOLERANCES = {LIMIT: 1.0, CLOCK: 15.0}
"""Up to which two values are the same: limits are read in whole watts, and clocks go in steps of 15
MHz (`nvidia-smi --query-supported-clocks=graphics`)."""


def requested(row: Mapping[str, Any], name: str) -> Any:
    """By the settings, of a row of the table of runs; None: it was not set."""
    return row.get(f"requested_{name}")


def enforced(row: Mapping[str, Any], name: str) -> list[str]:
    """Of each GPU, or of the CPUs, as text; empty: not known."""
    text = row.get(f"enforced_{name}")
    return text.split("; ") if text else []


def name_in_words(name: str) -> str:
    """``GPU power limit``; another factor has its own name."""
    return NAMES.get(name, name)


def axis_title(name: str) -> str:
    """``GPU power limit (W)``; another factor has its own name."""
    unit = UNITS.get(name)
    return f"{name_in_words(name)} ({unit})" if unit else name_in_words(name)


def level_in_words(name: str, level: Any) -> str | None:
    """``300 W``, ``1,200 MHz``; None of what is no number, or of another factor."""
    if name not in UNITS or isinstance(level, bool) or not isinstance(level, int | float):
        return None
    return f"{level:,.12g} {UNITS[name]}"


def told(row: Mapping[str, Any]) -> dict[str, str]:
    """Name in words → ``400 W, enforced 350 W``: of what was set for a run."""
    found = {}
    for name, words in NAMES.items():
        if (asked := requested(row, name)) is not None:
            known = ", ".join(f"{one} {UNITS.get(name, '')}".strip() for one in enforced(row, name))
            was = "in the mean" if name == CLOCK else "enforced"
            level = level_in_words(name, asked) or str(asked)
            found[words] = f"{level}, {was} {known}" if known else level
    return found


def number_in(text: str) -> float:
    """The number of a level in words, or of any other. ValueError where it is none."""
    for unit in UNITS.values():
        if text.endswith(f" {unit}"):
            return float(text.removesuffix(f" {unit}").replace(",", ""))
    return float(text)
