"""``/proc/PID/stat`` as the kernel writes it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from energyctl.launchers.proc_stat import ProcStat, read_stat

NAMED = """
import os, sys
open("/proc/self/comm", "w").write(sys.argv[1])
print(os.getpgrp(), os.getsid(0), flush=True)
sum(range(3_000_000))
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["plain", "a b", ") Z 1 (", "((", "x\ny) R 5"])
def test_no_name_of_a_process_leads_astray(name: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NAMED, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        group, session = map(int, child.stdout.readline().split())
        child.stdout.readline()
        stat = read_stat(child.pid)
        child.communicate()
    assert stat is not None
    assert (stat.pid, stat.parent, stat.group, stat.session) == (
        child.pid, os.getpid(), group, session,
    )  # fmt: skip
    assert stat.state in "RS"
    assert stat.is_alive
    assert stat.threads == 1
    assert stat.cpu_ticks > 0
    assert stat.reaped_cpu_ticks == 0
    own = read_stat(os.getpid())
    assert own is not None
    assert own.start_ticks <= stat.start_ticks


def test_a_zombie_is_not_alive_and_what_was_reaped_is_not_there() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    zombie = read_stat(child.pid)
    assert zombie is not None
    assert (zombie.state, zombie.is_alive) == ("Z", False)
    child.wait()
    assert read_stat(child.pid) is None


def test_a_zombie_with_further_threads_is_alive() -> None:
    fields = "Z 1 2 3 0 -1 4194304 0 0 0 0 10 20 30 40 20 0 2 0 99 0 0"
    stat = ProcStat(7, f"7 (name) {fields}".encode())
    assert stat.is_alive
    assert (stat.cpu_ticks, stat.reaped_cpu_ticks, stat.start_ticks) == (30, 70, 99)
