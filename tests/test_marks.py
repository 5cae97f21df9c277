"""What a training uses: one file, which never raises, waits, or mixes lines."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import energyctl.marks

FILE = Path(energyctl.marks.__file__)


class Listener:
    """Everything that is sent to a socket, as lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        self._parts: list[bytes] = []
        self._ends: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._read, args=(connection,))
            thread.start()
            self._ends.append(thread)

    def _read(self, connection: socket.socket) -> None:
        data = b""
        with connection:
            while piece := connection.recv(65536):
                data += piece
        self._parts.append(data)

    def lines(self) -> list[str]:
        """Of all whose connection has ended, without their times."""
        deadline = time.monotonic() + 10
        while not self._ends and time.monotonic() < deadline:
            time.sleep(0.01)
        for thread in list(self._ends):
            thread.join(timeout=10)
        whole = b"".join(self._parts).decode().splitlines()
        return [one.split(" ", 1)[1] if one.startswith("at=") else one for one in whole]

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path / "s")
    yield made
    made.close()


def training(program: str, folder: Path, path: Path | str | None) -> float:
    """Runs it beside a copy of the file; how long it took, seconds."""
    (folder / "told.py").write_bytes(FILE.read_bytes())
    env = {k: v for k, v in os.environ.items() if k != "ENERGYCTL_SOCKET"}
    if path is not None:
        env["ENERGYCTL_SOCKET"] = str(path)
    text = "from told import *\nimport told, os, sys, time\n" + textwrap.dedent(program)
    (folder / "train.py").write_text(text)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-S", "train.py"], cwd=folder, env=env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return time.monotonic() - began


ALL = """
    epoch_begin()
    epoch(0, loss=0.5, acc=1)
    mark("evaluate on two")
    mark(None)
    tracked("mlflow", "r1", project="my digits")
"""


def test_lines_are_those_of_the_protocol(tmp_path: Path, listener: Listener) -> None:
    training(ALL, tmp_path, listener.path)
    assert listener.lines() == [
        "begin",
        "epoch 0 loss=0.5 acc=1.0",
        "mark evaluate on two",
        "mark",
        "tracked mlflow r1 project=my_digits",
    ]


@pytest.mark.parametrize("path", [None, "", "/nowhere/s", "/" + 300 * "x"])
def test_without_a_listener_it_does_nothing(tmp_path: Path, path: str | None) -> None:
    training(ALL + "\n    assert told._sender is None or told._sender._gone", tmp_path, path)


def test_what_is_no_number_is_told_as_what_it_is(tmp_path: Path, listener: Listener) -> None:
    program = """
        class Tensor:
            device = "cuda:0"
            def __float__(self): raise AssertionError("it was waited for")
        class Odd:
            def __getattr__(self, name): raise ValueError
        epoch(1, loss=Tensor(), text="a b=c", nan=float("nan"), nothing=None, yes=True)
        epoch("two")
        epoch(3, odd=Odd())
        mark(object)
    """
    training(program, tmp_path, listener.path)
    first, second, *rest = listener.lines()
    assert first == "epoch 1 loss=Tensor@cuda:0 text=str nan=nan nothing=NoneType yes=1.0"
    assert second.startswith("mark <class")
    assert rest == ["dropped 2"]


def test_threads_and_forks_send_whole_lines(tmp_path: Path, listener: Listener) -> None:
    program = """
        import threading
        def send(who):
            for number in range(200):
                mark(f"{who}-{number}-" + 500 * "x")
        threads = [threading.Thread(target=send, args=(who,)) for who in "abc"]
        for one in threads: one.start()
        children = []
        for who in "de":
            pid = os.fork()
            if not pid:
                send(who)
                time.sleep(0.2)
                told._sender._push()
                os._exit(0)
            children.append(pid)
        for one in threads: one.join()
        for pid in children: os.waitpid(pid, 0)
        while told._sender._waiting:
            told._sender._push()
    """
    training(program, tmp_path, listener.path)
    lines = listener.lines()
    assert {line for line in lines if not line.startswith("dropped")} <= {
        f"mark {who}-{number}-" + 500 * "x" for who in "abcde" for number in range(200)
    }
    assert len({line.split("-")[0] for line in lines}) >= 5
    for who in "abcde":
        own = [int(line.split("-")[1]) for line in lines if line.startswith(f"mark {who}-")]
        assert own == sorted(set(own))


def test_a_listener_that_does_not_read_costs_lines_and_no_time(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen(1)
        program = """
            for number in range(20_000):
                mark("x" * 200)
            assert len(told._sender._waiting) <= told.MOST_WAITING
            assert told._sender._dropped > 10_000
            mark("y" * 5000)
        """
        assert training(program, tmp_path, tmp_path / "s") < 10


def test_a_listener_that_ends_is_forgotten(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen(1)

        def end() -> None:
            connection, _ = server.accept()
            connection.recv(10)
            connection.close()

        thread = threading.Thread(target=end)
        thread.start()
        program = """
            import signal
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            deadline = time.monotonic() + 10
            while not told._sender or not told._sender._gone:
                mark("x")
                assert time.monotonic() < deadline
        """
        training(program, tmp_path, tmp_path / "s")
        thread.join()


def test_runs_of_imported_libraries_are_found(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
        from types import SimpleNamespace as N
        tracked()
        run = N(info=N(run_id="m1", experiment_id="7"))
        sys.modules["mlflow"] = N(active_run=lambda: run, get_tracking_uri=lambda: "file:/a b")
        sys.modules["wandb"] = N(run=N(id="w1", entity="me", project="digits"))
        tracked()
        def fails(): raise RuntimeError
        sys.modules["mlflow"].active_run = fails
        tracked()
    """
    training(program, tmp_path, listener.path)
    assert listener.lines() == [
        "tracked mlflow m1 uri=file:/a_b project=7",
        "tracked wandb w1 project=me/digits",
    ]


def test_energyctl_offers_them() -> None:
    assert energyctl.epoch is energyctl.marks.epoch
    assert energyctl.mark is energyctl.marks.mark
    assert energyctl.tracked is energyctl.marks.tracked
    assert SimpleNamespace(**vars(energyctl.marks)).SOCKET == "ENERGYCTL_SOCKET"
