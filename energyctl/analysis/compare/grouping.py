"""Which runs are compared with which: groups, and trainings that are in both. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from energyctl.analysis.compare.comparison import GroupValues
from energyctl.errors import SettingsError
from energyctl.results.tables import LAYOUTS, Row
from energyctl.results.tables.layouts import REACH

MEASURES = {
    "total_joules": "total energy",
    "cpu_package_joules": "energy of the CPU packages",
    "cpu_dram_joules": "energy of the memory",
    "gpu_joules": "energy of the GPUs",
    "duration_seconds": "duration",
    "total_watts": "mean power",
}
"""What is compared where nothing else is asked for → its name in words."""
DEFAULT_MEASURES = tuple(MEASURES)
MOST_GROUPS = 6
"""Numbers of more values than these are no groups: they are a trend."""

ALONE, BESIDE = "alone", "beside a background"

_BANDS = {
    f"{name}_joules": f"{name}_uncertainty_joules"
    for name in ("total", "cpu_package", "cpu_dram", "gpu", "above_idle", "marginal")
}
_OWNS = {f"{n}_joules": f"{n}_own_joules" for n in ("total", "cpu_package", "cpu_dram", "gpu")}
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
        "repository", "model", "condition", "mode", "campaign", "status", "node", "constraint",
        "hostname", "gpus", "gpu_driver", "gpu_power_limit_watts", "governors",
    )  # fmt: skip
    found = {n.removeprefix("hyperparam_") for row in rows for n in row if "hyperparam_" in n}
    return ["background", *named, *sorted(found)]


def unit_of(measure: str) -> str:
    """Also of ``MEASURE per NAME``: energy per epoch is in joules."""
    figure = measure.partition(" per ")[0]
    reach = next((family.unit for family in REACH.values() if family.has(figure)), "")
    return reach or _UNITS.get(figure, "")


def _parts_of(figure: str) -> tuple[str | None, str | None]:
    """The columns with its band and with the run's own part of it, where it has such."""
    if REACH["joules"].has(figure):
        name = figure.removeprefix(REACH["joules"].prefix)
        return REACH["uncertainty_joules"].name(name), REACH["own_joules"].name(name)
    return _BANDS.get(figure), _OWNS.get(figure)


def divided(rows: Sequence[Row], measures: Sequence[str], per: str) -> tuple[list[Row], list[str]]:
    """The rows with ``MEASURE per NAME`` for each measure, its band likewise; and these names.

    Raises SettingsError where NAME is no number above 0 of any run.
    """
    numbers = [(row, value_of(row, per)) for row in rows]
    good = [(row, float(n)) for row, n in numbers if _is_number(n) and n > 0]
    if not good:
        names = ", ".join(known_names(rows))
        raise SettingsError(f"--per {per}: no run has it as a number above 0; there are {names}")
    columns = [*measures, *(part for m in measures for part in _parts_of(m) if part)]
    quotients = [
        {**row, **{f"{c} per {per}": row[c] / n for c in columns if row.get(c) is not None}}
        for row, n in good
    ]
    return quotients, [f"{m} per {per}" for m in measures]


def check_measure(rows: Sequence[Row], measure: str) -> str:
    """The column that is meant. Raises SettingsError where no run has it as a number."""
    found = ("metric_", REACH["joules"].prefix, REACH["seconds"].prefix)
    metrics = sorted({name for row in rows for name in row if name.startswith(found)})
    for name in (measure, f"metric_{measure}"):
        if name in _NUMBERS or name in metrics:
            return name
    shown = ", ".join([*DEFAULT_MEASURES, *metrics])
    raise SettingsError(f"--measure {measure}: no such figure of a run; there are {shown}, …")


USABLE = "it must be readable, have succeeded and fit --where"


def usable(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Those that succeeded and are no warm-up runs, and a line on the others."""
    measured = [row for row in rows if not row.get("warm_up")]
    good = [row for row in measured if row.get("status") == "succeeded"]
    rest = Counter(str(row["status"]) for row in measured if row.get("status") != "succeeded")
    if len(measured) < len(rows):
        rest["warm-up"] = len(rows) - len(measured)
    notes: list[str] = [LeftOut(f"left out: {n} {status}") for status, n in sorted(rest.items())]
    estimated = sum(row.get("energy_measured") is False for row in good)
    if estimated:
        notes.append(f"the energy of {estimated} of {len(good)} runs is an estimate, in part")
    return good, notes


def filtered(rows: Sequence[Row], where: Sequence[tuple[str, str]]) -> list[Row]:
    """Rows that have each of these values, as text. Raises SettingsError for an unknown name."""
    for name, value in where:
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
        hint = "; --by condition tells alone from beside another" if name == "mode" else ""
        one = _text(values.pop())
        raise SettingsError(f"--by {name}: all runs have {one}{rest}: no two groups{hint}")
    numbers = all(map(_is_number, values))
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
        rows = [row for row in groups.rows[name] if row.get(measure) is not None]
        for row in rows:
            side.setdefault(stratum(row), []).append(row)
        if without := len(groups.rows[name]) - len(rows):
            notes.append(f"{measure}: left out {without} of {name} without that figure")
    both = [key for key in sides[0] if key in sides[1]]
    if not both and all(len(side) == 1 for side in sides):
        (first,), (second,) = sides
        notes.append(f"different trainings are compared: {first} and {second}")
        pair = values(a, sides[0][first], measure), values(b, sides[1][second], measure)
        return [(None, *pair)], notes
    for side, name, other in ((sides[0], a, b), (sides[1], b, a)):
        lone = [key for key in side if key not in both]
        if lone:
            what = ", ".join(f"{key} ({len(side[key])})" for key in lone)
            notes.append(LeftOut(f"left out of {name}, not in {other}: {what}"))
    return [
        (key, values(a, sides[0][key], measure), values(b, sides[1][key], measure)) for key in both
    ], notes


def values(name: str, rows: Sequence[Row], measure: str) -> GroupValues:
    figure, per, name_of_unit = measure.partition(" per ")
    bands, owns = (
        [None if part is None else row.get(part + per + name_of_unit) for row in rows]
        for part in _parts_of(figure)
    )
    machines = {(row.get("hostname"), row.get("gpu_uuids")) for row in rows}
    hostname, uuids = machines.pop()
    one = hostname is not None and not machines
    return GroupValues(
        name,
        [float(row[measure]) for row in rows],
        bands,
        owns,
        f"{hostname} {uuids or ''}".strip() if one else None,
    )


def confounders(a: Sequence[Row], b: Sequence[Row], by: str | None) -> list[str]:
    """Lines on what else differs between two groups: machines, origin, fixed hyper-parameters."""
    notes = []
    for name, word in (("node", "machines"), ("gpus", "GPUs"), ("imported", "origins")):
        first, second = ({_text(row.get(name)) for row in rows} for rows in (a, b))
        if name != by and first != second:
            notes.append(f"of different {word}: {_listed(first)} against {_listed(second)}")
    notes += _throttled(a, b)
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


def _throttled(a: Sequence[Row], b: Sequence[Row]) -> list[str]:
    """A line for each cause that held down more of one group's runs than of the other's."""
    first, second = (
        [set(str(row["throttled_by"]).split("; ")) for row in rows if row.get("throttled_by")]
        for rows in (a, b)
    )
    notes = []
    for cause in sorted(set().union(*first, *second) - {"nothing"}) if first and second else ():
        of_a, of_b = (sum(cause in causes for causes in side) for side in (first, second))
        if of_a * len(second) != of_b * len(first):
            notes.append(
                f"not throttled alike ({cause}): {of_a} of {len(first)} runs against {of_b} of "
                f"{len(second)}; a part of the difference may come from that"
            )
    return notes


def _spread(rows: Sequence[Row], name: str) -> bool:
    """Whether values of that column are of single runs, as drawn ones are."""
    known = [row[name] for row in rows if row.get(name) is not None]
    return len(set(map(_text, known))) > max(2, len(known) // 2)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(texts: set[str]) -> str:
    return ", ".join(sorted(texts))


def _text(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
