"""The one process that stays root: what it does, what it refuses, what it puts back."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import wait_for
from energyctl.launchers import privileged_helper
from energyctl.system import cgroups
from hardware.nvml import build, environment

FILE = Path(privileged_helper.__file__)
GPU_0 = "GPU-10000000-0000-0000-0000-000000000000"
LIMIT, CLOCK = "gpu_power_limit", "gpu_clock"

Ask = Callable[..., Any]


@contextmanager
def helper(
    folder: Path, *arguments: str, env: dict[str, str] | None = None
) -> Iterator[tuple[Ask, subprocess.Popen[bytes]]]:
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(20)
    command = [sys.executable, "-I", "-S", FILE, folder / "records", folder / "cpus", *arguments]
    with its, subprocess.Popen(command, stdin=its.fileno(), env=env or {}) as process:
        its.close()
        assert json.loads(ours.recv(65536))["error"] is None

        def ask(*request: Any) -> Any:
            ours.send(json.dumps(request).encode())
            return json.loads(ours.recv(65536))["error"]

        ask.raw = ours  # type: ignore[attr-defined]
        try:
            yield ask, process
        finally:
            ours.close()
            process.wait(30)


@pytest.fixture
def cpu(tmp_path: Path) -> Path:
    folder = tmp_path / "cpus" / "cpu0" / "cpufreq"
    folder.mkdir(parents=True)
    (folder / "scaling_governor").write_text("powersave\n")
    return folder / "scaling_governor"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def controls(tmp_path: Path) -> Path:
    """What the stand-in for the driver was told to set."""
    folder = tmp_path / "controls"
    folder.mkdir()
    return folder


def test_an_administrator_reads_it_in_one_sitting() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if "import" in line[:7]}
    imported |= {line.split()[1] for line in text.splitlines() if line.startswith("from ")}
    assert {name.split(".")[0] for name in imported} <= set(sys.stdlib_module_names)


def test_limits_and_clocks_are_set_within_the_drivers_bounds_and_put_back(
    tmp_path: Path, cpu: Path, library: Path, controls: Path
) -> None:
    env = environment(library, CONTROLS=str(controls))
    with helper(tmp_path, env=env) as (ask, _):
        assert ask(LIMIT, GPU_0, 250) is None
        assert (controls / "limit_0").read_text() == "250000"
        assert ask(LIMIT, GPU_0, 401) == "the GPU takes 100 to 400 W"
        assert ask(LIMIT, GPU_0, 99.9) == "the GPU takes 100 to 400 W"
        assert ask(CLOCK, GPU_0, 1500) is None
        assert (controls / "clock_0").read_text() == "1500"
        assert ask(CLOCK, GPU_0, 1981) == "the GPU has clocks up to 1980 MHz"
        assert ask(CLOCK, GPU_0, 0) == "the GPU has clocks up to 1980 MHz"
        assert "Not Found" in ask(LIMIT, "GPU-70000000-0000-0000-0000-000000000000", 250)
        assert (controls / "limit_0").read_text() == "250000"
        assert (controls / "clock_0").read_text() == "1500"
        (record,) = (tmp_path / "records").iterdir()
        assert json.loads(record.read_text())["limits"] == {GPU_0: 350000}
    assert (controls / "limit_0").read_text() == "350000"
    assert (controls / "clock_0").read_text() == "0"
    assert list((tmp_path / "records").iterdir()) == []


def test_limits_that_a_killed_helper_had_set_are_put_back_by_the_next(
    tmp_path: Path, cpu: Path, library: Path, controls: Path
) -> None:
    env = environment(library, CONTROLS=str(controls))
    with helper(tmp_path, env=env) as (ask, process):
        assert ask(LIMIT, GPU_0, 250) is None
        assert ask(CLOCK, GPU_0, 1500) is None
        process.kill()
    assert (controls / "limit_0").read_text() == "250000"
    with helper(tmp_path, env=env):
        assert (controls / "limit_0").read_text() == "350000"
        assert (controls / "clock_0").read_text() == "0"


def test_without_a_driver_a_gpu_is_refused_and_the_helper_goes_on(
    tmp_path: Path, cpu: Path
) -> None:
    with helper(tmp_path) as (ask, _):
        assert "no NVIDIA driver" in ask(LIMIT, GPU_0, 250)
        assert ask("governor", "performance") is None
        assert cpu.read_text() == "performance"
    assert cpu.read_text() == "powersave"


@pytest.mark.parametrize(
    "request_",
    [
        [],
        {},
        None,
        "governor",
        ["governor"],
        ["governor", "../x"],
        ["governor", "a b"],
        ["governor", "x" * 16],
        ["governor", ["performance"]],
        ["governor", "performance", "cpu0"],
        [LIMIT, "0", 250],
        [LIMIT, GPU_0, "250"],
        [LIMIT, GPU_0, float("nan")],
        [LIMIT, GPU_0, float("inf")],
        [LIMIT, f"{GPU_0}/../x", 250],
        [CLOCK, GPU_0, 1500.5],
        ["exec", "/bin/sh"],
    ],
)
def test_all_else_is_refused(tmp_path: Path, cpu: Path, request_: Any) -> None:
    with helper(tmp_path) as (ask, _):
        ask.raw.send(json.dumps(request_).encode())  # type: ignore[attr-defined]
        assert json.loads(ask.raw.recv(65536))["error"]  # type: ignore[attr-defined]
        assert ask("restore") is None
    assert cpu.read_text() == "powersave\n"


def test_noise_neither_ends_it_nor_does_anything(tmp_path: Path, cpu: Path) -> None:
    before = sorted(os.listdir(tmp_path))
    with helper(tmp_path) as (ask, process):

        @settings(max_examples=300, derandomize=True, deadline=20_000)
        @given(st.binary(min_size=1, max_size=4096) | st.just(b"[" * 100_000))
        def send(message: bytes) -> None:
            ask.raw.send(message)  # type: ignore[attr-defined]
            assert json.loads(ask.raw.recv(65536))["error"]  # type: ignore[attr-defined]

        send()
        assert process.poll() is None
        assert cpu.read_text() == "powersave\n"
    assert sorted([*before, "records"]) == sorted(os.listdir(tmp_path))


def test_it_ends_what_stays_in_the_foreground_and_removes_the_cgroup(
    tmp_path: Path, cpu: Path
) -> None:
    made = cgroups.make(cgroups.named(f"test-{os.getpid()}"))
    if made is None:
        pytest.skip("no cgroup may be made here")
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        assert made.part("foreground").add(sleeper.pid)
        with helper(tmp_path, str(made.folder)):
            (made.part("foreground").folder / "below").mkdir()
            assert sleeper.poll() is None
        assert sleeper.wait(10) == -9
    wait_for(lambda: not made.folder.exists(), "the cgroup to go")


def test_it_does_not_hold_up_an_energyctl_that_has_ended_its_own(tmp_path: Path, cpu: Path) -> None:
    """An operator's program in our supervisord stays there."""
    made = cgroups.make(cgroups.named(f"test-{os.getpid()}"))
    if made is None:
        pytest.skip("no cgroup may be made here")
    with subprocess.Popen(["sleep", "1000"]) as operators:
        try:
            with helper(tmp_path, str(made.folder)):
                assert made.part("daemon").add(operators.pid)
                began = time.monotonic()
            assert time.monotonic() - began < privileged_helper.END_SECONDS / 2
            assert operators.poll() is None
        finally:
            operators.kill()
            operators.wait()
            made.remove()
