"""Metrics by column, key and tag: which number of a file counts, and why there is none."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from energyctl.config.registry import Metric, Reading, read_file
from energyctl.config.registry.event_files import scalars
from event_writer import event, field, record, simple, tensor

SAMPLE = Path(__file__).parents[2] / "samples" / "tensorboard.events"


def read(metric: Metric, data: bytes | str, size: int = 7) -> Reading:
    """From chunks of *size* bytes, so that everything is cut somewhere."""
    whole = data.encode() if isinstance(data, str) else data
    return read_file(metric, (whole[at : at + size] for at in range(0, len(whole), size)))


def in_csv(column: str, text: str, **fields: Any) -> Reading:
    return read(Metric("m", file="*.csv", column=column, **fields), text)


def in_lines(key: str, text: str, **fields: Any) -> Reading:
    return read(Metric("m", file="*.jsonl", key=key, **fields), text)


def in_document(key: str, document: Any, **fields: Any) -> Reading:
    return read(Metric("m", file="*.json", key=key, **fields), json.dumps(document))


def by_tag(tag: str, data: bytes, **fields: Any) -> Reading:
    return read(Metric("m", file="events*", tag=tag, **fields), data)


ROWS = "epoch, val_acc ,loss\n1,0.5,1e-05\n\n2,,nan\n3,0.75,2\n4,0.25,1_000\n"


@pytest.mark.parametrize(
    ("select", "value"), [("last", 25.0), ("first", 50.0), ("max", 75.0), ("min", 25.0)]
)
def test_a_column_is_read_by_its_name_and_the_selected_cell_counts(
    select: Any, value: float
) -> None:
    reading = in_csv("val_acc", ROWS, select=select, scale=100)
    assert reading == Reading({"m": value})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\ufeffacc,b\r\n0.5,1\r\n", 0.5),
        ("a;acc\n1,5;0.5\n", 0.5),
        ("a\tacc\n1\t0.5", 0.5),
        ('a,"acc"\n"x, y\nz","0.5"\n', 0.5),
        ("acc\n0.5\nacc\n0.75\n", 0.75),
        ("a,acc\n1,0.5\n2\n", 0.5),
        ("acc\n0.5\n" + "9" * 200_000 + "x\n", 0.5),
    ],
)
def test_csv_files_of_all_kinds(text: str, value: float) -> None:
    assert in_csv("acc", text).values == {"m": value}


def test_why_a_column_has_no_number() -> None:
    assert in_csv("acc", "a,b\n1,2\n").lacking == {"m": "there is no column 'acc'; it has a, b"}
    assert in_csv("acc", "").lacking == {"m": "there is no column 'acc'; it has no first line"}
    assert in_csv("acc", "acc,b\n,2\n") == Reading({})
    assert in_csv("acc", 'acc,b\n"0,93",2\n') == Reading({}, strange={"m": "0,93"})


LINES = """starting
{"eval": {"accuracy": 0.5}, "step": 1}
{"loss": 3}
{"eval": {"accuracy": "0.75"}}
{"eval": {"accuracy": null}}
{"eval": {"acc
"""


def test_json_lines_are_read_by_a_path_of_keys() -> None:
    assert in_lines("eval.accuracy", LINES) == Reading({"m": 0.75}, strange={"m": "null"})
    assert in_lines("eval.accuracy", LINES, select="first").values == {"m": 0.5}
    assert in_lines("eval.acc", '{"eval.acc": 1}\n{"eval": {"acc": 2}}').values == {"m": 2.0}
    assert math.isnan(in_lines("a", '{"a": NaN}').values["m"])


def test_why_json_lines_have_no_number() -> None:
    assert in_lines("acc", "acc 1\n").lacking == {"m": "no line of it is JSON"}
    lacking = in_lines("acc", '{"a": 1, "b": 2}\n').lacking
    assert lacking == {"m": "there is no key 'acc'; it has a, b"}
    assert in_lines("acc", '{"acc": true}\n') == Reading({}, strange={"m": "true"})
    assert in_lines("acc", '{"acc": {"x": 1}}\n').strange == {"m": "an object"}


def test_a_json_document_is_read_by_a_path_through_objects_and_lists() -> None:
    document = {"log_history": [{"loss": 2}, {"acc": 0.5}, {"acc": 0.75}], "best": [[1, 2], [3]]}
    assert in_document("log_history.acc", document).values == {"m": 0.75}
    assert in_document("log_history.1.acc", document).values == {"m": 0.5}
    assert in_document("log_history.9.acc", document).lacking
    assert in_document("best", document, select="max").values == {"m": 3.0}
    assert in_document("best.0", document).values == {"m": 2.0}
    assert in_document("a/b", {"a/b": 10**400}).strange


@pytest.mark.parametrize("text", ["{", "", "\0", "[" * 100_000, "1" * 10_000, "\ud800"])
def test_what_is_no_json_is_said_so(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    for name in ("*.json", "*.jsonl"):
        reading = read(Metric("m", file=name, key="a"), data, 1 << 16)
        assert not reading.values
        assert "JSON" in reading.lacking["m"] or "there is no key 'a'" in reading.lacking["m"]


def test_a_document_that_is_too_large_is_not_read() -> None:
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield b"[" + b"1," * (1 << 19)

    reading = read_file(Metric("m", file="a.json", key="a"), chunks())
    assert reading.lacking == {"m": "it is larger than 16 MiB"}
    assert taken < 20


def test_a_line_that_is_too_long_is_passed_over() -> None:
    text = '{"a": 1}\n{"a": 2, "b": "' + "x" * (1 << 20) + '"}\n'
    assert read(Metric("m", file="a.jsonl", key="a"), text, 1 << 16).values == {"m": 1.0}


def test_out_of_time_only_a_number_that_is_decided_counts() -> None:
    chunks = [b"acc,b\n1,2\n", b"3,4\n"]
    left = iter([True, False])
    assert read_file(
        Metric("m", file="a.csv", column="acc"), chunks, lambda: next(left)
    ) == Reading({}, ("m",))
    left = iter([True, False])
    first = Metric("m", file="a.csv", column="acc", select="first")
    assert read_file(first, chunks, lambda: next(left)).values == {"m": 1.0}


FLOATS = field(1, 1)
EVENTS = b"".join(
    (
        record(field(1, 5.5) + field(3, b"brain.Event:2")),
        event(10.25, simple("val/acc", 0.9) + simple("loss", 2.0)),
        event(11.25, tensor("val/acc", FLOATS + field(5, struct.pack("<f", 0.7)))),
        event(12.25, tensor("val/acc", field(1, 2) + field(4, struct.pack("<d", 0.1)))),
        event(13.25, tensor("picture", field(1, 7) + field(8, b"x" * 300))),
        record(field(1, 14.0) + field(9, b"y" * (1 << 20))),
        event(15.25, simple("val/acc", 0.8)),
    )
)


def test_an_event_file_is_read_by_tag_whole_or_cut_anywhere() -> None:
    found = [(one.value, one.wall_time) for one in scalars([EVENTS]) if one.tag == "val/acc"]
    assert found == [(0.9, 10.25), (0.7, 11.25), (0.1, 12.25), (0.8, 15.25)]
    assert by_tag("val/acc", EVENTS).values == {"m": 0.8}
    assert by_tag("val/acc", EVENTS, select="max").values == {"m": 0.9}
    for size in (1, 11, 12, 13, 1 << 16):
        assert list(scalars(EVENTS[at : at + size] for at in range(0, len(EVENTS), size))) == list(
            scalars([EVENTS])
        )
    torn = EVENTS[:-3]
    assert by_tag("val/acc", torn).values == {"m": 0.1}


def test_why_a_tag_has_no_number() -> None:
    lacking = by_tag("acc", EVENTS).lacking
    assert lacking == {"m": "there is no tag 'acc'; it has val/acc, loss, picture"}
    assert by_tag("picture", EVENTS) == Reading({}, strange={"m": "no scalar"})
    assert by_tag("acc", b"no event file at all").lacking == {"m": "it is no event file"}
    broken = EVENTS[:30] + bytes([EVENTS[30] ^ 1]) + EVENTS[31:]
    assert "m" in by_tag("nothing", broken).lacking


@pytest.mark.parametrize("data", [b"\x0a\xff\xff", b"\x2a\x7f", b"\x09\x00", b"\x0f", b"\x80" * 12])
def test_broken_records_are_said_so(data: bytes) -> None:
    assert "is broken" in by_tag("acc", record(data)).lacking["m"]


def test_a_file_that_tensorboard_itself_wrote() -> None:
    """By version 2.21: `simple_value`, as PyTorch writes scalars, and tensors, as Keras does."""
    data = SAMPLE.read_bytes()
    found = [(one.value, one.wall_time) for one in scalars([data]) if one.tag == "val/acc"]
    assert found == [(0.5, 1.7e9), (0.9, 1.7e9 + 1), (0.7, 1.7e9 + 2)]
    assert by_tag("keras/acc", data, select="max").values == {"m": 0.45}
    assert by_tag("loss", data, select="min").values == {"m": 1.25e-05}
