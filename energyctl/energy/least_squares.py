"""Least squares for a few coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, inf, sqrt

SINGULAR = 1e-9
"""A column that is so nearly a sum of others, as a share of its length squared, tells nothing."""

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class LeastSquares:
    """values = rows × coefficients, but for residuals. inverse: of the normal matrix."""

    coefficients: tuple[float, ...]
    inverse: Matrix
    residuals: tuple[float, ...]

    def left_out_residuals(self, rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
        """Each value less what the fit of all others says of it; inf where they do not tell.

        rows: those of the fit. By the leverage, which is the same as fitting anew [Allen, 1974,
        PRESS].
        """
        free = [1 - leverage(self.inverse, row) for row in rows]
        return tuple(
            residual / share if share > SINGULAR else inf
            for residual, share in zip(self.residuals, free, strict=True)
        )


def leverage(inverse: Matrix, row: Sequence[float]) -> float:
    """The variance of what a fit says of a row, over that of one value."""
    return fsum(a * b * inverse[i][j] for i, a in enumerate(row) for j, b in enumerate(row))


def least_squares(rows: Sequence[Sequence[float]], values: Sequence[float]) -> LeastSquares | None:
    """None where the rows do not tell the coefficients apart."""
    columns = list(zip(*rows, strict=True))
    lengths = [sqrt(_dot(column, column)) for column in columns]
    if not all(lengths) or len(rows) < len(columns):
        return None
    scaled = [[x / length for x in column] for column, length in zip(columns, lengths, strict=True)]
    solved = _inverse([[_dot(a, b) for b in scaled] for a in scaled])
    if solved is None:
        return None
    inverse = tuple(
        tuple(x / (a * b) for x, b in zip(row, lengths, strict=True))
        for row, a in zip(solved, lengths, strict=True)
    )
    moments = [_dot(column, values) for column in columns]
    coefficients = tuple(_dot(row, moments) for row in inverse)
    residuals = tuple(
        value - _dot(row, coefficients) for row, value in zip(rows, values, strict=True)
    )
    return LeastSquares(coefficients, inverse, residuals)


def _dot(xs: Sequence[float], ys: Sequence[float]) -> float:
    return fsum(x * y for x, y in zip(xs, ys, strict=True))


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]] | None:
    """Of a symmetric one with ones on its diagonal, by Gauss and Jordan; None: it has none."""
    size = len(matrix)
    work = [[*row, *(float(i == j) for j in range(size))] for i, row in enumerate(matrix)]
    for i in range(size):
        if work[i][i] < SINGULAR:
            return None
        work[i] = [x / work[i][i] for x in work[i]]
        for j in range(size):
            if j != i:
                work[j] = [x - work[j][i] * y for x, y in zip(work[j], work[i], strict=True)]
    return [row[size:] for row in work]
