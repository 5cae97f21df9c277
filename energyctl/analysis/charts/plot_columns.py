"""Which column of runs a figure draws, by the name that the user gives. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from energyctl.analysis.charts.chart_data import FACTORS, without
from energyctl.errors import SettingsError
from energyctl.results.tables import Row


def factor_column(table: Iterable[Row], name: str | None) -> str:
    """The column of the hyper-parameter or machine setting that is meant."""
    what = "hyper-parameter or machine setting"
    return column(table, FACTORS, name, what, "--x")


def column(
    table: Iterable[Row], prefix: str | tuple[str, ...], name: str | None, what: str, option: str
) -> str:
    """The column that is meant; without a name the only one there is (that varies, of several)."""
    values: dict[str, set[str]] = {}
    columns: dict[str, str] = {}
    for row in table:
        for key, value in row.items():
            if key.startswith(prefix) and value is not None:
                values.setdefault(own := without(prefix, key), set()).add(repr(value))
                columns[own] = key
    names = sorted(values)
    varying = [each for each in names if len(values[each]) > 1]
    if name is None:
        fitting = varying if len(names) > 1 else names
        if len(fitting) == 1:
            return columns[fitting[0]]
        listed = (
            f"choose with {option}: {', '.join(fitting or names)}" if names else "there is none"
        )
        raise SettingsError(f"which {what}? {listed}")
    if name not in values:
        there = f"there are {', '.join(names)}" if names else "there is none"
        raise SettingsError(f"{option} {name}: no {what} of these runs; {there}")
    return columns[name]
