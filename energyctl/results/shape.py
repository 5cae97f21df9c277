"""Whether what a file holds is of its declared type, so that readers may take that for granted."""

from __future__ import annotations

import functools
import json
import math
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from typing_extensions import NotRequired, get_type_hints, is_typeddict

LARGEST_INTEGER = 10**100
LARGEST_QUANTITY = 1e15
"""Of a number with a unit: no time, energy or power comes near it, and sums of it are numbers."""


class Fault(NamedTuple):
    """Where in the data, and what should be there."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place.removeprefix('.') or 'the file'} is {self.message}"


def parse(text: str | bytes) -> Any:
    """JSON as data. Raises ValueError, also where it is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def fault(data: Any, kind: Any) -> Fault | None:
    """The first place where *data* is not of the type *kind*; None where all of it is.

    *kind*: a typed dictionary, of which keys may be missing, or a dataclass, or what these are
    made of. Keys that it does not know may hold anything.
    """
    return _check(kind)(data)


def shown(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, Mapping | list):
        return "an object" if isinstance(value, Mapping) else "a list"
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "a number with too many digits"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


Check = Callable[[Any], Fault | None]


@functools.cache
def _check(kind: Any, *, quantity: bool = True) -> Check:
    """*quantity*: whether a number has a unit, as those that are named in a declaration."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda data: None
    if origin in (Annotated, NotRequired):
        return _check(inner[0], quantity=quantity)
    if origin in (Union, types.UnionType):
        return _either([_check(one, quantity=quantity) for one in inner])
    if origin is Literal:  # a later version may know more
        return _scalar(type(inner[0]))
    if origin in (dict, Mapping):
        return _mapping(_check(inner[1], quantity=False))
    if origin in (list, Sequence, tuple):
        fixed = origin is tuple and Ellipsis not in inner
        each = [_check(one) for one in inner] if fixed else None
        return _list(_check(inner[0]), each)
    if is_typeddict(kind):
        return _object({name: _check(hint) for name, hint in get_type_hints(kind).items()})
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        own = {one.name: _check(hints[one.name]) for one in fields(kind)}
        without = (one for one in fields(kind) if one.default is one.default_factory is MISSING)
        return _object(own, [one.name for one in without])
    return _scalar(kind, quantity)


def _either(checks: Sequence[Check]) -> Check:
    def check(data: Any) -> Fault | None:
        faults = []
        for one in checks:
            found = one(data)
            if found is None:
                return None
            faults.append(found)
        return faults[0]

    return check


def _mapping(value: Check) -> Check:
    def check(data: Any) -> Fault | None:
        if not isinstance(data, dict):
            return Fault("", f"{shown(data)}, not an object")
        for key, one in data.items():
            if found := value(one):
                return Fault(f".{key}{found.place}", found.message)
        return None

    return check


def _list(item: Check, each: Sequence[Check] | None) -> Check:
    def check(data: Any) -> Fault | None:
        if not isinstance(data, list | tuple) or (each is not None and len(each) != len(data)):
            return Fault("", f"{shown(data)}, not a list" + (f" of {len(each)}" if each else ""))
        for number, one in enumerate(data):
            if found := (each[number] if each else item)(one):
                return Fault(f"[{number}]{found.place}", found.message)
        return None

    return check


def _object(keys: Mapping[str, Check], needed: Sequence[str] = ()) -> Check:
    def check(data: Any) -> Fault | None:
        if not isinstance(data, dict):
            return Fault("", f"{shown(data)}, not an object")
        for name in needed:
            if name not in data:
                return Fault(f".{name}", "missing")
        for name, check_value in keys.items():
            if name in data and (found := check_value(data[name])):
                return Fault(f".{name}{found.place}", found.message)
        return None

    return check


_WORDS = {str: "text", bool: "true or false", type(None): "null"}


def _scalar(kind: type, quantity: bool = True) -> Check:
    def check(data: Any) -> Fault | None:
        if isinstance(data, kind) and not isinstance(data, int | float):
            return None
        if kind is bool and isinstance(data, bool):
            return None
        return Fault("", f"{shown(data)}, not {_WORDS.get(kind, 'what it should be')}")

    def check_number(data: Any) -> Fault | None:
        if isinstance(data, bool) or not isinstance(data, int | float):
            return Fault("", f"{shown(data)}, not a number")
        if isinstance(data, int) and abs(data) > LARGEST_INTEGER:
            return Fault("", f"{shown(data)}, not a number that can be")
        if quantity and not math.isfinite(data):
            return Fault("", f"{shown(data)}, not a finite number")
        if kind is int and data != int(data):
            return Fault("", f"{shown(data)}, not a whole number")
        if kind is float and quantity and abs(data) > LARGEST_QUANTITY:
            return Fault("", f"{shown(data)}, larger than any quantity of a machine")
        return None

    return check_number if kind in (int, float) else check
