"""Which runs are compared with which: groups, and trainings that are in both. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from energyctl.analysis.compare.comparison import GroupValues
from energyctl.errors import SettingsError
from energyctl.results.tables import LAYOUTS, Row

DEFAULT_MEASURES = (
    "total_joules",
    "cpu_package_joules",
    "cpu_dram_joules",
    "gpu_joules",
    "duration_seconds",
    "total_watts",
)
MOST_GROUPS = 6
"""Numbers of more values than these are no groups: they are a trend."""

ALONE, BESIDE = "alone", "beside a background"

_BANDS = {
    "total_joules": "total_uncertainty_joules",
    "cpu_package_joules": "cpu_package_uncertainty_joules",
    "cpu_dram_joules": "cpu_dram_uncertainty_joules",
    "gpu_joules": "gpu_uncertainty_joules",
    "above_idle_joules": "above_idle_uncertainty_joules",
    "marginal_joules": "marginal_uncertainty_joules",
}
_UNITS = {column.name: column.unit for column in LAYOUTS["runs"].columns}
_NUMBERS = {c.name for c in LAYOUTS["runs"].columns if c.type in ("float", "integer")}


class LeftOut(str):
    """A note on runs that are not compared."""


@dataclass
class Groups:
    """Rows of the table of runs by group, in order. notes: what to know of them."""

    rows: Mapping[str, list[Row]]
    notes: list[str] = field(default_factory=list)


def value_of(row: Row, name: str) -> Any:
    """A column, a hyper-parameter, or ``background``: whether one was there."""
    if name == "background":
        return BESIDE if row.get("mode") == "parallel" else ALONE
    if name in row:
        return row[name]
    return row.get(f"hyperparam_{name}", row.get(f"metric_{name}"))


def known_names(rows: Sequence[Row]) -> list[str]:
    """By what runs can be told apart."""
    named = (
        "repository", "model", "mode", "campaign", "status", "node", "constraint", "hostname",
        "gpus", "gpu_driver", "gpu_power_limit_watts", "governors",
    )  # fmt: skip
    found = {n.removeprefix("hyperparam_") for row in rows for n in row if "hyperparam_" in n}
    return ["background", *named, *sorted(found)]


def unit_of(measure: str) -> str:
    """Also of ``MEASURE per NAME``: energy per epoch is in joules."""
    return _UNITS.get(measure.partition(" per ")[0], "")


def divided(rows: Sequence[Row], measures: Sequence[str], per: str) -> tuple[list[Row], list[str]]:
    """The rows with ``MEASURE per NAME`` for each measure, its band likewise; and these names.

    Raises SettingsError where NAME is no number above 0 of any run.
    """
    numbers = [(row, value_of(row, per)) for row in rows]
    good = [
        (row, float(n))
        for row, n in numbers
        if isinstance(n, int | float) and not isinstance(n, bool) and n > 0
    ]
    if not good:
        names = ", ".join(known_names(rows))
        raise SettingsError(f"--per {per}: no run has it as a number above 0; there are {names}")
    made = []
    for row, number in good:
        more = {f"{m} per {per}": row[m] / number for m in measures if row.get(m) is not None}
        bands = {
            f"{_BANDS[m]} per {per}": row[_BANDS[m]] / number
            for m in measures
            if m in _BANDS and row.get(_BANDS[m]) is not None
        }
        made.append({**row, **more, **bands})
    return made, [f"{m} per {per}" for m in measures]


def check_measure(rows: Sequence[Row], measure: str) -> str:
    """The column that is meant. Raises SettingsError where no run has it as a number."""
    metrics = sorted({name for row in rows for name in row if name.startswith("metric_")})
    for name in (measure, f"metric_{measure}"):
        if name in _NUMBERS or name in metrics:
            return name
    shown = ", ".join([*DEFAULT_MEASURES, *metrics])
    raise SettingsError(f"--measure {measure}: no such figure of a run; there are {shown}, …")


USABLE = "it must be readable, have succeeded and fit --where"


def usable(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Those that succeeded, and a line on the others."""
    good = [row for row in rows if row.get("status") == "succeeded"]
    rest = Counter(str(row.get("status")) for row in rows if row.get("status") != "succeeded")
    notes: list[str] = [LeftOut(f"left out: {n} {status}") for status, n in sorted(rest.items())]
    estimated = sum(row.get("energy_measured") is False for row in good)
    if estimated:
        notes.append(f"the energy of {estimated} of {len(good)} runs is an estimate, in part")
    return good, notes


def filtered(rows: Sequence[Row], wanted: Sequence[tuple[str, str]]) -> list[Row]:
    """Rows that have each of these values, as text. Raises SettingsError for an unknown name."""
    for name, value in wanted:
        if rows and not any(value_of(row, name) is not None for row in rows):
            names = ", ".join(known_names(rows))
            raise SettingsError(f"--where {name}={value}: no run has {name}; there are {names}")
        rows = [row for row in rows if _text(value_of(row, name)) == value]
    return list(rows)


def two_groups(a: Sequence[Row], b: Sequence[Row], names: tuple[str, str]) -> Groups:
    """Two given groups. SettingsError where one is empty, or a run is in both."""
    for name, rows in zip(names, (a, b), strict=True):
        if not rows:
            raise SettingsError(f"{name}: no run of it is left to compare: {USABLE}")
    shared = {row["experiment_id"] for row in a} & {row["experiment_id"] for row in b}
    if shared:
        raise SettingsError(f"{len(shared)} runs are in both groups, as {sorted(shared)[0]}")
    first, second = names if names[0] != names[1] else ("A", "B")
    return Groups({first: list(a), second: list(b)})


def by_name(rows: Sequence[Row], name: str) -> Groups | None:
    """The groups by a value; None: it is a number of so many values that it is a trend.

    Raises SettingsError where there are no two groups.
    """
    if not rows:
        raise SettingsError(f"no run is left to compare: {USABLE}")
    known = [row for row in rows if value_of(row, name) is not None]
    if not known:
        names = ", ".join(known_names(rows))
        raise SettingsError(f"--by {name}: no run has it; there are {names}")
    values = {value_of(row, name) for row in known}
    if len(values) < 2:
        others = len(rows) - len(known)
        rest = f" but {others} that have none" if others else ""
        hint = "; --by background tells alone from beside one" if name == "mode" else ""
        one = _text(values.pop())
        raise SettingsError(f"--by {name}: all runs have {one}{rest}: no two groups{hint}")
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if numbers and (len(values) > MOST_GROUPS or len(values) == len(known)):
        return None
    ordered = sorted(values) if numbers else sorted(values, key=_text)
    notes: list[str] = []
    if len(known) < len(rows):
        notes.append(LeftOut(f"left out: {len(rows) - len(known)} without {name}"))
    groups = {_text(v): [row for row in known if value_of(row, name) == v] for v in ordered}
    return Groups(groups, notes)


def based_on(groups: Groups, base: str | None) -> Groups:
    """The same with the group that the others are compared with first. SettingsError."""
    if base is None:
        return groups
    if base not in groups.rows:
        raise SettingsError(f"--base {base}: no such group; there are {', '.join(groups.rows)}")
    order = [base, *(name for name in groups.rows if name != base)]
    return Groups({name: groups.rows[name] for name in order}, groups.notes)


def label(row: Row) -> str:
    """The training: repository / model."""
    return f"{row.get('repository')} / {row.get('model')}"


def stratum_of(by: str | None) -> Callable[[Row], str | None]:
    """What is compared only with its like: the training, less what the groups differ by."""
    if by == "repository":
        return lambda row: None
    if by == "model":
        return lambda row: str(row.get("repository"))
    return label


def pairs(
    groups: Groups, a: str, b: str, measure: str, by: str | None
) -> tuple[list[tuple[str | None, GroupValues, GroupValues]], list[str]]:
    """For each training that both groups have, their values; and a line on what has no partner."""
    stratum, notes = stratum_of(by), list[str]()
    sides: list[dict[str | None, list[Row]]] = [{}, {}]
    for side, name in zip(sides, (a, b), strict=True):
        without = 0
        for row in groups.rows[name]:
            if row.get(measure) is None:
                without += 1
            else:
                side.setdefault(stratum(row), []).append(row)
        if without:
            notes.append(f"{measure}: left out {without} of {name} without that figure")
    both = [key for key in sides[0] if key in sides[1]]
    if not both and all(len(side) == 1 for side in sides):
        (first,), (second,) = sides
        notes.append(f"different trainings are compared: {first} and {second}")
        return [(None, *_both(sides, first, second, (a, b), measure))], notes
    for side, name, other in ((sides[0], a, b), (sides[1], b, a)):
        lone = [key for key in side if key not in both]
        if lone:
            what = ", ".join(f"{key} ({len(side[key])})" for key in lone)
            notes.append(LeftOut(f"left out of {name}, not in {other}: {what}"))
    return [(key, *_both(sides, key, key, (a, b), measure)) for key in both], notes


def _both(
    sides: Sequence[Mapping[str | None, list[Row]]],
    first: str | None,
    second: str | None,
    names: tuple[str, str],
    measure: str,
) -> tuple[GroupValues, GroupValues]:
    return (
        values(names[0], sides[0][first], measure),
        values(names[1], sides[1][second], measure),
    )


def values(name: str, rows: Sequence[Row], measure: str) -> GroupValues:
    whole, per, name_of_unit = measure.partition(" per ")
    band = None if whole not in _BANDS else _BANDS[whole] + per + name_of_unit
    bands = [None if band is None else row.get(band) for row in rows]
    return GroupValues(name, [float(row[measure]) for row in rows], bands)


def confounders(a: Sequence[Row], b: Sequence[Row], by: str | None) -> list[str]:
    """Lines on what else differs between two groups: machines, origin, fixed hyper-parameters."""
    notes = []
    for name, word in (("node", "machines"), ("gpus", "GPUs"), ("imported", "origins")):
        first, second = ({_text(row.get(name)) for row in rows} for rows in (a, b))
        if name != by and first != second:
            notes.append(f"of different {word}: {_listed(first)} against {_listed(second)}")
    names = {n for row in (*a, *b) for n in row if n.startswith("hyperparam_")}
    for name in sorted(names):
        short = name.removeprefix("hyperparam_")
        first, second = ({_text(row.get(name)) for row in rows} for rows in (a, b))
        if short != by and len(first) == len(second) == 1 and first != second:
            notes.append(f"{short} differs, too: {_listed(first)} against {_listed(second)}")
    moved = [n.removeprefix("hyperparam_") for n in sorted(names) if _spread((*a, *b), n)]
    if moved:
        notes.append(f"drawn anew in each run, and part of the spread: {', '.join(moved)}")
    return notes


def _spread(rows: Sequence[Row], name: str) -> bool:
    """Whether values of that column are of single runs, as drawn ones are."""
    known = [row[name] for row in rows if row.get(name) is not None]
    return len(set(map(_text, known))) > max(2, len(known) // 2)


def _listed(texts: set[str]) -> str:
    return ", ".join(sorted(texts))


def _text(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
