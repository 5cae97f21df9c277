"""The lines in which a training tells its epochs and marks (docs/marks.md, "Any language").

    [at=SECONDS ]begin
    [at=SECONDS ]epoch NUMBER [NAME=FIGURE]…
    [at=SECONDS ]mark [NAME]
    [at=SECONDS ]tracked mlflow|wandb RUN_ID [uri=URI] [project=NAME]
    [at=SECONDS ]dropped NUMBER

They come from a training, which is not trusted: whatever is in them has a limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from energyctl.text import one_line, without_user

LONGEST_LINE = 4096
"""Bytes, with its end, as in `energyctl.marks`."""

Tool = Literal["mlflow", "wandb"]
TOOLS: Mapping[str, Tool] = {"mlflow": "mlflow", "wandb": "wandb"}

_LONGEST_NAME = 100
_LONGEST_PLACE = 500
_WHOLE = 2**53


@dataclass(frozen=True)
class Begin:
    """An epoch begins here."""


@dataclass(frozen=True)
class EpochEnd:
    """Figures as they were written."""

    number: int
    figures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mark:
    """name None: what was marked ends."""

    name: str | None


@dataclass(frozen=True)
class Tracked:
    """A run of another tool, without anybody's password."""

    to: Tool
    run_id: str
    uri: str | None = None
    project: str | None = None


@dataclass(frozen=True)
class Dropped:
    """So many lines were not sent."""

    number: int


Line = Begin | EpochEnd | Mark | Tracked | Dropped


def parse(text: str) -> tuple[float | None, Line]:
    """When it was, by the training's monotonic clock, if it says so, and what. Raises ValueError
    where it is none of them."""
    at = None
    if text.startswith("at="):
        stamp, _, text = text.removeprefix("at=").partition(" ")
        at = _finite(stamp)
    word, _, rest = text.strip().partition(" ")
    return at, _line(word, rest.strip())


def _line(word: str, rest: str) -> Line:
    if word == "begin" and not rest:
        return Begin()
    if word == "mark":
        return Mark(name_of(rest) or None)
    words = rest.split()
    if word == "epoch" and words:
        return EpochEnd(_whole(words[0]), _pairs(words[1:]))
    if word == "dropped" and len(words) == 1:
        return Dropped(_whole(words[0]))
    if word == "tracked" and len(words) >= 2:
        more = _pairs(words[2:])
        return tracked_run(words[0], words[1], more.get("uri"), more.get("project"))
    raise ValueError(word)


def tracked_run(to: str, run_id: str, uri: str | None, project: str | None) -> Tracked:
    """Raises ValueError for another tool."""
    if to not in TOOLS:
        raise ValueError(to)
    place = None if uri is None else one_line(without_user(uri), _LONGEST_PLACE)
    of = None if project is None else name_of(project)
    return Tracked(TOOLS[to], name_of(run_id), place, of)


def name_of(text: str) -> str:
    """As it may be shown and kept."""
    return one_line(text, _LONGEST_NAME)


def _pairs(words: list[str]) -> dict[str, str]:
    pairs = dict[str, str]()
    for one in words:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise ValueError(one)
        pairs[name_of(name)] = value
    return pairs


def _whole(text: str) -> int:
    number = _finite(text)
    if not number.is_integer() or not 0 <= number <= _WHOLE:
        raise ValueError(text)
    return int(number)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
