"""Least squares against known lines, and against fits without one value."""

from __future__ import annotations

from math import inf, sqrt
from random import Random
from statistics import fmean

import pytest

from energyctl.energy.least_squares import least_squares, leverage


def test_a_line_is_found_whatever_the_size_of_its_figures() -> None:
    rows = [(1.0, cpu * 1e4, gpu * 1e-3) for cpu, gpu in ((1, 5), (2, 3), (4, 9), (7, 1))]
    values = [3.0 + 2e-4 * cpu - 40.0 * gpu for _, cpu, gpu in rows]
    found = least_squares(rows, values)
    assert found is not None
    assert found.coefficients == pytest.approx((3.0, 2e-4, -40.0))
    assert found.residuals == pytest.approx([0.0] * 4, abs=1e-9)


@pytest.mark.parametrize(
    "rows",
    [
        [(1.0, 2.0), (1.0, 2.0), (1.0, 2.0)],
        [(1.0, 2.0)],
        [(1.0, 0.0), (1.0, 0.0)],
        [(1.0, 2.0, 4.0), (1.0, 3.0, 6.0), (1.0, 5.0, 10.0)],
    ],
)
def test_rows_that_do_not_tell_coefficients_apart_have_none(rows: list[tuple[float, ...]]) -> None:
    assert least_squares(rows, [1.0] * len(rows)) is None


def test_what_is_left_out_is_told_as_by_a_fit_without_it() -> None:
    random = Random(1)
    rows = [(1.0, random.uniform(0, 300), random.uniform(50, 700)) for _ in range(7)]
    values = [90 + 1.1 * cpu + 1.05 * gpu + random.gauss(0, 5) for _, cpu, gpu in rows]
    whole = least_squares(rows, values)
    assert whole is not None
    for place, error in enumerate(whole.left_out_residuals(rows)):
        others = [i for i in range(len(rows)) if i != place]
        found = least_squares([rows[i] for i in others], [values[i] for i in others])
        assert found is not None
        told = sum(a * b for a, b in zip(found.coefficients, rows[place], strict=True))
        assert error == pytest.approx(values[place] - told)


def test_a_value_without_which_there_is_no_line_is_not_told_by_the_others() -> None:
    rows = [(1.0, 1.0), (1.0, 1.0), (1.0, 2.0)]
    found = least_squares(rows, [1.0, 1.1, 5.0])
    assert found is not None
    assert found.left_out_residuals(rows)[2] == inf


def test_leverage_is_the_scatter_of_what_fits_say() -> None:
    random = Random(2)
    rows = [(1.0, x) for x in (1.0, 2.0, 4.0, 9.0)]
    errors = []
    for _ in range(4000):
        found = least_squares(rows, [random.gauss(0, 1) for _ in rows])
        assert found is not None
        errors.append(found.coefficients[0] + found.coefficients[1] * 12.0)
        inverse = found.inverse
    scatter = sqrt(fmean(error * error for error in errors))
    assert scatter == pytest.approx(sqrt(leverage(inverse, (1.0, 12.0))), rel=0.05)
