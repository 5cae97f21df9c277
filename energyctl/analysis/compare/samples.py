"""Two groups' runs of one training as blocks, as pairs of equal values, or as independent runs.

Pure. A block is one set of values and one training seed, run once under each condition: what
differs within it is what is compared. With a grid a block is a repetition with all of its cells,
so that each repetition gives one value; where only one is complete, each cell of it is a block.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Literal, NamedTuple

from energyctl.analysis.compare.grouping import Side
from energyctl.analysis.compare.measures import (
    factors_of,
    level_of,
    repetition_of,
    starts,
    text_of,
    value_of,
)
from energyctl.config.settings.machine import MACHINE_SETTINGS
from energyctl.results.tables import Row

Design = Literal["blocks", "pairs of equal values", "independent runs"]
OF_CONDITIONS = ("background", "condition", "mode")
"""Groups by these differ by the condition, not by a factor of the grid."""

Cell = tuple[tuple[str, str], ...]
"""Names and values of the factors that a run stands at, beside what the groups differ by."""


@dataclass(frozen=True)
class Block:
    """A block, or a pair: the measure by cell in either group; `started` of its first run (Unix
    seconds). seconds: of each cell, +1 where the other group ran second, -1 where it ran first; 0:
    neither, or not known. runs: their experiment ids."""

    name: str
    runs: Sequence[str]
    cells: Mapping[Cell, tuple[float, float]]
    started: float | None
    seconds: tuple[int, ...]

    @property
    def second(self) -> int:
        """That of all cells; 0 where they are not of one order."""
        return self.seconds[0] if len(set(self.seconds)) == 1 else 0

    @property
    def values(self) -> tuple[float, float]:
        """Means over the cells, of either group."""
        return fmean(a for a, _ in self.cells.values()), fmean(b for _, b in self.cells.values())

    @property
    def difference(self) -> float:
        a, b = self.values
        return b - a

    def log_ratio(self) -> float:
        """Mean over the cells of the logarithm of B over A; all values are above 0."""
        return fmean(self.log_ratios().values())

    def log_ratios(self) -> dict[Cell, float]:
        return {cell: math.log(b) - math.log(a) for cell, (a, b) in self.cells.items()}


@dataclass(frozen=True)
class Sample:
    """The two groups, less what is left out; blocks: none of independent runs. left_out: the names
    of blocks that lack a run."""

    design: Design
    a: Side
    b: Side
    blocks: Sequence[Block] = ()
    left_out: Sequence[str] = ()
    notes: Sequence[str] = field(default=())


def sample_of(a: Side, b: Side, measure: str, by: str | None) -> Sample:
    """In blocks where they stand in some; else in pairs, where each run of the smaller group has
    one of equal values and seed in the other; else as they are."""
    return _in_blocks(a, b, measure, by) or _in_pairs(a, b, measure, by) or _independent(a, b)


def _independent(a: Side, b: Side) -> Sample:
    return Sample("independent runs", a, b)


# -- blocks --------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """A repetition of an experiment, or a block where that is not told; or one cell of it."""

    journal: object
    experiment: object
    repetition: object
    block: object
    cell: Cell = ()

    @property
    def kind(self) -> Unit:
        """Units of one kind have the same cells."""
        return self._replace(repetition=None, block=None)


Pair = tuple[list[Row], list[Row]]
"""Runs of either group."""
Cells = dict[Cell, Pair]


def _in_blocks(a: Side, b: Side, measure: str, by: str | None) -> Sample | None:
    every = _units(a, b)
    units = {unit: pair for unit, pair in every.items() if all(pair)}
    factors = _factors(units, by)
    cells = {unit: _by_cell(rows, factors[unit.kind]) for unit, rows in units.items()}
    several = len({unit.journal for unit in units}) > 1
    blocks, broken = _complete(cells, measure, several)
    kinds = {unit.kind for unit in units}
    broken += [
        _name(unit, pair, several)
        for unit, pair in every.items()
        if unit not in units and unit.kind in kinds
    ]
    notes = list[str]()
    if len(blocks) < 2 and any(len(found) > 1 for found in cells.values()):
        whole = {run for block in blocks for run in block.runs}
        single = {
            unit._replace(cell=cell): {cell: pair}
            for unit, found in cells.items()
            for cell, pair in found.items()
            if not whole or whole & {row["experiment_id"] for side in pair for row in side}
        }
        blocks, _ = _complete(single, measure, several)
        notes.append(
            "one repetition of a grid: each of its cells is taken as a block, and the interval is "
            "for cells like these"
        )
    used = {id(row) for unit in every if unit.kind in kinds for s in every[unit] for row in s}
    lone = sum(id(row) not in used for side in (a, b) for row in side.rows)
    if not blocks or (len(blocks) < 2 <= lone):
        return None
    if lone:
        notes.append(f"left out: {lone} in no block with a run of both groups")
    return Sample("blocks", a, b, blocks, broken, notes)


def _units(a: Side, b: Side) -> dict[Unit, Pair]:
    """Those that have runs of either group."""
    found: dict[Unit, Pair] = {}
    for side, rows in enumerate((a.rows, b.rows)):
        for row in rows:
            key = repetition_of(row)
            if key is not None:
                found.setdefault(Unit(*key), ([], []))[side].append(row)
    return found


def _factors(units: Mapping[Unit, Pair], by: str | None) -> dict[Unit, list[str]]:
    """By kind, what differs within a group's runs of a repetition. Of several that always change
    together, as values that are computed from others, the first by name."""
    found: dict[Unit, set[str]] = {}
    courses: dict[tuple[Unit, str], tuple[int, ...]] = {}
    for unit, pair in units.items():
        own = found.setdefault(unit.kind, set())
        for name in {name for side in pair for row in side for name in _names(row, by)}:
            levels = [[text_of(value_of(row, name)) for row in side] for side in pair]
            if any(len(set(side)) > 1 for side in levels):
                own.add(name)
            every = [*levels[0], *levels[1]]
            course = tuple(map(every.index, every))
            courses[unit.kind, name] = courses.get((unit.kind, name), ()) + course
    return {
        kind: list({courses[kind, name]: name for name in sorted(names, reverse=True)}.values())
        for kind, names in found.items()
    }


def _names(row: Row, by: str | None) -> list[str]:
    """What may tell a cell: factors, and the condition where groups are not by it."""
    names = [name for name in factors_of(row) if name != by]
    return names + ["condition"] * (by not in OF_CONDITIONS)


def _by_cell(pair: Pair, factors: Sequence[str]) -> Cells:
    found: Cells = {}
    for side, rows in enumerate(pair):
        for row in rows:
            cell = tuple((name, level_of(name, value_of(row, name))) for name in factors)
            found.setdefault(cell, ([], []))[side].append(row)
    return found


def _complete(
    units: Mapping[Unit, Cells], measure: str, several: bool
) -> tuple[list[Block], list[str]]:
    """The blocks that have all that blocks of their kind have, in the order of time, and the names
    of the others: each condition of either group in each cell."""
    wanted: dict[Unit, set[tuple[object, ...]]] = {}
    for unit, cells in units.items():
        wanted.setdefault(unit.kind, set()).update(_runs_of(cells))
    blocks, broken = list[Block](), list[str]()
    for unit, cells in units.items():
        rows = [row for pair in cells.values() for side in pair for row in side]
        name = _name(unit, ([], rows), several)
        if _runs_of(cells) == wanted[unit.kind] and all(all(pair) for pair in cells.values()):
            blocks.append(_block(name, cells, measure))
        else:
            broken.append(name)
    return sorted(blocks, key=lambda one: one.started or math.inf), broken


def _runs_of(cells: Cells) -> set[tuple[object, ...]]:
    return {
        (cell, side, row.get("condition"))
        for cell, pair in cells.items()
        for side, rows in enumerate(pair)
        for row in rows
    }


def _name(unit: Unit, pair: Pair, several: bool) -> str:
    """``block 3``; of several blocks ``repetition 2``; of *several* campaigns with its journal."""
    blocks = {row["block"] for side in pair for row in side}
    name = f"block {blocks.pop()}" if len(blocks) == 1 else f"repetition {unit.repetition}"
    return f"{name} of {unit.journal}" if several else name


def _block(name: str, runs: Cells, measure: str) -> Block:
    """Several runs of a group in one cell, as of pooled backgrounds, are one mean."""
    cells = {cell: (_mean(a, measure), _mean(b, measure)) for cell, (a, b) in sorted(runs.items())}
    every = [row for pair in runs.values() for side in pair for row in side]
    seconds = tuple(_second(starts(a), starts(b)) for a, b in runs.values())
    ids = [row["experiment_id"] for row in every]
    return Block(name, ids, cells, min(starts(every), default=None), seconds)


def _second(a: Sequence[float], b: Sequence[float]) -> int:
    if not a or not b:
        return 0
    return int(max(a) < min(b)) - int(max(b) < min(a))


def _mean(rows: Sequence[Row], measure: str) -> float:
    """The geometric one of values above 0, else the arithmetic one."""
    values = [float(row[measure]) for row in rows]
    if min(values) > 0:
        return values[0] if len(values) == 1 else math.exp(fmean(map(math.log, values)))
    return fmean(values)


# -- pairs of equal values -----------------------------------------------------------------------

Values = tuple[object, ...]


def _in_pairs(a: Side, b: Side, measure: str, by: str | None) -> Sample | None:
    levels = _varied(a, b, by)
    for more in (levels, [*levels, "condition"]):
        sides = [_by_values(side.rows, by, more) for side in (a, b)]
        if all(len(found) == len(side.rows) for found, side in zip(sides, (a, b), strict=True)):
            break
    else:
        return None
    smaller = min(sides, key=len)
    if len(smaller) < 2 or not all(key in other for other in sides for key in smaller):
        return None
    first, second = sides
    blocks = [_pair(first[key], second[key], measure) for key in smaller]
    blocks.sort(key=lambda one: one.started or math.inf)
    rest = abs(len(first) - len(second))
    notes = [f"left out: {rest} without a run of equal values in the other group"] if rest else []
    return Sample("pairs of equal values", a, b, blocks, (), notes)


def _varied(a: Side, b: Side, by: str | None) -> list[str]:
    """Columns of machine settings of which a group has several levels, beside what differs."""
    asked = [f"requested_{name}" for name in MACHINE_SETTINGS if name != by]
    return [n for n in asked if any(len({row.get(n) for row in side.rows}) > 1 for side in (a, b))]


def _pair(a: Row, b: Row, measure: str) -> Block:
    return _block(f"{a['experiment_id']} and {b['experiment_id']}", {(): ([a], [b])}, measure)


def _by_values(rows: Sequence[Row], by: str | None, more: Sequence[str]) -> dict[Values, Row]:
    """Each run by its hyper-parameters, training and seed, and *more*."""
    found: dict[Values, Row] = {}
    for row in rows:
        names = sorted(name for name in row if name.startswith("hyperparam_"))
        values = tuple((n, row[n]) for n in names if n != f"hyperparam_{by}")
        same = ("repository", "model", "training_seed", *more)
        found[tuple(row.get(n) for n in same if n != by), values] = row
    return found
