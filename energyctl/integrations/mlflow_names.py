"""Names and values as MLflow takes them. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from energyctl.results.tables.accessors import scalar
from energyctl.text import parameter

T = TypeVar("T")

LONGEST_KEY, LONGEST_PARAMETER, LONGEST_TAG = 250, 6000, 5000
"""Characters (mlflow/utils/validation.py; of tags those of the oldest servers)."""

MOST_PARAMETERS, MOST_METRICS = 100, 800
"""Of one request, which takes 1,000 of all together, with up to 100 tags."""


def key_of(name: str) -> str:
    """*name*, with `_` for all but letters, digits, `_`, `-`, `.`, `:`, `/` and spaces.

    A path must be in its shortest form, and lead nowhere else.
    """
    clean = re.sub(r"[^\w\-.:/ ]", "_", name).strip("/")[:LONGEST_KEY]
    path = posixpath.normpath(clean)
    return clean if path == clean and not clean.startswith(".") else clean.replace("/", "_")


def keys_of(named: Mapping[str, T]) -> dict[str, T]:
    """All of them by their keys. Of two that would have one key, the second is `KEY_2`; where one
    is a folder of another, as `loss` of `loss/val`, that is `loss_val`: stores of files need it.
    """
    found = dict[str, T]()
    folders = {key_of(name) for name in named}
    for name, value in named.items():
        key = key_of(name)
        parts = key.split("/")
        if any("/".join(parts[:length]) in folders for length in range(1, len(parts))):
            key = key.replace("/", "_")
        number, free = 1, key
        while free in found:
            number += 1
            free = f"{key}_{number}"
        found[free] = value
    return found


def value_of(value: Any, longest: int) -> str:
    """As text, every digit of a number; cut where MLflow would refuse it."""
    text = parameter(scalar(value), whole=True)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def milliseconds(time: float | None) -> int | None:
    """Unix seconds as MLflow has them."""
    return None if time is None else round(time * 1000)


def batches(items: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), most):
        yield items[start : start + most]
