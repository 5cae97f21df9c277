"""Looking into a result file, with a word on where it is not what it should be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from energyctl.results.shape import shown

T = TypeVar("T")

LATEST = 253402300799.0  # the year 9999, where dates end
WHOLE = range(-(2**63), 2**63)


class NoResult(ValueError):
    """This is no result, or a broken one; the message says what is wrong, and where in it."""


class NotOurs(NoResult):
    """No result of energyctl at all."""


class UnknownSchema(NoResult):
    """A result of a schema that this energyctl does not know."""

    def __init__(self, message: str, schema: object) -> None:
        super().__init__(message)
        self.schema = schema


class Part:
    """An object of a result. A key that is missing is None, a wrong type raises NoResult."""

    def __init__(self, data: Any, where: str = "") -> None:
        if not isinstance(data, Mapping):
            raise NoResult(f"{where or 'the file'} is {shown(data)}, not an object")
        self._data, self._where = data, where

    def raw(self, key: str) -> Any:
        return self._data.get(key)

    @property
    def document(self) -> Mapping[str, Any]:
        """All of it, as it stands in the file."""
        return self._data

    def names(self) -> list[str]:
        return list(self._data)

    def text(self, key: str) -> str | None:
        return self._checked(key, str, "text")

    def number(self, key: str) -> float | None:
        """A finite number."""
        value = self.raw(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self._wrong(key, "a finite number")
        return number

    def integer(self, key: str) -> int | None:
        number = self.number(key)
        if number is None:
            return None
        if not number.is_integer() or int(self.raw(key)) not in WHOLE:
            raise self._wrong(key, "a whole number")
        return int(self.raw(key))

    def time(self, key: str) -> float | None:
        """Unix seconds."""
        number = self.number(key)
        if number is not None and not in_range(number):
            raise self._wrong(key, "a time in Unix seconds")
        return number

    def flag(self, key: str) -> bool | None:
        return self._checked(key, bool, "true or false")

    def part(self, key: str) -> Part:
        """The object there; an empty one for null."""
        return Part({} if self.raw(key) is None else self.raw(key), self.place(key))

    def items(self, key: str) -> Sequence[Any]:
        """The list there; an empty one for null."""
        return self._checked(key, list, "a list") or []

    def parts(self, key: str) -> list[Part]:
        return [
            Part(entry, f"{self.place(key)}[{index}]")
            for index, entry in enumerate(self.items(key))
        ]

    def numbers(self, key: str) -> dict[str, float | None]:
        """Name → number, of the object there."""
        inner = self.part(key)
        return {name: inner.number(name) for name in inner.names()}

    def listed_numbers(self, key: str) -> list[float | None]:
        """The numbers of the list there."""
        items = {str(number): item for number, item in enumerate(self.items(key))}
        inner = Part(items, self.place(key))
        return [inner.number(number) for number in items]

    def place(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _checked(self, key: str, kind: type[T], words: str) -> T | None:
        value = self.raw(key)
        if value is not None and not isinstance(value, kind):
            raise self._wrong(key, words)
        return value

    def _wrong(self, key: str, wanted: str) -> NoResult:
        return NoResult(f"{self.place(key)} is {shown(self.raw(key))}, not {wanted}")


def in_range(time: float | None) -> bool:
    """Whether these Unix seconds are a date."""
    return time is not None and 0.0 <= time <= LATEST
