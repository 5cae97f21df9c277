"""Reading a JSON object from a file, remembering where each value stood."""

from __future__ import annotations

import bisect
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from energyctl.errors import SettingsError
from energyctl.launchers.regular_files import open_regular

# Only ever applied to text that the json module has accepted.
TOKEN = re.compile(r'\s*("[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+)', re.DOTALL)
_PLAIN_KEY = re.compile(r"[^\s.\[\]\"\x00-\x1f\ud800-\udfff]+")


@dataclass(frozen=True)
class Duplicate:
    """A key that one JSON object holds more than once; the last one counts."""

    path: tuple[str | int, ...]
    differs: bool


@dataclass(frozen=True)
class Document:
    """One JSON file: its data and, for each place in it, line and column from 1."""

    path: Path
    data: dict[str, Any]
    positions: Mapping[str, tuple[int, int]]
    duplicates: tuple[Duplicate, ...] = ()

    def locate(self, *path: str | int) -> tuple[int, int]:
        """Line and column of a path; of what encloses it where the path does not exist."""
        for length in range(len(path), 0, -1):
            position = self.positions.get(json_path(*path[:length]))
            if position:
                return position
        return self.positions[""]


class Member(NamedTuple):
    """Where a member of an object, or an item of a list, stands: offsets from 0, end exclusive.

    before: where the white space in front of it begins. key_end: `start` for an item of a list.
    """

    path: tuple[str | int, ...]
    before: int
    start: int
    key_end: int
    value: int
    end: int


def json_path(*path: str | int) -> str:
    """A path as people write it: `experiments[3].foreground.mutate[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def read(path: Path) -> Document:
    """Opens a file that must hold one JSON object, in UTF-8 with or without a BOM.

    Raises SettingsError, naming the file, the place and a remedy.
    """
    try:
        with open(path, "rb", opener=partial(open_regular, follow=True)) as file:
            raw = file.read()
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise SettingsError(f"{path}: is a folder, not a JSON file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{str(path)!r}: cannot be read: {reason}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}: line {line}: not UTF-8; save the file as UTF-8") from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Document:
    """The same from text; `name` stands for the file in messages. Raises SettingsError."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise SettingsError(f"{name}: is empty; it must hold a JSON object: {{ … }}")
    try:
        data = json.loads(text)
        walk = JsonWalk(text, name)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{name}: line {error.lineno}, column {error.colno}: not JSON: "
            f"{error.msg}{_hint(text, error.pos)}"
        ) from None
    except RecursionError:
        raise SettingsError(f"{name}: is nested too deeply") from None
    except ValueError:
        raise SettingsError(f"{name}: holds a number with too many digits") from None
    if not isinstance(data, dict):
        raise SettingsError(f"{name}: must hold a JSON object: {{ … }}")
    return Document(Path(name), data, walk.positions, tuple(walk.duplicates))


def _hint(text: str, offset: int) -> str:
    """What to do about the usual slips in hand-written JSON."""
    here, before = text[offset:].lstrip(), text[:offset].rstrip()
    if here.startswith(("//", "/*", "#")):
        return '; JSON has no comments: use a field "comment"'
    if here.startswith("'"):
        return "; JSON wants double quotes"
    if here.startswith(("True", "False", "None")):
        return "; JSON writes true, false and null"
    closing = here[1:].lstrip() if here.startswith(",") else here if before.endswith(",") else ""
    if closing.startswith(("}", "]")):
        return "; remove the comma before the closing bracket"
    return ""


class JsonWalk:
    """Goes through valid JSON once and notes where the values are and which keys are repeated.

    members: of all objects and lists; a repeated key comes as often as it is there.
    SettingsError for a number that is not finite.
    """

    def __init__(self, text: str, name: str) -> None:
        self.positions: dict[str, tuple[int, int]] = {}
        self.duplicates: list[Duplicate] = []
        self.members: list[Member] = []
        self._text, self._name = text, name
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._tokens: Iterator[re.Match[str]] = TOKEN.finditer(text)
        root = next(self._tokens)
        self.positions[""] = self._position(root.start(1))
        self._value((), root)

    def _position(self, offset: int) -> tuple[int, int]:
        line = bisect.bisect_left(self._breaks, offset)
        start = self._breaks[line - 1] + 1 if line else 0
        return line + 1, offset - start + 1

    def _value(self, path: tuple[str | int, ...], token: re.Match[str]) -> int:
        """Walks one value, which starts at the token; returns the offset of its end."""
        if token[1] in ("{", "["):
            return self._inside(path, token[1])
        if token[1][0] != '"' and token[1] not in ("true", "false", "null"):
            self._number(token)
        return token.end(1)

    def _inside(self, path: tuple[str | int, ...], opening: str) -> int:
        """Walks the members of an object or a list."""
        members: dict[str | int, Member] = {}
        while (token := next(self._tokens))[1] not in ("}", "]"):
            if token[1] == ",":
                continue
            key, key_end, value = len(members), token.start(1), token
            if opening == "{":
                key, key_end = json.loads(token[1]), token.end(1)
                next(self._tokens)
                value = next(self._tokens)
            inside = (*path, key)
            self.positions[json_path(*inside)] = self._position(token.start(1))
            end = self._value(inside, value)
            member = Member(inside, token.start(), token.start(1), key_end, value.start(1), end)
            if key in members:
                self.duplicates.append(Duplicate(inside, self._differ(members[key], member)))
            members[key] = member
            self.members.append(member)
        return token.end(1)

    def _number(self, token: re.Match[str]) -> None:
        if not math.isfinite(float(token[1])):
            line, column = self._position(token.start(1))
            shown = token[1] if len(token[1]) < 40 else f"{token[1][:20]}…"
            raise SettingsError(
                f"{self._name}: line {line}, column {column}: {shown} is not a finite number"
            )

    def _differ(self, *members: Member) -> bool:
        one, other = (json.loads(self._text[m.value : m.end]) for m in members)
        return bool(json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
