"""Which runs are compared with which: groups, and the trainings that are in both. Pure."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from energyctl.analysis.compare.measures import (
    is_number,
    is_of_total,
    known_names,
    level_of,
    name_of,
    repetition_of,
    text_of,
    value_of,
)
from energyctl.config.settings.machine import MACHINE_SETTINGS
from energyctl.errors import SettingsError
from energyctl.results.machine_settings import number_in
from energyctl.results.tables import Row
from energyctl.results.tables.totals import unlike

MOST_GROUPS = 6
"""Numbers of more values than these are no groups: they are a trend."""

ONE_TOTAL = "--where total_of=… takes those of one kind"
USABLE = "it must be readable, have succeeded and fit --where"


class LeftOut(str):
    """A note on runs that are not compared."""


@dataclass
class Groups:
    """Rows of the table of runs by group, in order: those that succeeded, and those that did not.

    warm_ups: how many runs are none of either. notes: what to know of them.
    """

    rows: dict[str, list[Row]]
    failed: Mapping[str, list[Row]] = field(default_factory=dict)
    warm_ups: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Side:
    """A group's runs of one training that have the measure; failed: those that did not succeed.

    unused: of `rows` before those without a block were taken out, the others.
    """

    name: str
    rows: Sequence[Row]
    failed: Sequence[Row] = ()
    unused: Sequence[Row] = ()

    @property
    def runs(self) -> int:
        """All that were done."""
        return len(self.rows) + len(self.failed) + len(self.unused)


def usable(rows: Sequence[Row]) -> tuple[list[Row], list[Row], list[str]]:
    """Those that succeeded and are no warm-up runs; those that did not; a line on what is left
    out."""
    measured = [row for row in rows if not row.get("warm_up")]
    good = [row for row in measured if row.get("status") == "succeeded"]
    failed = [row for row in measured if row.get("status") != "succeeded"]
    rest = Counter(str(row["status"]) for row in failed)
    if len(measured) < len(rows):
        rest["warm-up"] = len(rows) - len(measured)
    return good, failed, [LeftOut(f"left out: {n} {status}") for status, n in sorted(rest.items())]


def filtered(rows: Sequence[Row], where: Sequence[tuple[str, str]]) -> list[Row]:
    """Rows that have each of these values, as text. Raises SettingsError for an unknown name."""
    for name, value in where:
        if rows and not any(value_of(row, name) is not None for row in rows):
            names = ", ".join(known_names(rows))
            raise SettingsError(f"--where {name}={value}: no run has {name}; there are {names}")
        rows = [row for row in rows if _is(value_of(row, name), value)]
    return list(rows)


def _is(value: object, text: str) -> bool:
    """Whether that is meant by *text*; numbers as numbers."""
    if is_number(value):
        with contextlib.suppress(ValueError):
            return float(text) == value
    return text_of(value) == text


def two_groups(a: Sequence[Row], b: Sequence[Row], names: tuple[str, str]) -> Groups:
    """Two given groups. SettingsError where one is empty, or a run is in both."""
    sides, failed, notes = list[list[Row]](), list[list[Row]](), list[str]()
    for name, rows in zip(names, (a, b), strict=True):
        good, bad, lines = usable(rows)
        if not good:
            raise SettingsError(f"{name}: no run of it is left to compare: {USABLE}")
        sides.append(good)
        failed.append(bad)
        notes += [LeftOut(f"{name}: {line}") for line in lines]
    shared = {row["experiment_id"] for row in sides[0]} & {r["experiment_id"] for r in sides[1]}
    if shared:
        raise SettingsError(f"{len(shared)} runs are in both groups, as {sorted(shared)[0]}")
    labels = names if names[0] != names[1] else ("A", "B")
    of_label = dict(zip(labels, failed, strict=True))
    return Groups(dict(zip(labels, sides, strict=True)), of_label, _warm_ups((*a, *b)), notes)


def by_name(rows: Sequence[Row], name: str) -> Groups | None:
    """The groups by a value; None: it is a number of so many values that it is a trend.

    Raises SettingsError where there are no two groups.
    """
    good, failed, notes = usable(rows)
    if not good:
        raise SettingsError(f"no run is left to compare: {USABLE}")
    known = [row for row in good if value_of(row, name) is not None]
    if not known:
        names = ", ".join(known_names(rows))
        raise SettingsError(f"--by {name}: no run has it; there are {names}")
    values = {value_of(row, name) for row in known}
    if len(values) < 2:
        others = len(good) - len(known)
        rest = f" but {others} that have none" if others else ""
        hint = "; --by condition tells alone from beside another" if name == "mode" else ""
        one = text_of(values.pop())
        raise SettingsError(f"--by {name}: all runs have {one}{rest}: no two groups{hint}")
    numbers = all(map(is_number, values))
    many = len(values) > MOST_GROUPS or len(values) == len(known)
    if numbers and many and not _within_blocks(known, name):
        return None
    ordered = sorted(values) if numbers else sorted(values, key=text_of)
    if len(known) < len(good):
        notes.append(LeftOut(f"left out: {len(good) - len(known)} without {name}"))
    groups, lost = (
        {
            level: [row for row in of if level_of(name, value_of(row, name)) == level]
            for level in dict.fromkeys(level_of(name, value) for value in ordered)
        }
        for of in (known, failed)
    )
    return Groups(groups, lost, _warm_ups(rows), notes)


def _within_blocks(rows: Sequence[Row], name: str) -> bool:
    """Whether it is a factor: runs of one repetition, in blocks, have several values of it."""
    values: dict[tuple[object, ...], set[str]] = {}
    for row in rows:
        key = repetition_of(row)
        if key is not None:
            values.setdefault(key, set()).add(text_of(value_of(row, name)))
    return any(len(found) > 1 for found in values.values())


def _warm_ups(rows: Sequence[Row]) -> int:
    return sum(bool(row.get("warm_up")) for row in rows)


def based_on(groups: Groups, base: str | None, by: str = "condition") -> Groups:
    """The same with the group that the others are compared with first: *base*; without it that of
    a machine that is restricted least, else one whose runs all were alone, where there is one.
    SettingsError."""
    names = list(groups.rows)
    if base is None:
        alone = (name for name, rows in groups.rows.items() if not any(map(_beside, rows)))
        base = least_restricted(by, names) or next(alone, names[0])
    elif base not in names:
        known = {text_of(value_of(rows[0], by)): name for name, rows in groups.rows.items()}
        if base not in known:
            raise SettingsError(f"--base {base}: no such group; there are {', '.join(names)}")
        base = known[base]
    others = [name for name in names if name != base]
    if by in MACHINE_SETTINGS and base == names[-1]:
        others.reverse()  # downwards from there
    order = [base, *others]
    return replace(groups, rows={name: groups.rows[name] for name in order})


def least_restricted(by: str, levels: Sequence[str]) -> str | None:
    """Of levels of a machine setting, as groups are named: the highest limit or clock, or the
    governor `performance`; None of another factor, or where that is not among them."""
    if by == "governor":
        return "performance" if "performance" in levels else None
    if by not in MACHINE_SETTINGS:
        return None
    with contextlib.suppress(ValueError):
        return max(levels, key=number_in)
    return None


def _beside(row: Row) -> bool:
    return row.get("mode") == "parallel"


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


def of_two_totals(rows: Sequence[Row], measure: str, what: str | None) -> LeftOut | None:
    """A line on runs that cannot be compared in it, since their totals are not of the same."""
    why = unlike(rows) if is_of_total(measure) else None
    if why is None:
        return None
    return LeftOut(f"{what or 'all runs'}: {name_of(measure)} left out, {why}; {ONE_TOTAL}")


def sides(
    groups: Groups, a: str, b: str, measure: str, by: str | None
) -> tuple[list[tuple[str | None, Side, Side]], list[str]]:
    """For each training that both groups have, its runs; and a line on what has no partner."""
    stratum, notes = stratum_of(by), list[str]()
    both_sides: list[dict[str | None, list[Row]]] = [{}, {}]
    for side, name in zip(both_sides, (a, b), strict=True):
        rows = [row for row in groups.rows[name] if is_number(row.get(measure))]
        for row in rows:
            side.setdefault(stratum(row), []).append(row)
        if without := len(groups.rows[name]) - len(rows):
            notes.append(f"{measure}: left out {without} of {name} without that figure")
    first, second = both_sides
    both = [key for key in first if key in second]
    if not both and len(first) == len(second) == 1:
        (of_a,), (of_b,) = both_sides
        notes.append(f"different trainings are compared: {of_a} and {of_b}")
        if apart := of_two_totals([*first[of_a], *second[of_b]], measure, None):
            return [], [*notes, apart]
        lost = groups.failed
        pair = Side(a, first[of_a], lost.get(a, ())), Side(b, second[of_b], lost.get(b, ()))
        return [(None, *pair)], notes
    for side, name, other in ((first, a, b), (second, b, a)):
        lone = [key for key in side if key not in both]
        if lone:
            what = ", ".join(f"{key} ({len(side[key])})" for key in lone)
            reason = f"not in {other} with {measure}"
            notes.append(LeftOut(f"left out of {name}, {reason}: {what}"))

    for key in list(both):
        if apart := of_two_totals([*first[key], *second[key]], measure, key):
            notes.append(apart)
            both.remove(key)

    def failed(name: str, key: str | None) -> list[Row]:
        return [row for row in groups.failed.get(name, ()) if stratum(row) == key]

    return [
        (key, Side(a, first[key], failed(a, key)), Side(b, second[key], failed(b, key)))
        for key in both
    ], notes
