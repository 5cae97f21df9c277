"""perf's own output, and the older tool's summary of it → joules with their uncertainty. Pure.

The form is that of ``perf stat -a -e power/energy-pkg/,power/energy-ram/ COMMAND``::

    # started on Wed Jan  7 16:13:12 2026
         161,167.82 Joules power/energy-pkg/
    4138.124820596 seconds time elapsed
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from energyctl.energy import Domain, DomainEnergy, Kind

RAW_SOURCE = "perf stat, by the older tool"
SUMMARY_SOURCE = "the older tool's summary of perf stat"

# perf prints energies with two decimals (scaled by its unit of 2^-32 J); RAPL counts in 61 µJ.
PRINTED_JOULES = 0.01
RAPL_UNIT_JOULES = 2.0**-14
# RAPL moves about each millisecond, and an edge lies somewhere in one of them.
UPDATE_SECONDS = 0.001
# Power at an edge is taken to be at most so many times the mean, as for our own RAPL readings.
PEAK = 4.0
# perf switches its counters on before the command starts and reads them, CPU by CPU, after its end.
# An estimate: no output of perf tells how long that took.
AROUND_SECONDS = 0.02

_STARTED = re.compile(r"^#\s*started on\s+(.+?)\s*$", re.MULTILINE)
_ELAPSED = re.compile(r"^\s*([\d.,'\s\u00a0\u202f]*\d)\s+seconds time elapsed", re.MULTILINE)
_EVENT = re.compile(
    r"^\s*(?:S(?P<socket>\d+)\s+(?:\d+\s+)?)?"
    r"(?P<value><[^>]+>|\d[\d.,'\u00a0\u202f ]*?)\s+"
    r"(?:(?P<unit>\w+)\s+)?power/energy-(?P<event>pkg|ram)/"
    r"(?:.*?\(\s*(?P<share>[\d.,]+)\s*%\))?",
    re.MULTILINE,
)
_KINDS: dict[str, tuple[Kind, str, str]] = {
    "pkg": ("cpu", "package", "Package"),
    "ram": ("dram", "dram", "RAM"),
}


@dataclass(frozen=True)
class Reading:
    """One figure of one event. socket: None where perf summed up all of them."""

    event: str
    socket: int | None
    joules: float | None
    missing: str | None = None


@dataclass(frozen=True)
class PerfOutput:
    """started: local time of the machine, whole seconds; None where the file does not say."""

    started: datetime | None
    seconds: float | None
    readings: tuple[Reading, ...]


def parse_perf(text: str) -> PerfOutput:
    """What can be read of it; what cannot is missing there."""
    found, elapsed = _STARTED.search(text), _ELAPSED.search(text)
    started = None
    if found:
        try:
            started = datetime.strptime(" ".join(found[1].split()), "%a %b %d %H:%M:%S %Y")
        except ValueError:
            started = None
    seconds = _number(elapsed[1], decimals=9) if elapsed else None
    readings = tuple(_reading(match) for match in _EVENT.finditer(text))
    return PerfOutput(started, seconds or None, readings)


def _reading(match: re.Match[str]) -> Reading:
    event = match["event"]
    socket = int(match["socket"]) if match["socket"] else None
    value, unit, share = match["value"], match["unit"], match["share"]
    if value.startswith("<"):
        return Reading(event, socket, None, f"perf says {value}")
    if unit != "Joules":
        return Reading(event, socket, None, f"perf's unit is {unit or 'not said'}, not Joules")
    if share is not None and float(share.replace(",", ".")) < 99.995:
        why = f"perf counted for {share} % of the time only, and scaled that up"
        return Reading(event, socket, None, why)
    joules = _number(value, decimals=2)
    if joules is None:
        return Reading(event, socket, None, f"perf's figure {value!r} is no number")
    if joules == 0:
        return Reading(event, socket, None, "perf says 0 J: nothing was counted")
    return Reading(event, socket, joules)


def _number(text: str, *, decimals: int) -> float | None:
    """A figure with that many decimals, whatever the locale separates thousands and them with."""
    whole, mark, fraction = text[: -decimals - 1], text[-decimals - 1 : -decimals], text[-decimals:]
    digits = re.sub(r"[.,'\s\u00a0\u202f]", "", whole)
    if mark not in (".", ",") or not digits.isdigit() or not fraction.isdigit():
        return None
    return float(f"{digits}.{fraction}")


def parse_summary(text: str) -> tuple[Reading, ...]:
    """``cpu_energy.txt``, where perf's own output is lost: it, too, has two decimals."""
    readings = []
    for event, (_, _, word) in _KINDS.items():
        match = re.search(rf"^{word} Energy \(Joules\):\s*(\S+)\s*$", text, re.MULTILINE)
        joules = _number(match[1], decimals=2) if match else None
        if joules == 0:
            why = "the summary says 0.00 J, which stands there for what was not measured, too"
            readings.append(Reading(event, None, None, why))
        elif joules is not None:
            readings.append(Reading(event, None, joules))
    return tuple(readings)


def cpu_energies(
    readings: Sequence[Reading],
    seconds: float,
    *,
    source: str,
    slack_seconds: float = 0.0,
    absent: str | None = None,
) -> tuple[DomainEnergy, ...]:
    """Packages and memory over *seconds*. absent: why there are no readings at all.

    A counter that perf was never asked for, or that the machine has not, is no part of the total,
    if it is memory's; a package's always is.
    """
    found: list[DomainEnergy] = []
    for event, (kind, name, _) in _KINDS.items():
        of_event = [r for r in readings if r.event == event]
        if not of_event:
            why = absent or f"perf's output has no power/energy-{event}/"
            in_total = event == "pkg" or absent is not None
            domain = Domain(name, kind, source, in_total=in_total, missing=why)
            found.append(DomainEnergy(domain, None, None, why))
        for reading in of_event:
            label = name if reading.socket is None else f"{name}-{reading.socket}"
            found.append(_energy(reading, kind, label, seconds, source, slack_seconds))
    return tuple(found)


def _energy(
    reading: Reading, kind: Kind, name: str, seconds: float, source: str, slack_seconds: float
) -> DomainEnergy:
    unsupported = kind == "dram" and "not supported" in (reading.missing or "")
    domain = Domain(name, kind, source, in_total=not unsupported, missing=reading.missing)
    if reading.joules is None:
        return DomainEnergy(domain, None, None, reading.missing)
    watts = reading.joules / seconds
    budget = {
        "location": PEAK * watts * 2 * UPDATE_SECONDS / 2,
        "window": watts * min(seconds, AROUND_SECONDS + slack_seconds),
        "unit": PRINTED_JOULES / 2 + RAPL_UNIT_JOULES,
    }
    return DomainEnergy(domain, reading.joules, sum(budget.values()), None, budget)
