"""Changing a JSON text in single places, so that its writer recognises all the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from energyctl.config.jsonfile.reader import TOKEN

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Member:
    """Where a member of an object, or an item of a list, stands: offsets from 0, end exclusive.

    `before` is where the white space in front of it begins.
    """

    path: Path
    before: int
    start: int
    key_end: int
    value: int
    end: int


def members(text: str) -> Iterator[Member]:
    """All members and items of valid JSON text; a repeated key comes as often as it is there."""
    yield from _Members(text).walk()


class Edits:
    """Changes of one valid JSON text, which are made all at once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[Path, list[Member]] = {}
        self._changes: list[tuple[int, int, str]] = []
        for member in members(text):
            self._found.setdefault(member.path, []).append(member)

    def rename(self, path: Path, name: str) -> None:
        """Another key; in all places where the object repeats it."""
        for member in self._found[path]:
            self._changes.append((member.start, member.key_end, self._json(name)))

    def replace(self, path: Path, value: Any) -> None:
        """Another value; of a repeated key, the one that counts."""
        member = self._found[path][-1]
        self._changes.append((member.value, member.end, self._json(value)))

    def insert(self, name: str, value: Any, *, after: Path = (), before: Path = ()) -> None:
        """A new member beside another of the same object, in that one's style."""
        beside = self._found[after or before][-1]
        space = self._text[beside.before : beside.start]
        member = f"{self._json(name)}{self._text[beside.key_end : beside.value]}{self._json(value)}"
        if after:
            self._changes.append((beside.end, beside.end, f",{space or ' '}{member}"))
        else:
            self._changes.append((beside.start, beside.start, f"{member},{space or ' '}"))

    def text(self) -> str:
        """The text with all changes."""
        parts, done = [], 0
        for start, end, new in sorted(self._changes, key=lambda change: change[:2]):
            parts += [self._text[done:start], new]
            done = end
        return "".join([*parts, self._text[done:]])

    def _json(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=self._text.isascii())


class _Members:
    def __init__(self, text: str) -> None:
        self._tokens = TOKEN.finditer(text)

    def walk(self) -> Iterator[Member]:
        first = next(self._tokens)
        yield from self._inside((), first[1])

    def _inside(self, path: Path, opening: str) -> Iterator[Member]:
        """What the object or list holds; afterwards `self._end` is its end."""
        number = 0
        for token in self._tokens:
            self._end = token.end(1)
            if token[1] in ("}", "]"):
                return
            if token[1] == ",":
                continue
            inside: Path = (*path, number)
            value, key_end = token, token.start(1)
            if opening == "{":
                inside, key_end = (*path, json.loads(token[1])), token.end(1)
                next(self._tokens)
                value = next(self._tokens)
            number += 1
            self._end = value.end(1)
            if value[1] in ("{", "["):
                yield from self._inside(inside, value[1])
            start = token.start(1)
            yield Member(inside, token.start(), start, key_end, value.start(1), self._end)
