"""The load program on a stand-in for the driver's CUDA library."""

from __future__ import annotations

import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench import wait_for
from energyctl.launchers import cpu_load, gpu_load
from energyctl.launchers.proc_stat import read_stat
from hardware.compiled import library_folder

COMMAND = [sys.executable, "-I", "-S", gpu_load.__file__]
UUID = "GPU-20000000-0000-0000-0000-000000000000"


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """settings: of fake_cuda.c, without FAKE_."""
    fakes = {f"FAKE_{name}": value for name, value in settings.items()}
    library = {"LD_LIBRARY_PATH": str(library_folder()), "FAKE_ACTIVITY": str(folder)}
    return {**os.environ, **library, **fakes, "CUDA_VISIBLE_DEVICES": UUID}


def answers(env: dict[str, str], commands: str = "") -> list[dict[str, Any]]:
    done = subprocess.run(
        COMMAND, input=commands, env=env, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def kernels(folder: Path) -> list[tuple[float, float, float]]:
    """(begin, end, watts) of each, as activity.h has them: of the GPU that UUID is."""
    records = struct.iter_unpack("dddd", (folder / "gpu-1").read_bytes())
    return [(began, ended, watts) for began, ended, watts, _ in records]


def test_it_does_the_work_that_it_is_told_to_and_says_when(tmp_path: Path) -> None:
    env = environment(tmp_path)
    ready, whole, rhythm = answers(env, "run 300 1 0 1\nrun 20 4 0.06 0.3\n")
    assert ready == {"ready": "Fake GPU 1"}
    *_, first, second, a, b, c, d = kernels(tmp_path)
    work = first[1] - first[0] + second[1] - second[0]  # no kernel takes longer than 250 ms
    assert (first[1] - first[0]) / work == pytest.approx(250 / 300, rel=1e-3)
    assert first[2] == second[2] == pytest.approx(300)
    for began, ended, watts in (a, b, c, d):
        assert ended - began == pytest.approx(work / 15, rel=1e-2)
        assert watts == pytest.approx(90)
    assert whole["began"] < whole["ended"] < rhythm["began"] < rhythm["ended"] - 0.18


def test_it_keeps_a_gpu_at_work_for_so_many_seconds_with_a_kernel_and_a_duty(
    tmp_path: Path,
) -> None:
    commands = "rate copy\nkeep 0.2 20000 0 copy\nkeep 0.4 25000 0.1 multiply\n"
    _, rate, copied, duty = answers(environment(tmp_path), commands)
    assert rate == {"passes": pytest.approx(1000, rel=0.1)}
    assert 5 <= copied["passes"] / 20000 <= 10  # each takes 20 ms
    assert duty["passes"] == 4 * 25000
    *_, before, a, b, c, d = kernels(tmp_path)
    assert before[2] == pytest.approx(150)
    for index, (began, ended, watts) in enumerate((a, b, c, d)):
        assert (ended - began, watts) == (pytest.approx(0.025, rel=1e-3), pytest.approx(300))
        assert began > a[0] + 0.1 * index - 0.001
    assert duty["ended"] - duty["began"] == pytest.approx(d[1] - a[0], abs=0.05)


def test_kernels_of_two_processes_take_turns(tmp_path: Path) -> None:
    env, keep = environment(tmp_path), b"keep 0.5 20000 0 multiply\n"
    loads = [
        subprocess.Popen(COMMAND, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    done = []
    for load in loads:
        assert load.stdout is not None
        load.stdout.readline()
    for load in loads:
        assert load.stdin is not None
        load.stdin.write(keep)
        load.stdin.close()
    for load in loads:
        assert load.stdout is not None
        done.append(json.loads(load.stdout.readline())["passes"])
        load.stdout.close()
        assert load.wait() == 0
    assert done[0] / sum(done) == pytest.approx(0.5, abs=0.1)
    records = kernels(tmp_path)
    assert all(after[0] >= before[1] for before, after in itertools.pairwise(records))


@pytest.mark.parametrize(
    "line",
    [
        "", "pulse 1 1 0 1", "run 1 1 0", "run 1 0 0 1", "run x 1 0 1", "rate add", "rate",
        "keep 1 1 0", "keep 1 0 0 copy", "keep nan 1 0 copy",
    ],
)  # fmt: skip
def test_it_refuses_what_is_no_command(line: str) -> None:
    gpu = gpu_load.Gpu.__new__(gpu_load.Gpu)
    with pytest.raises(gpu_load.NoLoad, match="no such command"):
        gpu_load.carry_out(gpu, line)


def test_it_says_why_a_gpu_cannot_be_put_to_work(tmp_path: Path) -> None:
    failed = answers(environment(tmp_path, CUDA_FAIL="cuModuleLoadData"))
    assert failed == [{"failed": "cuModuleLoadData: CUDA_ERROR_OUT_OF_MEMORY"}]
    (absent,) = answers({**environment(tmp_path), "LD_LIBRARY_PATH": str(tmp_path)})
    assert absent["failed"].startswith("the driver's CUDA library cannot be opened: libcuda.so.1")


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """Also where that is killed, in the middle of hours of work."""
    program = (
        "import subprocess, sys, time\n"
        f"load = subprocess.Popen({COMMAND!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "load.stdout.readline(); load.stdin.write(b'run 1e7 1 0 1\\n'); load.stdin.flush()\n"
        "print(load.pid, flush=True); time.sleep(1000)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], env=environment(tmp_path), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: has_ended(pid), "the load to end")
    ended = len(kernels(tmp_path))
    time.sleep(0.3)
    assert len(kernels(tmp_path)) == ended


def has_ended(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is None or not stat.is_alive


def test_a_busy_cpu_ends_with_its_parent() -> None:
    program = (
        "import subprocess, sys, time\n"
        f"load = subprocess.Popen({[*COMMAND[:-1], cpu_load.__file__]!r})\n"
        "print(load.pid, flush=True); time.sleep(1000)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline())
    wait_for(lambda: (stat := read_stat(pid)) and stat.cpu_ticks > 20, "a CPU to be busy")
    parent.kill()
    parent.wait()
    wait_for(lambda: has_ended(pid), "the load to end")
