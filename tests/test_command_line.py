"""The command line where its streams are closed or unread, and where it is interrupted early."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import energyctl

ROOT = Path(energyctl.__file__).parents[1]


def environment(world: Path) -> dict[str, str]:
    """A machine without counters, and a campaign lock of its own."""
    return {
        **os.environ,
        "ENERGYCTL_POWERCAP": str(world / "powercap"),
        "ENERGYCTL_PERF": str(world / "perf"),
        "ENERGYCTL_LOCK": str(world / "lock"),
        "PYTHONPATH": str(ROOT),
    }


def called(
    *arguments: str, world: Path, redirection: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """`energyctl ARGUMENTS REDIRECTION` of a shell."""
    command = f'"{sys.executable}" -m energyctl {" ".join(arguments)} {redirection}'
    env = {**environment(world), **more}
    return subprocess.run(
        ["sh", "-c", command], env=env, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "arguments", [("doctor",), ("doctor", "--json"), ("doctor", "--udev"), ("models",), ("--help",)]
)
def test_a_closed_standard_output_is_no_failure(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = called(*arguments, redirection=">&-", world=tmp_path)
    assert (done.returncode, "rror" in done.stderr) == (0, False)


def test_a_closed_standard_error_does_not_turn_up_elsewhere(tmp_path: Path) -> None:
    done = called("run", "no-such-file.json", redirection="2>&-", world=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("doctor",),
        ("doctor", "--json"),
        ("doctor", "--udev"),
        ("models", "--json"),
        ("status", "--json"),
        ("schema",),
        ("--help",),
    ],
)
def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "energyctl", *arguments]
    try:
        done = subprocess.run(
            command, env=environment(tmp_path), stdout=writer, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writer)
    assert (done.returncode, "rror" in done.stderr, "roken" in done.stderr) == (0, False, False)


def test_an_interrupt_while_the_program_is_being_loaded_is_silent(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    done = called("doctor", world=tmp_path, PYTHONPATH=path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_our_json_is_read_by_any_reader(tmp_path: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    done = called("doctor", "--json", world=tmp_path)
    assert json.loads(done.stdout, parse_constant=refuse)["machine"]
