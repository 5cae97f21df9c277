"""Scalars in the event files of TensorBoard.

A file is a row of records as TFRecordWriter makes them: the length of the data (8 bytes, little
endian), its masked CRC-32C, the data, their CRC (tensorflow/core/lib/io/record_writer.h). The data
are an Event (tensorflow/core/util/event.proto), of which a scalar is `summary.value[]` with its
`tag`, and a `simple_value` or, since TensorFlow 2, a `tensor`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_LARGEST_RECORD = 1 << 20
"""Bytes; what is larger holds pictures or a graph, and is passed over."""

_HEAD, _TAIL = 12, 4
"""Bytes around the data of a record."""

_SCALARS = {1: "f", 2: "d", 3: "i", 9: "q"}
"""DataType of a tensor (types.proto) → its format, see struct."""

_VALUES = {5: (1, "f"), 6: (2, "d")}
"""Field of a TensorProto → the type of which it holds values, and their format."""


NONE = "it is no event file"


class Scalar(NamedTuple):
    """A value of a tag; None where it is a picture, a histogram, or another thing. end: the byte
    behind it; wall_time: when the training noted it, Unix seconds."""

    tag: str
    value: float | None
    end: int
    wall_time: float


class NoEventFile(ValueError):
    """It is none; the message says why."""


def scalars(chunks: Iterable[bytes]) -> Iterator[Scalar]:
    """All values, in their order; a record at the end that is not whole is passed over.

    Raises NoEventFile.
    """
    for data, end in _records(chunks):
        try:
            yield from _scalars(data, end)
        except (ValueError, IndexError, struct.error) as error:
            raise NoEventFile(f"its record before byte {end} is broken") from error


def _records(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """The data of each record, and the byte behind it."""
    buffer, begin, at = b"", 0, 0  # at: where the next record begins, perhaps behind the buffer
    for chunk in chunks:
        done = min(at, len(buffer))
        buffer, begin, at = buffer[done:] + chunk, begin + done, at - done
        while at + _HEAD <= len(buffer):
            length, check = struct.unpack_from("<QI", buffer, at)
            if check != _masked_crc(buffer[at : at + 8]):
                raise NoEventFile("one of its records is torn" if begin + at else NONE)
            whole = _HEAD + length + _TAIL
            if length <= _LARGEST_RECORD:
                if at + whole > len(buffer):
                    break
                yield buffer[at + _HEAD : at + _HEAD + length], begin + at + whole
            at += whole
    if begin + at == 0:
        raise NoEventFile(NONE)


def _scalars(event: bytes, end: int) -> Iterator[Scalar]:
    wall_time, summaries = 0.0, list[bytes]()
    for number, value in _fields(event):
        if number == 1 and isinstance(value, bytes):
            (wall_time,) = struct.unpack("<d", value)
        elif number == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for number, value in _fields(summary):
            if number == 1 and isinstance(value, bytes):
                tag, scalar = _value(value)
                yield Scalar(tag, scalar, end, wall_time)


def _value(data: bytes) -> tuple[str, float | None]:
    tag, scalar = "", None
    for number, value in _fields(data):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            tag = value.decode(errors="replace")
        elif number == 2:
            scalar = _shortest(struct.unpack("<f", value)[0])
        elif number == 8:
            scalar = _tensor(value)
    return tag, scalar


def _tensor(data: bytes) -> float | None:
    """The number in a TensorProto that holds one alone."""
    dtype, content, values = 0, b"", dict[int, bytes]()
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            dtype = value
        elif number == 4 and isinstance(value, bytes):
            content = value
        elif number in _VALUES and isinstance(value, bytes):
            values[_VALUES[number][0]] = value
    form = _SCALARS.get(dtype)
    held = content or values.get(dtype, b"")
    if form is None or len(held) != struct.calcsize(form):
        return None
    (scalar,) = struct.unpack(f"<{form}", held)
    return _shortest(scalar) if form == "f" else float(scalar)


def _shortest(value: float) -> float:
    """The decimal that a number of 4 bytes was written as: 0.9 for 0.8999999761581421."""
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        try:
            if struct.pack("<f", short) == struct.pack("<f", value):
                return short
        except OverflowError:
            continue
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protobuf message (its wire format). ValueError,
    IndexError where it is none."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(kind, 0)
        if kind == 2:
            length, at = _varint(data, at)
        elif not length:
            raise ValueError(f"wire type {kind}")
        if at + length > len(data):
            raise ValueError("a field is longer than its message")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number is too long")


def _masked_crc(data: bytes) -> int:
    """CRC-32C (Castagnoli), rotated and shifted as TFRecord does (core/lib/hash/crc32c.h)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
