"""Changing a JSON text in single places, so that its writer recognises all the rest."""

from __future__ import annotations

import json
from typing import Any

from energyctl.config.jsonfile.reader import JsonWalk, Member

Path = tuple[str | int, ...]


class Edits:
    """Changes of one valid JSON text, which are made all at once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._members: dict[Path, list[Member]] = {}
        self._changes: list[tuple[int, int, str]] = []
        for member in JsonWalk(text, "the text").members:
            self._members.setdefault(member.path, []).append(member)

    def rename(self, path: Path, name: str) -> None:
        """Another key; in all places where the object repeats it."""
        for member in self._members[path]:
            self._changes.append((member.start, member.key_end, self._json(name)))

    def replace(self, path: Path, value: Any) -> None:
        """Another value; of a repeated key, the one that counts."""
        member = self._members[path][-1]
        self._changes.append((member.value, member.end, self._json(value)))

    def insert(self, name: str, value: Any, *, after: Path = (), before: Path = ()) -> None:
        """A new member beside another of the same object, in that one's style."""
        beside = self._members[after or before][-1]
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
