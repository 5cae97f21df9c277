"""Whether the machine enforced what was asked for: levels of a factor may be one in truth. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from energyctl.analysis.compare.grouping import Side
from energyctl.analysis.compare.measures import level_of
from energyctl.config.settings.machine import CLOCK, MACHINE_SETTINGS
from energyctl.results import machine_settings
from energyctl.results.machine_settings import NAMES, TOLERANCES
from energyctl.results.tables import Row
from energyctl.text import count

Levels = dict[str, list[list[str]]]
"""By level, as groups are named: what was enforced, of each run of which it is known."""


def caveats(a: Side, b: Side) -> list[str]:
    """A line for each level that was not enforced, and for each two that overlap as they were, of
    the machine settings of which the two groups have several levels."""
    rows = [*a.rows, *b.rows]
    lines = list[str]()
    for name in MACHINE_SETTINGS:
        levels = _levels(rows, name)
        if len(levels) > 1:
            lines += [*_not_enforced(name, levels), *_overlaps(name, levels)]
    return lines


def _levels(rows: Sequence[Row], name: str) -> Levels:
    """In their order."""
    of: dict[object, list[list[str]]] = {}
    for row in rows:
        if (asked := machine_settings.requested(row, name)) is not None:
            runs = of.setdefault(asked, [])
            if known := machine_settings.enforced(row, name):
                runs.append(known)
    ordered = sorted(of, key=lambda asked: (not isinstance(asked, str) and asked, str(asked)))
    return {level_of(name, asked): of[asked] for asked in ordered}


def _not_enforced(name: str, levels: Levels) -> Iterator[str]:
    for level, runs in levels.items():
        other = [run for run in runs if not _is(name, level, run)]
        if other:
            was = "its mean in the training" if name == CLOCK else "enforced"
            yield (
                f"{NAMES[name]} {level}: {_span(name, other)} was {was} in {len(other)} of "
                f"{count(len(runs), 'run')}"
            )


def _overlaps(name: str, levels: Levels) -> Iterator[str]:
    for (one, of_one), (other, of_other) in combinations(levels.items(), 2):
        if of_one and of_other and _meet(name, of_one, of_other):
            yield (
                f"{NAMES[name]} {one} and {other} overlap as they were enforced "
                f"({_span(name, of_one)} and {_span(name, of_other)}): they are not two levels"
            )


def _is(name: str, level: str, run: Sequence[str]) -> bool:
    """Whether a run had that level on every device."""
    if name not in TOLERANCES:
        return set(run) == {level}
    wanted, within = machine_settings.number_in(level), TOLERANCES[name]
    return all(abs(float(one) - wanted) <= within for one in run)


def _meet(name: str, a: Sequence[Sequence[str]], b: Sequence[Sequence[str]]) -> bool:
    """Whether a run of the one had what a run of the other had, or what lies between such."""
    first, second = _all(a), _all(b)
    if name not in TOLERANCES:
        return bool(first & second)
    (low, high), (least, most) = _edges(first), _edges(second)
    return least - TOLERANCES[name] <= high and low - TOLERANCES[name] <= most


def _span(name: str, runs: Sequence[Sequence[str]]) -> str:
    """``350 W``, ``280 W to 350 W``; governors one after the other."""
    every = _all(runs)
    if name not in TOLERANCES:
        return ", ".join(sorted(every))
    low, high = (level_of(name, round(edge, 1)) for edge in _edges(every))
    return low if low == high else f"{low} to {high}"


def _all(runs: Sequence[Sequence[str]]) -> set[str]:
    return {one for run in runs for one in run}


def _edges(texts: set[str]) -> tuple[float, float]:
    numbers = [float(text) for text in texts]
    return min(numbers), max(numbers)
