"""Factors of a grid, level by level: energy and time, and how they compare. Pure.

Each training under each condition by itself. Means are of the runs in blocks, and at levels of
other factors, that all levels have (:mod:`energyctl.analysis.compare.shared_places`). Figures and
claims are those of :mod:`energyctl.analysis.compare`, which needs SciPy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from energyctl.analysis import comparing
from energyctl.analysis.fronts import pareto
from energyctl.analysis.interference.means import Mean, mean_of
from energyctl.config.settings import ALONE
from energyctl.errors import SettingsError
from energyctl.results import machine_settings
from energyctl.results.pairs import Figure
from energyctl.results.tables import Row
from energyctl.results.tables.totals import unlike

if TYPE_CHECKING:
    from energyctl.analysis.compare import Comparison, Groups, Study
    from energyctl.results.api import Run

ENERGY, TIME = "total_joules", "duration_seconds"


@dataclass(frozen=True)
class FactorLevel:
    """A level, as ``300 W``. runs: (experiment_id, joules, seconds). joules, seconds: geometric
    means over so many of these as are *used*, with their 95 % intervals over blocks.

    energy, time: compared with the first level; None of that, and where they cannot be. front:
    whether no other level takes as little of both and less of one, by the means. measured: false
    where a part of an energy is an estimate.
    """

    name: str
    runs: tuple[tuple[str, float, float], ...]
    used: int
    joules: Mean
    seconds: Mean
    energy: Comparison | None
    time: Comparison | None
    front: bool
    measured: bool


@dataclass(frozen=True)
class GridFactor:
    """A factor of one training under one condition; levels: that which the others are compared with
    first. study: None where they cannot be compared."""

    training: str
    condition: str
    name: str
    levels: tuple[FactorLevel, ...]
    study: Study | None

    @property
    def words(self) -> str:
        """``GPU power limit``; a hyper-parameter has its own name."""
        return machine_settings.name_in_words(self.name)

    @property
    def place(self) -> str:
        """``front / small, alone``."""
        return f"{self.training}, {self.condition}"

    @property
    def base(self) -> str:
        return self.levels[0].name


def factors_of(runs: Sequence[Run], name: str | None = None) -> tuple[GridFactor, ...]:
    """Of the runs that succeeded, warm-ups excepted; those alone first. name: of another value, in
    place of those that were set by grids. Raises SettingsError where SciPy is missing and there is
    a factor."""
    of: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.condition != ALONE):
        of.setdefault((f"{run.repository} / {run.model}", run.condition), []).append(run)
    return tuple(
        factor
        for (training, condition), members in of.items()
        for each in ([name] if name else _grids(members))
        if (factor := factor_of([run.row for run in members], each, training, condition))
    )


def _grids(runs: Sequence[Run]) -> list[str]:
    planned: list[Any] = [run.environment.get("run") or {} for run in runs]
    return list(dict.fromkeys(name for one in planned for name in one.get("grid", ())))


def factor_of(rows: Sequence[Row], name: str, training: str, condition: str) -> GridFactor | None:
    """None where there are no two levels with a known energy and time, or energies are not of the
    same (:func:`energyctl.results.tables.totals.unlike`)."""
    found = comparing.library()
    known = [row for row in rows if all(row.get(one) is not None for one in (ENERGY, TIME))]
    if unlike(known):
        return None
    try:
        groups = found.by_name(known, name)
    except SettingsError:
        return None
    if groups is None:
        return None
    groups = found.based_on(groups, None, name)
    try:
        study = found.compare_groups(groups, [ENERGY, TIME], found.CompareOptions(), name)
    except SettingsError:
        study = None
    return GridFactor(training, condition, name, tuple(_levels(found, groups, name, study)), study)


def _levels(found: Any, groups: Groups, name: str, study: Study | None) -> Iterator[FactorLevel]:
    compared = study.comparisons if study else ()
    units = _units(found, groups, name, [one.sample.design for one in compared])
    means = {
        level: [_mean(found, of, figure) for figure in (ENERGY, TIME)]
        for level, of in units.items()
    }
    points = [{"x": seconds.value, "y": joules.value} for joules, seconds in means.values()]
    front = pareto(points, maximise_y=False)
    to_first = {(one.b.name, one.measure): one for one in compared}
    for (level, rows), on in zip(groups.rows.items(), front, strict=True):
        yield FactorLevel(
            name=level,
            runs=tuple((row["experiment_id"], row[ENERGY], row[TIME]) for row in rows),
            used=sum(map(len, units[level])),
            joules=means[level][0],
            seconds=means[level][1],
            energy=to_first.get((level, ENERGY)),
            time=to_first.get((level, TIME)),
            front=on,
            measured=all(row.get("energy_measured") is not False for row in rows),
        )


def _units(
    found: Any, groups: Groups, name: str, designs: Sequence[str]
) -> dict[str, list[list[Row]]]:
    """Of each level what its means are over, as its comparisons are made: blocks, or else runs."""
    if not designs or "independent runs" in designs:
        return {level: [[row] for row in rows] for level, rows in groups.rows.items()}
    in_blocks = set(designs) == {"blocks"}
    units: dict[str, list[list[Row]]] = found.shared_places(groups.rows, name, in_blocks=in_blocks)
    return units


def _mean(found: Any, units: Sequence[Sequence[Row]], figure: str) -> Mean:
    """Without an interval where units are not alike: they differ by more than chance."""
    if not units:
        return Mean(0, missing="there is no block that all levels have")
    values = [[Figure(row[figure]) for row in rows] for rows in units]
    ratio = all(one.value > 0 for of in values for one in of if one.value is not None)
    mean = mean_of(values, ratio=ratio)
    if found.alike(units):
        return mean
    return replace(mean, low=None, high=None, missing="its runs are of several values")
