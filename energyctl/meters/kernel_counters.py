"""RAPL counters of the kernel, read through descriptors: what powercap and perf have in common."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence

from energyctl.energy import Domain
from energyctl.meters.base import Reading, Source, timed_reading

# Intel SDM vol. 3B, "RAPL interfaces": the energy status registers move about each millisecond.
UPDATE_SECONDS = 0.001
# The default unit, 2^-14 J (Intel SDM, MSR_RAPL_POWER_UNIT).
RESOLUTION_JOULES = 2.0**-14


_kept: dict[object, int] = {}
_keeping = False


@contextlib.contextmanager
def keeping() -> Iterator[None]:
    """What :func:`open_once` opens in the block stays open: for when we may not any more."""
    global _keeping
    _keeping = True
    try:
        yield
    finally:
        _keeping = False


def open_once(key: object, opener: Callable[[], int]) -> int:
    """A descriptor of what *key* stands for: one of before, or a new one. Raises OSError."""
    if key in _kept:
        return os.dup(_kept[key])
    descriptor = opener()
    if _keeping:
        _kept[key] = os.dup(descriptor)
    return descriptor


class KernelCounters(Source):
    """An open descriptor for each domain that can be read.

    denied: the reason for what may not be opened. failure: of a read; ``{}`` is the domain's name.
    """

    quick = True
    failure: str

    def __init__(self, denied: str) -> None:
        self.unavailable: str | None = None
        self._denied = denied
        self._domains: list[Domain] = []
        # Name of the domain, its descriptor, and what reads joules from that.
        self._open: list[tuple[str, int, Callable[[], float]]] = []

    def domains(self) -> Sequence[Domain]:
        return tuple(self._domains)

    def read(self) -> Sequence[Reading]:
        return [
            timed_reading(name, self.failure.format(name), joules, OSError, ValueError)
            for name, _, joules in self._open
        ]

    def close(self) -> None:
        for _, descriptor, _ in self._open:
            os.close(descriptor)
        self._open.clear()
