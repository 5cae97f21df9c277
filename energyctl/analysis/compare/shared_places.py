"""The runs of several groups at the places that all of them have, so that their means compare.

Pure. A place is a repetition and the values of what else differs within it, as of other factors of
a grid: where a group lacks a run, the others' runs there are in no mean either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from energyctl.analysis.compare.measures import factors_of, level_of, repetition_of, value_of
from energyctl.results.tables import Row

Unit = tuple[object, ...]
"""A repetition; empty of runs that are in no blocks, which are one together."""
Values = tuple[str, ...]
Units = dict[Unit, dict[Values, list[Row]]]


def shared_places(
    groups: Mapping[str, Sequence[Row]], by: str, *, in_blocks: bool
) -> dict[str, list[list[Row]]]:
    """Of each group its runs by repetition: of those that are complete, where there are any; else
    what all groups have. Without blocks runs are matched by their values alone."""
    names = _names(groups, by, in_blocks)
    every = {group: _units(rows, names, in_blocks) for group, rows in groups.items()}
    shared = _shared(list(every.values()))
    return {
        group: [[row for one in values for row in units[unit][one]] for unit, values in shared]
        for group, units in every.items()
    }


def alike(units: Sequence[Sequence[Row]]) -> bool:
    """Whether these have runs of the same values, but for drawn ones: then they vary by chance."""
    return len({frozenset(map(_given, rows)) for rows in units}) == 1


def _given(row: Row) -> frozenset[tuple[str, str]]:
    drawn = str(row.get("mutated") or "").split(",")
    names = [name for name in factors_of(row) if name not in drawn]
    return frozenset((name, level_of(name, value_of(row, name))) for name in names)


def _names(groups: Mapping[str, Sequence[Row]], by: str, in_blocks: bool) -> list[str]:
    """What differs within a repetition of a group."""
    levels: dict[tuple[str, Unit, str], set[str]] = {}
    for group, rows in groups.items():
        for unit, row in _placed(rows, in_blocks):
            for name in factors_of(row):
                level = level_of(name, value_of(row, name))
                levels.setdefault((group, unit, name), set()).add(level)
    return sorted({name for (*_, name), of in levels.items() if len(of) > 1 and name != by})


def _units(rows: Sequence[Row], names: Sequence[str], in_blocks: bool) -> Units:
    found: Units = {}
    for unit, row in _placed(rows, in_blocks):
        values = tuple(level_of(name, value_of(row, name)) for name in names)
        found.setdefault(unit, {}).setdefault(values, []).append(row)
    return found


def _placed(rows: Sequence[Row], in_blocks: bool) -> Iterator[tuple[Unit, Row]]:
    """Each with its repetition; in blocks without those that have none."""
    for row in rows:
        unit = repetition_of(row) if in_blocks else ()
        if unit is not None:
            yield unit, row


def _shared(groups: Sequence[Units]) -> list[tuple[Unit, list[Values]]]:
    """Repetitions with the values that all groups have there."""
    wanted: dict[Unit, set[Values]] = {}
    for units in groups:
        for unit, values in units.items():
            wanted.setdefault(_experiment(unit), set()).update(values)
    first, *others = groups
    shared = [
        (unit, [one for one in values if all(one in other.get(unit, {}) for other in others)])
        for unit, values in first.items()
    ]
    whole = [(unit, values) for unit, values in shared if set(values) == wanted[_experiment(unit)]]
    return whole or [(unit, values) for unit, values in shared if values]


def _experiment(unit: Unit) -> Unit:
    """Repetitions of one have the same places."""
    return unit[:2]
