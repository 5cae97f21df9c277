"""Event files as TensorBoard's own writer makes them, without it."""

from __future__ import annotations

import struct

CRC_TABLE = [0] * 256
for number in range(256):
    crc = number
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    CRC_TABLE[number] = crc


def masked_crc(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    return length + masked_crc(length) + data + masked_crc(data)


def field(number: int, value: bytes | int | float) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    head = b""
    while value > 0x7F:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])


def event(wall_time: float, values: bytes) -> bytes:
    """A record of one event; *values* as :func:`simple` and :func:`tensor` make them."""
    return record(field(1, wall_time) + field(2, 7) + field(5, values))


def simple(tag: str, value: float) -> bytes:
    single = varint(2 << 3 | 5) + struct.pack("<f", value)
    return field(1, field(1, tag.encode()) + single)


def tensor(tag: str, fields: bytes) -> bytes:
    return field(1, field(1, tag.encode()) + field(8, fields))
