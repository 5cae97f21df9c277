"""Metrics and progress: which number of an output counts."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from energyctl.config.registry import (
    Metric,
    Reading,
    metrics,
    progress_of,
    read_metrics,
    read_series,
)
from energyctl.config.registry.metrics import MATCH_SECONDS, MOST_LATE, explodes
from energyctl.config.registry.model import Select
from energyctl.config.registry.reading import MOST_POINTS, Point, Points

# The same examples each time, however slow the machine.
REPEATABLE = examples(derandomize=True, deadline=None)


def read(pattern: str, text: str, **fields: object) -> dict[str, float]:
    return read_metrics([Metric("m", pattern, **fields)], [text]).values  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("1_000_000", 1e6), ("1_0.5e-3", 0.0105), ("\u22120.5", -0.5), ("-.5e3", -500.0),
        ("0.5, 0.6", 0.5), ("0.5,0.6", 0.5), ("92.5%", 92.5), ("12ms", 12.0), ("3MB", 3.0),
        ("5.", 5.0), ("7/10", 7.0), ("8 (max)", 8.0),
    ],
)  # fmt: skip
def test_a_number_in_any_usual_spelling_is_read_whole(token: str, value: float) -> None:
    reading = read_metrics([Metric("m", "acc: {number}")], [f"acc: {token}\n"])
    assert (reading.values, reading.strange) == ({"m": value}, {})


@pytest.mark.parametrize(
    "token", ["1,234", "1,234.5", "0,93", "1'000", "1.2.3", "0x1F", "1.5k", "12M", "1__0", "1_a"]
)
def test_what_is_a_part_of_a_longer_number_is_none(token: str) -> None:
    pieces = ["acc: 0.5 of all\n", f"acc: {token}\n"]
    reading = read_metrics([Metric("m", "acc: {number}")], pieces[1:])
    assert (reading.values, reading.strange) == ({}, {"m": token})
    reading = read_metrics([Metric("m", r"acc: ([\d.]+)")], pieces)
    assert (reading.values, reading.strange) == ({"m": 0.5}, {"m": token})


def test_where_the_pattern_says_what_follows_a_number_it_is_whole() -> None:
    row = [Metric("a", r"^{number},[\d.]+$"), Metric("b", "^[^,]+,{number}$")]
    assert read_metrics(row, ["12,34.5\n"]).values == {"a": 12.0, "b": 34.5}


def test_what_is_no_number_is_told() -> None:
    reading = read_metrics([Metric("m", r"acc: (\w+)")], ["acc: none\n"])
    assert (reading.values, reading.strange) == ({}, {"m": "none"})


def test_a_scale_turns_per_cent_into_a_share() -> None:
    assert read("acc {number}%", "acc 50%", scale=0.01) == {"m": 0.5}


def test_what_is_not_found_is_left_out_and_the_order_is_that_of_the_metrics() -> None:
    metrics = [Metric("b", "b {number}"), Metric("x", "x {number}"), Metric("a", "a {number}")]
    assert list(read_metrics(metrics, ["a 1\n", "b 2"]).values.items()) == [("b", 2.0), ("a", 1.0)]


@pytest.mark.parametrize(("select", "value"), [("first", 5.0), ("max", 9.0), ("min", 1.0)])
def test_a_long_output_is_read_as_a_whole(select: Select, value: float) -> None:
    def lines() -> Iterator[str]:
        for number in (5, 9, 1, 4):
            yield f"acc {number}\n"
            yield from ["x" * 99 + "\n"] * 12_000

    metric = Metric("m", "acc {number}", select=select)
    assert read_metrics([metric], lines()).values == {"m": value}


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


EXPLODING = r"(a+)+$|acc {number}"
HARD = "a" * 5000 + "!\n"


def test_what_cannot_be_matched_in_time_is_unread_and_the_other_metrics_are_found() -> None:
    metrics = [Metric("bad", EXPLODING), Metric("good", "acc {number}")]
    began = time.monotonic()
    assert read_metrics(metrics, ["acc 1\n", HARD]) == Reading({"good": 1.0}, ("bad",))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("select", "pieces", "reading"),
    [
        ("last", [HARD, "x\n" * 50_000, "acc 2"], Reading({"m": 2.0})),
        ("max", [HARD, "x\n" * 50_000, "acc 2"], Reading({}, ("m",))),
        ("first", ["acc 1\n", "x\n" * 50_000, HARD], Reading({"m": 1.0})),
        ("first", [HARD, "x\n" * 50_000, "acc 2"], Reading({}, ("m",))),
        ("last", ["acc 1\n", "x\n" * 50_000, HARD], Reading({}, ("m",))),
    ],
)
def test_a_number_counts_only_where_what_was_not_matched_could_hold_no_other(
    select: Select, pieces: list[str], reading: Reading
) -> None:
    assert read_metrics([Metric("m", EXPLODING, select=select)], pieces) == reading


def test_a_pattern_that_is_late_again_and_again_is_given_up() -> None:
    asked = 0

    def go_on() -> bool:
        nonlocal asked
        asked += 1
        return True

    began = time.process_time()
    hard = ["a" * 66_000 + "!\n"] * 60
    reading = read_metrics([Metric("m", r"(a+)+$")], hard, go_on)
    assert (reading.values, reading.unread) == ({}, ("m",))
    assert asked > 3 * MOST_LATE
    assert time.process_time() - began < 1.5 * MOST_LATE * MATCH_SECONDS + 1


def test_nothing_is_matched_once_the_time_is_up() -> None:
    left = iter([True, False, False])
    metrics = [Metric("a", "a {number}"), Metric("b", "b {number}", select="max")]
    reading = read_metrics(metrics, ["a 1 b 2"], lambda: next(left))
    assert reading == Reading({"a": 1.0}, ("b",))


@pytest.mark.parametrize(
    "pattern",
    [
        *("{number}", "{number}%", "{number}/{number}", r".*test.*acc: {number}", r"loss: (\d+)x"),
        *(r"^\S+ {number}", r"\[{number}\]", r"x{number}e", r"({number})s"),
    ],
)
@pytest.mark.parametrize(
    "line", ["1234567890", "1.", "1e5", "a", "-", "\r", "\N{GRINNING FACE}", " ", "loss: 1"]
)
def test_long_lines_are_matched_in_time(
    pattern: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It grows with the length: with its square, it would be hours. A busy machine may need more
    than the limit that users have."""
    monkeypatch.setattr(metrics, "MATCH_SECONDS", 5.0)
    pieces = (line * (65_536 // len(line)) for _ in range(16))
    assert read_metrics([Metric("m", pattern)], pieces).unread == ()


def test_a_long_line_is_no_several_lines() -> None:
    line = "word " * 40_000 + "acc 5"
    assert read("^acc {number}", line) == {}
    assert read("acc {number}$", line) == {"m": 5.0}


@pytest.mark.parametrize(
    ("pattern", "text", "value"),
    [
        (r"loss{e} {number}", "loss{e} 2", 2.0),
        (r"lo{1,2}ss {number}", "looss 3", 3.0),
        (r"x\{i} ({number})", "x{i} 4", 4.0),
        (r"\N{DIGIT TWO} (\d+)", "2 5", 5.0),
        (r"(\d+)\.(\d+)", "v 3.14", 3.0),
        (r"{number}\.", "91.", 91.0),
        (r".*acc {number}", "acc 1 acc 2", 2.0),
        (r".*?acc {number}", "acc 1 acc 2 of\nacc 3 acc 4", 4.0),
    ],
)
def test_patterns_mean_what_they_mean_to_python(pattern: str, text: str, value: float) -> None:
    assert read(pattern, text) == {"m": value}


def test_a_progress_that_takes_too_long_is_an_error() -> None:
    with pytest.raises(TimeoutError):
        progress_of(r"(a+)+$", "a" * 4000 + "!")


@pytest.mark.parametrize(
    ("pattern", "is_so"),
    [
        *((p, True) for p in ("(a+)+$", r"(\d+)+x", r"(\w+\s?)+: {number}", "(x+x+)+y {number}")),
        *((p, False) for p in ("loss: {number}", r".*test.*acc: {number}", r"a\s*:\s*([0-9.]+)%")),
    ],
)
def test_patterns_that_explode_are_known(pattern: str, is_so: bool) -> None:
    assert explodes(pattern) is is_so


def series(text: bytes, size: int, **fields: object) -> tuple[Reading, list[tuple[float, bytes]]]:
    """The values of a series, each with all of the text up to the end of its line."""
    metric = Metric("m", "acc {number}", series=True, **fields)  # type: ignore[arg-type]
    reading = read_series([metric], (text[at : at + size] for at in range(0, len(text), size)))
    points = reading.series["m"].all if reading.series else []
    return reading, [(point.value, text[: point.end]) for point in points]


LINES = (
    b"acc 1\r\nno\xff\nacc 2 \x1b[32mgreen\x1b[0m\racc 3 and acc 4\r\x1b[K\n\x1b]0;title\x07"
    b"\xe5\x87\x86acc 5\n\nacc nan\nacc 1.5k\nacc 6"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_each_value_of_a_series_is_found_with_the_end_of_its_line(size: int) -> None:
    reading, found = series(LINES, size, select="max", scale=2)
    assert reading.values == {"m": 12.0}
    assert reading.strange == {"m": "1.5k"}
    ends = [2, 4, 6, 8, 10, math.nan, 12]
    assert [value for value, _ in found] == pytest.approx(ends, nan_ok=True)
    lines = [text.replace(b"\r", b"\n").rpartition(b"\n")[2] for _, text in found]
    assert lines == [
        b"acc 1", b"acc 2 \x1b[32mgreen\x1b[0m", b"acc 3 and acc 4", b"acc 3 and acc 4",
        b"\x1b]0;title\x07\xe5\x87\x86acc 5", b"acc nan", b"acc 6",
    ]  # fmt: skip


def test_a_series_does_not_end_with_the_first_value_that_is_selected() -> None:
    reading, found = series(b"acc 1\nacc 2\n", 100, select="first")
    assert (reading.values, len(found)) == ({"m": 1.0}, 2)


def test_a_series_of_one_endless_line_is_read_with_limits() -> None:
    text = b"acc 7 " * 200_000
    metric = Metric("m", "acc {number}", series=True)
    reading = read_series([metric], (text[at : at + 65536] for at in range(0, len(text), 65536)))
    assert reading.values == {"m": 7.0}
    assert len(reading.series["m"].all) <= MOST_POINTS + 1


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000, 2001, 12_345])
def test_a_long_series_is_thinned_and_keeps_its_last_value(count: int) -> None:
    points = Points()
    for number in range(count):
        points.add(Point(float(number), number))
    values = [point.value for point in points.all]
    assert points.seen == count
    assert len(values) <= MOST_POINTS
    assert values[:-1] == [float(n) for n in range(0, count, points.every)][: len(values) - 1]
    assert values[-1:] == ([count - 1.0] if count else [])


@pytest.mark.parametrize(
    ("goal", "better", "reached", "best"),
    [
        (0.5, "higher", 2, 8.0),
        (8.0, "higher", 3, 8.0),
        (9.0, "higher", None, 8.0),
        (0.25, "lower", 1, 0.25),
        (0.1, "lower", None, 0.25),
    ],
)
def test_the_first_value_that_is_as_good_reaches_it(
    goal: float, better: str, reached: int | None, best: float
) -> None:
    metric = Metric("m", "{number}", series=True, reach=goal, better=better)  # type: ignore[arg-type]
    points = Points(metric)
    for number, value in enumerate((math.nan, 0.25, 0.5, 8.0, 0.75, math.inf, 8.0)):
        points.add(Point(value, number))
    assert (points.reached.end if points.reached else None) == reached
    assert points.best == best
