"""Epochs and marks that a metered command tells, by the calls of `energyctl` and by lines."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import wait_for
from hardware.waveform import Constant, Square
from hardware.world import Load, world

LOAD = Load(
    packages=(Square(40.0, 160.0, 1.3), Constant(50.0)),
    dram=Constant(10.0),
    gpus=(Constant(100.0), Square(80.0, 300.0, 0.9)),
)

TRAIN = """
import time
import energyctl
energyctl.epoch_begin()
for number in range(3):
    time.sleep(0.4 + 0.1 * number)
    energyctl.mark("evaluate")
    time.sleep(0.2)
    energyctl.mark(None)
    energyctl.epoch(number, loss=1.0 / (number + 1))
print("trained")
raise SystemExit(7)
"""

TELL = """
import os, socket
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(os.environ["ENERGYCTL_SOCKET"])
    connection.sendall(b"epoch 5\\n")
"""


def arguments(json_path: Path, *command: str) -> list[str]:
    metered = ("meter", "--json", str(json_path), "--", *command)
    return [sys.executable, "-m", "energyctl", *metered]


def metered(
    json_path: Path, *command: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    done = subprocess.run(
        arguments(json_path, *command),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done, json.loads(json_path.read_text())


@pytest.fixture
def place() -> Iterator[Path]:
    """For private folders: its path is short, and nothing else is in it."""
    with tempfile.TemporaryDirectory(prefix="energyctl-tests-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_epochs_and_marks_have_the_energy_that_flowed_in_them(tmp_path: Path, place: Path) -> None:
    with world(LOAD) as machine:
        settings = {**machine.environment, "ENERGYCTL_PRIVATE": str(place)}
        done, document = metered(tmp_path / "m.json", sys.executable, "-c", TRAIN, **settings)
    assert (done.returncode, done.stdout) == (7, "trained\n")
    epochs, marks = document["epochs"], document["marks"]
    assert [(one["epoch"], one["metrics"]["loss"]) for one in epochs[:2]] == [(0, 1.0), (1, 0.5)]
    assert [one["name"] for one in marks] == ["evaluate"] * 3
    assert epochs[0]["start"] > document["phases"][0]["start"]
    for one in (*epochs, *marks):
        truth = sum(LOAD.joules(one["start"], one["end"]).values())
        assert abs(one["joules"] - truth) <= one["uncertainty_joules"]
        assert one["joules"] == pytest.approx(truth, rel=0.1)  # of a busy machine
    figure = r"[0-9.]+ ± [0-9.]+ J"
    assert re.search(rf"^ 3 epochs: {figure} to {figure} each$", done.stderr, re.MULTILINE)
    assert not [line for line in document["warnings"] if "epochs" in line]
    assert not os.listdir(place)


def test_who_tells_nothing_sees_no_difference(tmp_path: Path) -> None:
    done, document = metered(tmp_path / "m.json", "true")
    assert "epoch" not in done.stderr
    assert not {"epochs", "marks"} & set(document)


def test_of_two_around_a_command_the_inner_one_is_told(tmp_path: Path) -> None:
    inner = arguments(tmp_path / "inner.json", sys.executable, "-c", TELL)
    _, outer = metered(tmp_path / "outer.json", *inner)
    assert "epochs" not in outer
    (epoch,) = json.loads((tmp_path / "inner.json").read_text())["epochs"]
    assert epoch["epoch"] == 5


def test_where_nobody_can_listen_the_command_is_metered_all_the_same(
    tmp_path: Path, place: Path
) -> None:
    elsewhere = str(place / "not-there")
    done, document = metered(tmp_path / "m.json", "true", ENERGYCTL_PRIVATE=elsewhere)
    assert done.returncode == 0
    (line,) = [line for line in document["warnings"] if "epochs" in line]
    assert line.startswith("epochs and marks of the training cannot be received: the private")
    assert elsewhere in line


def test_a_signal_leaves_no_folder(tmp_path: Path, place: Path) -> None:
    command = arguments(tmp_path / "m.json", "sleep", "60")
    settings = {**os.environ, "ENERGYCTL_PRIVATE": str(place)}
    with subprocess.Popen(command, env=settings, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: os.listdir(place), "the socket")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert not os.listdir(place)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to others")
def test_under_sudo_the_user_may_tell(tmp_path: Path, place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    # Imported first: this Python may be one that the user cannot read.
    as_user = f"import os, socket; os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})\n"
    done, document = metered(
        tmp_path / "m.json",
        sys.executable, "-c", f"{as_user}{TELL}",
        SUDO_UID=str(nobody.pw_uid), SUDO_GID=str(nobody.pw_gid), ENERGYCTL_PRIVATE=str(place),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [one["epoch"] for one in document["epochs"]] == [5]
    assert not os.listdir(place)
