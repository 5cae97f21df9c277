"""Logs that hold anything, and whatever is put in their place."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from energyctl.system import logs
from energyctl.system.logs import OutputLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[OutputLog]:
    made = OutputLog(tmp_path / "log")
    made.make()
    with closing(made):
        yield made


def make(kind: str, path: Path) -> None:
    """Something that is no log of ours."""
    if kind == "a link":
        path.symlink_to("/etc/passwd")
    elif kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "another file":
        path.write_text("x: 1\n")


KINDS = ("a link", "a FIFO", "a folder", "another file")


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_is_made_in_the_place_of_nothing(tmp_path: Path, kind: str) -> None:
    make(kind, tmp_path / "log")
    with pytest.raises(FileExistsError):
        OutputLog(tmp_path / "log").make()


@pytest.mark.parametrize("kind", [*KINDS, "nothing"])
def test_what_is_read_is_what_was_written_whatever_becomes_of_the_path(
    log: OutputLog, kind: str
) -> None:
    os.write(log.descriptor, b"epoch 1\repoch 2\r")
    assert log.what_replaced_it() is None
    log.path.unlink()
    make(kind, log.path)
    os.write(log.descriptor, b"epoch 3\n")
    assert log.what_replaced_it() == kind
    assert "".join(log.pieces()) == "epoch 1\repoch 2\repoch 3\n"
    assert log.last_lines(2) == ["epoch 2", "epoch 3"]
    assert log.tail(begin=8) == "epoch 2\repoch 3\n"


@pytest.mark.parametrize("kind", ["a link", "a FIFO", "a folder"])
def test_the_end_of_what_is_no_regular_file_is_empty(tmp_path: Path, kind: str) -> None:
    make(kind, tmp_path / "log")
    assert logs.tail(tmp_path / "log") == logs.last_line(tmp_path / "log") == ""
    assert logs.tail(Path("/dev/zero")) == ""


def test_pieces_are_those_between_two_bytes_and_split_no_character(log: OutputLog) -> None:
    text = "\N{GRINNING FACE}" * 50_000 + "end"
    os.write(log.descriptor, text.encode())
    assert "".join(log.pieces()) == text
    assert "".join(log.pieces(200_000)) == "end"
    assert "".join(log.pieces(199_996, 200_002)) == "\N{GRINNING FACE}en"
    assert "".join(log.pieces(0, 5)) == "\N{GRINNING FACE}\N{REPLACEMENT CHARACTER}"


def test_pieces_take_little_memory_whatever_a_log_holds(log: OutputLog) -> None:
    for _ in range(100):
        os.write(log.descriptor, b"epoch 1\r" * 50_000)
    os.write(log.descriptor, "\N{GRINNING FACE}".encode())
    tracemalloc.start()
    try:
        assert sum(map(len, log.pieces())) == 40_000_001
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_log_that_is_not_open_holds_nothing(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "log")
    assert (log.tail(), log.last_lines(3), list(log.pieces())) == ("", [], [])
