"""The values that one hyper-parameter can take: drawn from a hash, counted, and numbered."""

from __future__ import annotations

import hashlib
import math
import struct
import sys
from typing import Any

from energyctl.config.registry import Hyperparameter

_BITS = 128
_UNIT = 1 << _BITS


class Space:
    """What mutation can make of one hyper-parameter: its choices or range, and added zeros.

    A float's range is counted, too: it holds finitely many floats, and a narrow one few.
    """

    def __init__(self, parameter: Hyperparameter) -> None:
        self.parameter = parameter
        self._zero = 0 if parameter.type == "int" else 0.0
        self._only_zero = parameter.zero_probability >= 1
        self._choices = tuple(dict.fromkeys(parameter.choices))
        self._low = self._high = self._zero
        if not self._choices and parameter.low is not None and parameter.high is not None:
            self._low, self._high = parameter.low, parameter.high
        self._regular = 0 if self._only_zero else self._count()
        self.adds_zero = parameter.zero_probability > 0 and not self._is_regular(0)
        self.size = self._regular + self.adds_zero

    def __contains__(self, value: Any) -> bool:
        if value is None:
            return False
        return self._is_regular(value) or (value == 0 and self.parameter.zero_probability > 0)

    def at(self, place: int) -> Any:
        """All values, numbered from 0 to size - 1."""
        if place == self._regular:
            return self._zero
        if self._choices:
            return self._choices[place]
        if self.parameter.type == "int":
            return int(self._low) + place
        return _float_at(_ordinal(self._low) + place)

    def draw(self, key: str, *, zeros: bool = True) -> Any:
        """One value, which depends on the key alone. Without `zeros` only where none but 0 is."""
        chance, place = _two_hashes(key)
        if self._only_zero or (zeros and chance < self.parameter.zero_probability * _UNIT):
            return self._zero
        if self._choices:
            return self._choices[scaled(place, len(self._choices))]
        if self.parameter.type == "int":
            return self._whole(place)
        return self._fraction(place)

    def _whole(self, place: int) -> int:
        low, high = int(self._low), int(self._high)
        if self.parameter.distribution == "uniform":
            return low + scaled(place, high - low + 1)
        # Each number stands for the interval around it, so that the ends are no rarer.
        drawn = _log_between(low - 0.5, high + 0.5, place)
        return min(max(math.floor(drawn + 0.5), low), high)

    def _fraction(self, place: int) -> float:
        if self.parameter.distribution == "uniform":
            drawn = _between(self._low, self._high, place)
        else:
            drawn = _log_between(self._low, self._high, place)
        return float(min(max(drawn, self._low), self._high))

    def _is_regular(self, value: Any) -> bool:
        """Whether the value can be drawn other than as an added zero."""
        if self._only_zero:
            return False
        if self._choices:
            return value in self._choices
        return not isinstance(value, str) and bool(self._low <= value <= self._high)

    def _count(self) -> int:
        if self._choices:
            return len(self._choices)
        if self.parameter.type == "int":
            return int(self._high) - int(self._low) + 1
        return _ordinal(self._high) - _ordinal(self._low) + 1


def hashed(key: str) -> int:
    """A whole number from 0 to 2**128 - 1."""
    return _two_hashes(key)[0]


def scaled(place: int, size: int) -> int:
    """A hash as a whole number from 0 to size - 1, each equally likely."""
    return place * size >> _BITS


def _two_hashes(key: str) -> tuple[int, int]:
    digest = hashlib.blake2b(key.encode(), digest_size=2 * _BITS // 8).digest()
    half = len(digest) // 2
    return int.from_bytes(digest[:half], "big"), int.from_bytes(digest[half:], "big")


def _between(low: float, high: float, place: int) -> float:
    # Written so that high - low, which may overflow, never occurs.
    share = place / _UNIT
    return low * (1 - share) + high * share


def _log_between(low: float, high: float, place: int) -> float:
    # Rounding may lift the exponent above that of the greatest float.
    exponent = _between(math.log(low), math.log(high), place)
    return math.exp(min(exponent, math.log(sys.float_info.max)))


def _ordinal(value: float) -> int:
    """The place of a float in the order of all floats: neighbours differ by 1 (IEEE 754)."""
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    return int(bits) if bits >= 0 else -(bits & 0x7FFF_FFFF_FFFF_FFFF)


def _float_at(ordinal: int) -> float:
    magnitude: float = struct.unpack("<d", struct.pack("<q", abs(ordinal)))[0]
    return -magnitude if ordinal < 0 else magnitude
