"""The socket at which a training is heard, with hostile ones."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import wait_for
from energyctl.meters.marks.receiver import (
    MOST_CONNECTIONS,
    READINGS_AT_ONCE,
    ReadingLimit,
    Receiver,
)
from energyctl.meters.marks.timeline import Timeline


class Heard:
    def __init__(self, folder: Path) -> None:
        self.path, self.readings = folder / "s", 0
        self.receiver = Receiver(self.path, Timeline(), time.time, self._read)

    def _read(self) -> None:
        self.readings += 1

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.path))
        return connection

    def send(self, *data: bytes) -> None:
        with self.connect() as connection:
            for piece in data:
                connection.sendall(piece)

    @property
    def timeline(self) -> Timeline:
        return self.receiver.timeline


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    made = Heard(tmp_path)
    yield made
    made.receiver.close()


def test_what_is_in_the_socket_at_the_end_is_taken(heard: Heard) -> None:
    heard.send(b"epoch 0\nep", b"och 1\nmark tes", b"t")
    heard.receiver.close()
    assert [one.number for one in heard.timeline.epochs] == [0, 1]
    assert [one.name for one in heard.timeline.marks] == ["test"]
    assert not heard.path.exists()


def test_the_time_is_the_trainings_where_it_can_be(heard: Heard) -> None:
    began = time.time()
    told = time.monotonic()
    time.sleep(0.05)
    heard.send(b"at=%.6f epoch 0\nat=5 epoch 1\nat=%.1f epoch 2\n" % (told, told + 1e6))
    wait_for(lambda: len(heard.timeline.epochs) == 3, "three epochs")
    first, *others = heard.timeline.epochs
    assert first.end - began == pytest.approx(0.0, abs=0.02)
    assert all(one.end - first.end >= 0.05 and one.end <= time.time() for one in others)


def test_each_boundary_has_a_reading_but_not_too_many(heard: Heard) -> None:
    for number in range(3):
        heard.send(b"epoch %d\n" % number)
        wait_for(lambda n=number: heard.readings == n + 1, "a reading")
    heard.send(b"tracked mlflow r\n")
    with heard.connect() as connection:
        for number in range(2000):
            connection.sendall(b"mark %d\n" % number)
    wait_for(lambda: heard.timeline.tracked and len(heard.timeline.marks) == 1000, "marks")
    heard.receiver.close()
    assert heard.readings < 3 + READINGS_AT_ONCE + 20


def test_readings_become_rare() -> None:
    limit = ReadingLimit()
    first = sum(limit.allows(n / 10) for n in range(50_000))
    later = sum(limit.allows(5000 + n / 10) for n in range(50_000))
    assert first == pytest.approx(10_000, abs=100)
    assert later < 0.6 * first


def test_noise_floods_and_crowds_do_no_harm(heard: Heard) -> None:
    heard.send(os.urandom(100_000), b"x" * 1_000_000 + b"\n", b"\0\n\n\nepoch 7 loss=1e999\n")
    with contextlib.ExitStack() as stack:
        for _ in range(3 * MOST_CONNECTIONS):
            stack.enter_context(heard.connect())
        wait_for(lambda: heard.timeline.epochs, "the line behind the noise")
        used = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - used < 0.1  # it sleeps
    heard.send(b"epoch 8\n")
    wait_for(lambda: len(heard.timeline.epochs) == 2, "a line after the crowd")
    (line,) = heard.receiver.warnings()
    assert "cannot be read" in line
    assert line.isprintable()


@pytest.mark.parametrize("what", ["no line", "lines one by one", "connections"])
def test_a_flood_is_read_slowly(heard: Heard, what: str) -> None:
    flood = {
        "no line": "one.sendall(b'x' * 65536)",
        "lines one by one": "one.sendall(b'mark a\\n')",
        "connections": "one = socket.socket(socket.AF_UNIX); one.connect(path)",
    }[what]
    program = f"""
import socket, sys
path = sys.argv[1]
one = socket.socket(socket.AF_UNIX)
one.connect(path)
while True:
    {flood}
"""
    command = [sys.executable, "-c", program, str(heard.path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(0.3)  # until it has begun, and for what may be read at once
            used = time.process_time()
            time.sleep(1)
            assert process.poll() is None
            assert time.process_time() - used < 0.15
        finally:
            process.kill()


def test_what_breaks_the_thread_is_a_warning(tmp_path: Path) -> None:
    def breaks() -> None:
        raise RuntimeError("no meter")

    receiver = Receiver(tmp_path / "s", Timeline(), time.time, breaks)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / "s"))
        connection.sendall(b"epoch 0\n")
    wait_for(receiver.warnings, "the failure")
    receiver.close()
    assert receiver.warnings() == [
        "epochs and marks of the training were lost from here on: RuntimeError: no meter"
    ]
