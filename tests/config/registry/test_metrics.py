"""Metrics and progress: which number of an output counts."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from energyctl.config.registry import Metric, progress_of, read_metrics
from energyctl.config.registry.model import Select

# The same examples each time, however slow the machine.
REPEATABLE = examples(derandomize=True, deadline=None)


def read(pattern: str, text: str, **fields: object) -> dict[str, float]:
    return read_metrics([Metric("m", pattern, **fields)], [text])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("select", "value"), [("last", 3.0), ("first", 2.0), ("max", 7.5), ("min", 1e-05)]
)
def test_of_several_matches_the_selected_one_counts(select: Select, value: float) -> None:
    text = "acc 2\nacc nan\nacc 7.5\nacc 1e-05\nacc 3"
    assert read("acc {number}", text, select=select) == {"m": value}


def test_nan_counts_where_there_is_nothing_else_or_it_is_the_last() -> None:
    assert math.isnan(read("acc {number}", "acc nan", select="max")["m"])
    assert math.isnan(read("acc {number}", "acc 1\nacc nan")["m"])
    assert read("acc {number}", "acc nan\nacc -inf", select="max") == {"m": -math.inf}


@pytest.mark.parametrize(
    ("pattern", "text", "value"),
    [
        (r"(Epoch|Step) \d+ loss {number}", "Epoch 3 loss 2.5", 2.5),
        (r"x \({number}\)", "x (3.5)", 3.5),
        (r"a ({number}) b ([0-9.]+)", "a 1e3 b 2", 1000.0),
        (r"a (?P<value>{number})", "a -.5", -0.5),
        (r"([0-9.]+)/100: {number}%", "7/100: 2e1%", 20.0),
        (r"(?:one {number}|two {number})", "two 2", 2.0),
        (r"^ \* Prec@1 {number}", " * Prec@1 91.25\n", 91.25),
        (r"'eval_loss': {number}", "{'eval_loss': 1.2e-05, 'epoch': 1}", 1.2e-05),
    ],
)
def test_the_placeholder_is_the_number(pattern: str, text: str, value: float) -> None:
    assert read(pattern, text) == {"m": value}


@REPEATABLE
@given(st.floats())
def test_the_placeholder_reads_whatever_python_prints(value: float) -> None:
    found = read("loss={number}", f"\x1b[32mstep 1 loss=0.5\rloss={value!r} \x1b[0m")["m"]
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_a_scale_turns_per_cent_into_a_share() -> None:
    assert read("acc {number}%", "acc 50%", scale=0.01) == {"m": 0.5}


def test_what_is_not_found_is_left_out_and_the_order_is_that_of_the_metrics() -> None:
    metrics = [Metric("b", "b {number}"), Metric("x", "x {number}"), Metric("a", "a {number}")]
    assert list(read_metrics(metrics, ["a 1", "b 2"]).items()) == [("b", 2.0), ("a", 1.0)]


@pytest.mark.parametrize(("select", "value"), [("first", 5.0), ("max", 9.0), ("min", 1.0)])
def test_a_long_output_is_read_as_a_whole(select: Select, value: float) -> None:
    def lines() -> Iterator[str]:
        for number in (5, 9, 1, 4):
            yield f"acc {number}\n"
            yield from ["x" * 99 + "\n"] * 12_000

    assert read_metrics([Metric("m", "acc {number}", select=select)], lines()) == {"m": value}


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"Epoch:? \[{number}[/ ]+{number}\]", "Epoch: [1/20]\rEpoch [3 / 20]", (3.0, 20.0)),
        (r"epoch (\d+)", "epoch 4\nepoch 5\n", (5.0, None)),
        (r"of (?P<total>\d+): (?P<done>{number})", "of 10: 3.5", (3.5, 10.0)),
        (r"(Epoch|Step) {number}/{number}", "Step \x1b[1m2\x1b[0m/9", (2.0, 9.0)),
        (r"(?P<done>\d+)(?: of (?P<total>\d+))?", "7", (7.0, None)),
        (r"epoch {number}", "epoch nan", None),
        (r"epoch {number}", "", None),
    ],
)
def test_progress_is_the_last_match(
    pattern: str, text: str, expected: tuple[float, float | None] | None
) -> None:
    assert progress_of(pattern, text) == expected
