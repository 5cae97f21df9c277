"""Metrics in files that name their numbers: CSV by column, JSON and JSON lines by key, event files
of TensorBoard by tag.

Files come from others: whatever they hold, time and memory have a limit.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from energyctl.config.registry import event_files
from energyctl.config.registry.model import JSON_LINES, Metric
from energyctl.config.registry.reading import Reading, Selection, number_in
from energyctl.text import first_of

_LARGEST_DOCUMENT = 16 << 20
_LONGEST_LINE = 1 << 20
_SHOWN_NAMES = 8
_MOST_NAMES = 1000
_DELIMITERS = ",;\t"


class Value(NamedTuple):
    """What stands in a file: as a text, as a number (None where it is none), the byte behind it,
    and when it was noted (Unix seconds), where the file says so."""

    text: str
    number: float | None
    end: int
    time: float | None = None


class _Lacking(Exception):
    """There can be no number; the message says why."""


def read_file(
    metric: Metric, chunks: Iterable[bytes], go_on: Callable[[], bool] = lambda: True
) -> Reading:
    """A metric with a column, key or tag, from the *chunks* of its file, as its `select` and
    `scale` say. *go_on*, asked before each chunk, says whether there is time left."""
    late = False

    def in_time() -> Iterator[bytes]:
        nonlocal late
        for chunk in chunks:
            if not go_on():
                late = True
                return
            yield chunk

    selection, name = Selection(metric), metric.name
    lacking = dict[str, str]()
    try:
        for value in _values(metric, in_time()):
            selection.add(*value)
            if selection.decided:
                break
    except (_Lacking, event_files.NoEventFile) as error:
        lacking[name] = str(error)
    except RecursionError:
        lacking[name] = "it is nested too deeply"
    if late and not selection.decided:
        return Reading({}, (name,))
    values = {name: selection.value} if selection.found else {}
    strange = {name: selection.strange} if selection.strange else {}
    return Reading(values, (), strange, lacking, selection.series)


def _values(metric: Metric, chunks: Iterable[bytes]) -> Iterator[Value]:
    if metric.column is not None:
        return _of_column(metric.column, chunks)
    if metric.tag is not None:
        return _of_tag(metric.tag, chunks)
    lines = str(metric.file).endswith(JSON_LINES)
    return (_of_lines if lines else _of_document)(metric.key or "", chunks)


# -- CSV -------------------------------------------------------------------------------------------


class _Lines:
    """The lines of a CSV file, and the byte behind the last that was taken."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.end = 0
        self._lines = _lines(chunks)

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line, self.end = next(self._lines)
        return line.decode(errors="replace").removeprefix("\ufeff")


def _of_column(column: str, chunks: Iterable[bytes]) -> Iterator[Value]:
    """The cells of a column, by the name in the first line; empty ones are passed over. Cells are
    parted by the one of comma, semicolon and tab that makes the most of them."""
    lines = _Lines(chunks)
    head = next(lines, "")
    names, delimiter = max(
        ((_cells(head, one), one) for one in _DELIMITERS), key=lambda read: len(read[0])
    )
    if column not in names:
        have = f"it has {first_of(names, _SHOWN_NAMES)}" if any(names) else "it has no first line"
        raise _Lacking(f"there is no column {column!r}; {have}")
    place = names.index(column)
    rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    while True:
        try:
            row = next(rows, None)
        except csv.Error:  # longer than a cell may be
            continue
        if row is None:
            return
        if any(row[len(names) :]):  # no cell can be told, as where a comma is in a number
            yield Value(delimiter.join(row), None, lines.end)
            continue
        cell = row[place].strip() if place < len(row) else ""
        if cell and cell != column:  # else a second head, of a training that went on
            yield Value(cell, number_in(cell), lines.end)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        row = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []
    return [cell.strip() for cell in row]


# -- JSON ------------------------------------------------------------------------------------------


def _of_document(key: str, chunks: Iterable[bytes]) -> Iterator[Value]:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > _LARGEST_DOCUMENT:
            raise _Lacking(f"it is larger than {_LARGEST_DOCUMENT >> 20} MiB")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _Lacking(f"it is no JSON: {error}") from error
    values = list(_under(document, key))
    if not values:
        raise _Lacking(f"there is no key {key!r}{_keys_of(document)}")
    yield from (_json_value(value, len(data)) for value in values)


def _of_lines(key: str, chunks: Iterable[bytes]) -> Iterator[Value]:
    """Lines that are no JSON are passed over: a log may have others between."""
    any_json, any_value, keys = False, False, ""
    for line, end in _lines(chunks):
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            continue
        any_json, keys = True, keys or _keys_of(document)
        for value in _under(document, key):
            any_value = True
            yield _json_value(value, end)
    if not any_json:
        raise _Lacking("no line of it is JSON")
    if not any_value:
        raise _Lacking(f"there is no key {key!r}{keys}")


def _under(value: Any, key: str) -> Iterator[Any]:
    """What is at a key, or at a path of keys with dots between; of a list, in each of its items,
    or in that of a number."""
    if isinstance(value, list):
        first, _, rest = key.partition(".")
        if first.isdecimal() and len(first) < 10:
            yield from _under(value[int(first)], rest) if int(first) < len(value) else ()
        else:
            for item in value:
                yield from _under(item, key)
    elif not key:
        yield value
    elif isinstance(value, dict):
        if key in value:
            yield from _under(value[key], "")
            return
        for at in (place for place, mark in enumerate(key) if mark == "."):
            if key[:at] in value:
                yield from _under(value[key[:at]], key[at + 1 :])


def _json_value(value: Any, end: int) -> Value:
    """Numbers that are written as texts are numbers, too."""
    number = None
    if isinstance(value, str):
        number = number_in(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = None
    kinds = {dict: "an object", bool: str(value).lower(), type(None): "null"}
    return Value(kinds.get(type(value)) or str(value)[:100], number, end)


def _keys_of(document: Any) -> str:
    if isinstance(document, dict) and document:
        return f"; it has {first_of([str(key) for key in document], _SHOWN_NAMES)}"
    return ""


# -- TensorBoard -----------------------------------------------------------------------------------


def _of_tag(tag: str, chunks: Iterable[bytes]) -> Iterator[Value]:
    others: dict[str, None] = {}
    found = False
    for one in event_files.scalars(chunks):
        if one.tag == tag:
            found = True
            yield Value("no scalar", one.value, one.end, one.wall_time)
        elif len(others) < _MOST_NAMES:
            others[one.tag] = None
    if not found:
        have = f"it has {first_of(list(others), _SHOWN_NAMES)}" if others else "it has none"
        raise _Lacking(f"there is no tag {tag!r}; {have}")


def _lines(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Each line without its end, and the byte behind it; in place of a line that is too long,
    an empty one."""
    kept, end = b"", 0
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            end += len(part) + 1
            line, kept = kept + part, b""
            yield (line.removesuffix(b"\r") if len(line) <= _LONGEST_LINE else b""), end
        end += len(rest)
        kept = (kept + rest)[: _LONGEST_LINE + 1]
    if kept:
        yield (kept.removesuffix(b"\r") if len(kept) <= _LONGEST_LINE else b""), end
