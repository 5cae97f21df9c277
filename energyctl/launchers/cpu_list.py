"""Lists of CPUs as the kernel writes them, ``0-7,16`` (cpuset(7), "List format"). Standard library
only."""

from __future__ import annotations

MOST_CPUS = 65536
"""More than any kernel is built for."""


def cpus_of(text: str) -> list[int]:
    """The CPUs of a list such as ``0,18`` or ``0-1``. ValueError for what is none."""
    cpus: list[int] = []
    for piece in filter(None, text.strip().split(",")):
        first, _, last = piece.partition("-")
        numbers = int(first), int(last or first)
        if not 0 <= numbers[0] <= numbers[1] < MOST_CPUS:
            raise ValueError(f"{piece!r} is no range of CPUs")
        cpus += range(numbers[0], numbers[1] + 1)
    return cpus


def written(cpus: set[int]) -> str:
    """A set of CPUs as such a list."""
    pieces = []
    for cpu in sorted(cpus):
        if cpu - 1 not in cpus:
            last = cpu
            while last + 1 in cpus:
                last += 1
            pieces.append(f"{cpu}-{last}" if last > cpu else f"{cpu}")
    return ",".join(pieces)
