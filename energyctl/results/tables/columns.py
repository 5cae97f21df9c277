"""What a table consists of: columns of a fixed type, and families of columns named by the data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Type = Literal["text", "integer", "float", "boolean", "timestamp"]
"""timestamp: Unix seconds in a row; an instant in UTC, to the microsecond, in a file."""

Row = dict[str, Any]
"""Column → value; None, or no entry, for what is not known."""

_EXACT = 2**53
_INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Column:
    """A column that is there whatever the data. `unit` and `null` (when it is) may be empty."""

    name: str
    type: Type
    unit: str
    meaning: str
    null: str = "never"


@dataclass(frozen=True)
class Family:
    """Columns PREFIX + NAME, one for each NAME in the data, by name.

    `type` None: that of the values, as :func:`type_of` has it.
    """

    prefix: str
    type: Type | None
    unit: str
    meaning: str
    null: str
    suffix: str = ""

    def name(self, of: str) -> str:
        return f"{self.prefix}{of}{self.suffix}"

    def has(self, column: str) -> bool:
        return column.startswith(self.prefix) and column.endswith(self.suffix)


@dataclass(frozen=True)
class Layout:
    """One table: its columns in order, the families after them."""

    name: str
    columns: tuple[Column, ...]
    families: tuple[Family, ...] = ()

    def resolved(self, rows: Iterable[Row]) -> tuple[Column, ...]:
        """All columns for these rows: the fixed ones, then each family's, by name."""
        if not self.families:
            return self.columns
        fixed = {column.name for column in self.columns}
        values: dict[str, list[Any]] = {}
        for row in rows:
            for name in row.keys() - fixed:
                values.setdefault(name, []).append(row[name])
        more = [
            Column(name, family.type or type_of(values[name]), family.unit, family.meaning)
            for family in self.families
            for name in sorted(values)
            if family.has(name)
        ]
        return (*self.columns, *more)


def type_of(values: Iterable[Any]) -> Type:
    """The narrowest type that holds all of them as they are; text for a mixture."""
    given = [value for value in values if value is not None]
    if not given or any(not isinstance(value, bool | int | float) for value in given):
        return "text"
    if any(isinstance(value, bool) for value in given):
        return "boolean" if all(isinstance(value, bool) for value in given) else "text"
    whole = [value for value in given if isinstance(value, int)]
    if len(whole) == len(given):
        return "integer" if all(value in _INTEGERS for value in whole) else "text"
    return "float" if all(abs(value) <= _EXACT for value in whole) else "text"


def converted(value: Any, wanted: Type) -> Any:
    """*value* as a column of that type holds it; None stays None."""
    if value is None:
        return None
    if wanted == "text":
        return plain(value)
    if wanted in ("float", "timestamp"):
        return float(value)
    return bool(value) if wanted == "boolean" else int(value)


def cell(value: Any, wanted: Type) -> Any:
    """The same, of a timestamp the microseconds: as DataFrames and Parquet hold it."""
    value = converted(value, wanted)
    return microseconds(value) if wanted == "timestamp" and value is not None else value


def microseconds(seconds: float) -> int:
    """The nearest whole number of them; a time of our days keeps its last digit."""
    whole = int(seconds)
    return whole * 1_000_000 + round((seconds - whole) * 1_000_000)


def plain(value: Any) -> str:
    """A value as text that any file takes: full precision, no half characters, no NUL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else repr(value)
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def known(values: Iterable[T | None]) -> list[T]:
    """All of them; none where one of them is None."""
    every = list(values)
    some = [value for value in every if value is not None]
    return some if len(some) == len(every) else []


def total(figures: Iterable[float | None]) -> float | None:
    """Their sum; None for none at all, where one of them is None, and where it is more than
    numbers hold."""
    every = known(figures)
    try:
        return math.fsum(every) if every else None
    except OverflowError:
        return None


def flattened(family: Family, values: Mapping[str, Any]) -> Row:
    """The row's part of a family."""
    return {family.name(plain(name)): value for name, value in values.items()}
