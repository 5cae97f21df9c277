"""What the total of a run is of, as a column of the table of runs tells it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from energyctl.results.tables.columns import Row
from energyctl.results.tables.part import Part
from energyctl.text import count, first_of

BY_ITSELF = " (by itself)"
"""After the name of a domain that is no package, memory or GPU, and the total alone."""
ESTIMATED = " (estimated)"
MOST_TOTALS = 3


def total_of(energy: Part) -> str | None:
    """``package-0, gpu-0``, ``cpu (estimated)``, ``wall (by itself)``; None: not told."""
    counted = [one for one in energy.parts("domains") if one.flag("in_total")]
    if len(counted) == 1 and counted[0].text("kind") == "other":
        return f"{counted[0].text('name')}{BY_ITSELF}"
    names = (f"{one.text('name')}{ESTIMATED * (one.flag('measured') is False)}" for one in counted)
    return ", ".join(names) or None


def by_itself(row: Row) -> bool | None:
    """Whether one domain that sees the machine in its own way is the total, such as a meter of all
    of it; None: not known."""
    total = row.get("total_of")
    return None if total is None else str(total).endswith(BY_ITSELF)


def unlike(rows: Iterable[Row]) -> str | None:
    """Why the totals of some runs are not of the same, if so: of some it is one domain by itself,
    of others it is added up from parts. Parts may differ, as from machine to machine."""
    rows = [row for row in rows if row.get("total_joules") is not None]
    if {True, False} - set(map(by_itself, rows)):
        return None
    counts = Counter(str(row["total_of"]) for row in rows if row.get("total_of") is not None)
    told = [f"{name} in {count(n, 'run')}" for name, n in sorted(counts.items())]
    return f"not metered alike: the total is {first_of(told, MOST_TOTALS)}"
