"""The order of conditions within blocks, drawn and balanced.

Two conditions: blocks in pairs, one AB and one BA, which comes first is drawn. An even number k:
groups of k blocks, the rows of a Williams square in drawn order, with drawn labels. An odd one:
groups of 2k blocks, these rows and their mirror images. After each group every condition has stood
equally often at every place, and equally often behind every other one.

Source: E. J. Williams, Experimental designs balanced for the estimation of residual effects of
treatments, Australian Journal of Scientific Research A 2 (1949) 149-168.
"""

from __future__ import annotations

from collections.abc import Iterator

from energyctl.config.plan.parameter_space import hashed, scaled

MOST_BALANCED = 12
"""Of more conditions a group of balanced blocks is longer than campaigns are: each block's order
is drawn by itself."""


def block_orders(key: str, conditions: int) -> Iterator[tuple[int, ...]]:
    """The order of so many conditions, numbered from 0, in each block; without an end.

    It goes by *key* and the number of the group alone: more blocks leave the first ones as they
    are.
    """
    group = 0
    while True:
        drawn = f"{key}\0{group}"
        if conditions > MOST_BALANCED:
            yield permutation(drawn, conditions)
        else:
            labels = permutation(f"{drawn}\0labels", conditions)
            rows = _rows(conditions)
            for row in permutation(f"{drawn}\0rows", len(rows)):
                yield tuple(labels[place] for place in rows[row])
        group += 1


def _rows(size: int) -> list[tuple[int, ...]]:
    """A Williams square, 0 1 -1 2 -2 … cyclically; where *size* is odd, its mirror image, too."""
    first = [(i // 2 + 1 if i % 2 else -(i // 2)) % size for i in range(size)]
    rows = [tuple((place + shift) % size for place in first) for shift in range(size)]
    return rows + [row[::-1] for row in rows] if size % 2 and size > 1 else rows


def permutation(key: str, size: int) -> tuple[int, ...]:
    """The numbers 0 to size - 1 in an order that depends on the key alone (Fisher and Yates)."""
    numbers = list(range(size))
    for last in range(size - 1, 0, -1):
        other = scaled(hashed(f"{key}\0{last}"), last + 1)
        numbers[last], numbers[other] = numbers[other], numbers[last]
    return tuple(numbers)
