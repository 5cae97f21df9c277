"""energyctl is gone, or its daemon is: what ends by itself, how soon, and what is written of it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import wait_for
from energyctl.background.daemon import find_daemon
from energyctl.background.group import BackgroundGroup
from energyctl.background.xmlrpc import Unreachable
from energyctl.results import ledger
from energyctl.system import cgroups
from supervised import FROZEN, STUBBORN, World, job, living, supervised

SWITCH_SECONDS = 5.0
LONG = ("/bin/sh", "-c", "echo long $$ >> notes; exec sleep 1000")
ORPHANING = "/usr/bin/setsid /bin/sh -c 'echo orphan $$ >> notes; sleep 1000' & exec sleep 1000"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with supervised(tmp_path / "world") as made:
        yield made


@pytest.fixture
def watched(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the place of energyctl, which the daemon watches."""
    daemon = world.ensure()
    with subprocess.Popen(["sleep", "1000"]) as popen:
        try:
            assert daemon.watch(popen.pid)
            yield popen
        finally:
            popen.kill()


def launchers(background: BackgroundGroup) -> dict[str, int]:
    members = background.daemon.group(background.rendered.group)
    return {program.name: program.pid for program in members if program.pid}


def ended_rows(background: BackgroundGroup) -> list[tuple[str, int, int | None]]:
    text = (background.files.background_logs / "iterations.csv").read_text()
    return sorted((row.job, row.run, row.signal) for row in ledger.parse(text))


def test_the_switch_ends_every_kind_of_process_and_writes_its_row(
    world: World, watched: subprocess.Popen[bytes]
) -> None:
    world.commands |= {"stubborn": (sys.executable, "-I", "-S", "-c", STUBBORN)}
    world.commands |= {"frozen": ("/bin/sh", "-c", FROZEN), "long": LONG}
    world.commands |= {"orphaning": ("/bin/sh", "-c", ORPHANING)}
    background = world.background(
        "e1", job("stubborn"), job("frozen"), job("long"), job("orphaning")
    )
    background.start()
    wait_for(lambda: len(world.lines()) == 10, "every kind of process", 20)
    pids = launchers(background)
    os.kill(pids["back_orphaning"], signal.SIGKILL)  # nobody is left above its orphan
    wait_for(lambda: len(world.lines()) == 11, "the next iteration, with an orphan of its own")
    os.kill(pids["back_frozen"], signal.SIGSTOP)

    watched.kill()
    began = time.monotonic()
    wait_for(lambda: not living(world.root), "everything to end", 2 * SWITCH_SECONDS)
    assert time.monotonic() - began < SWITCH_SECONDS
    assert ended_rows(background) == [
        ("back_frozen", 1, 15),
        ("back_long", 1, 15),
        ("back_orphaning", 1, 9),
        ("back_orphaning", 2, 15),
        ("back_stubborn", 1, 15),
    ]
    operators = (background.files.background_logs / "operators.csv").read_text()
    assert [o.event for o in ledger.parse_operations(operators)] == ["killed"]  # before the switch
    assert list(background.files.background_logs.glob(".*.running")) == []


DEAF = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGQUIT, signal.SIG_IGN)
if sys.argv[1:]:
    with open(sys.argv[1] + "/cgroup.procs", "w") as procs:
        procs.write("0")
subprocess.Popen(["/bin/sleep", "1000"], env={}, start_new_session=True)
with open(f".job.{os.getpid()}.running", "w") as note:
    note.write(f"job,1,{os.getpid()},1.0,0")
while True:
    signal.pause()
"""
DEAF_ENTRY = """
[group:energyctl-deaf]
programs=energyctl-deaf_job
[program:energyctl-deaf_job]
process_name=job
command={python} -I -S {folder}/deaf.py {cgroup}
directory={folder}
autostart=false
startsecs=0
"""


def add_deaf(world: World, cgroup: Path | None = None) -> int:
    """Adds a group of a launcher that is deaf to TERM and QUIT, with a child that carries no mark.

    Returns the launcher's pid.
    """
    entries = world.root / "deaf.conf"
    (world.root / "deaf.py").write_text(DEAF)
    entries.write_text(
        DEAF_ENTRY.format(python=sys.executable, folder=world.root, cgroup=cgroup or "")
    )
    assert world.daemon is not None
    world.daemon.add("energyctl-deaf", entries, world.root, world.root / "clock", cgroup)
    (note,) = wait_for(lambda: list(world.root.glob(".job.*.running")), "the launcher")
    return int(note.name.split(".")[2])


def test_a_launcher_that_hangs_is_killed_with_all_below_it_and_gets_its_row(
    world: World, watched: subprocess.Popen[bytes]
) -> None:
    """As one in a driver would."""
    add_deaf(world)
    watched.kill()
    began = time.monotonic()
    wait_for(lambda: not living(world.root), "everything to end", 2 * SWITCH_SECONDS)
    assert time.monotonic() - began < SWITCH_SECONDS
    (row,) = ledger.parse((world.root / "iterations.csv").read_text())
    assert (row.job, row.run, row.signal) == ("job", 1, 9)
    assert list(world.root.glob(".job.*.running")) == []


def test_what_only_its_cgroup_names_ends_too(
    world: World, watched: subprocess.Popen[bytes]
) -> None:
    cgroup = cgroups.make(cgroups.named(f"test-{os.getpid()}"))
    if cgroup is None:
        pytest.skip("no cgroup can be made here")
    try:
        launcher = add_deaf(world, cgroup.folder)
        assert launcher in cgroup.members()
        assert world.daemon is not None
        world.daemon.call("supervisor.signalProcess", "energyctl-deaf:job", "KILL")
        wait_for(lambda: launcher not in cgroup.members(), "the launcher's end")
        assert cgroup.members()
        watched.kill()
        wait_for(lambda: not cgroup.members(), "everything to end", SWITCH_SECONDS)
    finally:
        cgroup.kill()
        cgroup.remove()
    assert not cgroup.folder.exists()


def test_in_a_daemon_of_others_only_our_groups_end(
    world: World, watched: subprocess.Popen[bytes]
) -> None:
    world.commands |= {"stubborn": (sys.executable, "-I", "-S", "-c", STUBBORN)}
    background = world.background("e1", job("stubborn"))
    background.start()
    daemon = background.daemon
    (world.runtime / "conf.d" / "mine.conf").write_text(
        f"[program:mine]\ncommand=sleep 1000\nstartsecs=0\ndirectory={world.root}\n"
    )
    daemon.call("supervisor.reloadConfig")
    daemon.call("supervisor.addProcessGroup", "mine")
    wait_for(lambda: len(world.lines()) == 6, "every kind of process", 20)
    (mine,) = wait_for(lambda: [p.pid for p in daemon.group("mine") if p.pid], "the other group")
    kept = {mine, daemon.pid()}
    watched.kill()
    began = time.monotonic()
    wait_for(lambda: {p.pid for p in living(world.root)} == kept, "our group's end", 10)
    assert time.monotonic() - began < SWITCH_SECONDS
    wait_for(lambda: not daemon.group(background.rendered.group), "its removal", 2)
    assert not (world.runtime / "conf.d" / f"{background.rendered.group}.conf").exists()
    assert ended_rows(background) == [("back_stubborn", 1, 15)]
    daemon.call("supervisor.shutdown")


def test_a_killed_daemon_is_noticed_at_once_and_another_takes_its_place(world: World) -> None:
    world.commands["long"] = LONG
    background = world.background("e1", job("long"))
    background.start()
    wait_for(world.lines, "the training")
    daemon = background.daemon
    assert daemon.child is not None
    ended = daemon.exit_descriptor()
    assert ended is not None
    assert select.select([ended], [], [], 0)[0] == []
    daemon.child.kill()
    assert select.select([ended], [], [], 5)[0] == [ended]
    os.close(ended)
    with pytest.raises(Unreachable):
        daemon.programs()
    with pytest.raises(Unreachable):
        daemon.remove(background.rendered.group)
    wait_for(lambda: not living(world.root), "the launcher to end its training")
    assert ended_rows(background) == [("back_long", 1, 15)]
    daemon.shut_down()
    assert find_daemon(world.runtime) is None

    again = world.ensure()
    assert again.pid() != daemon.child.pid
    assert again.programs() == []
    assert not (world.runtime / "conf.d" / f"{background.rendered.group}.conf").exists()
