"""An operator's hands on a live group, with the real supervisorctl: what they may expect, and
what is recorded of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import wait_for
from energyctl.background.daemon import Program
from energyctl.background.group import BackgroundGroup
from energyctl.launchers.proc_stat import read_stat
from energyctl.results import ledger
from energyctl.results.ledger import Operation
from supervised import World, job, living, supervised


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with supervised(tmp_path / "world") as made:
        yield made


def supervisorctl(world: World, *arguments: str) -> str:
    """What the program says; typed in the workspace."""
    done = subprocess.run(
        [Path(sys.executable).with_name("supervisorctl"), *arguments],
        cwd=world.root,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def started(world: World, *models: str) -> BackgroundGroup:
    """A live group of endless jobs; each notes the start of an iteration."""
    for model in models:
        world.commands[model] = ("/bin/sh", "-c", f"echo {model} >> notes; exec sleep 1000")
    background = world.background("e1", *(job(model) for model in models))
    background.write(time.time() - time.monotonic())
    background.start()
    wait_for(lambda: len(world.lines()) == len(models), "every job's first iteration")
    notes = background.files.background_logs  # a launcher writes its own after it has forked
    wait_for(lambda: len(list(notes.glob(".*.running"))) == len(models), "its note")
    return background


def states(background: BackgroundGroup) -> dict[str, str]:
    return {program.name: program.state for program in programs(background)}


def programs(background: BackgroundGroup) -> list[Program]:
    return background.daemon.group(background.rendered.group)


def operations(background: BackgroundGroup) -> list[Operation]:
    path = background.files.background_logs / "operators.csv"
    return ledger.parse_operations(path.read_text()) if path.exists() else []


def events(background: BackgroundGroup) -> list[tuple[str, str]]:
    return [(done.job, done.event) for done in operations(background)]


def rows(background: BackgroundGroup) -> list[ledger.Iteration]:
    path = background.files.background_logs / "iterations.csv"
    return ledger.parse(path.read_text()) if path.exists() else []


def own_cpu_seconds(pid: int) -> float:
    """CPU time of a process, its children excepted (proc(5))."""
    stat = read_stat(pid)
    return (stat.cpu_ticks if stat else 0) / os.sysconf("SC_CLK_TCK")


def test_what_operators_do_is_done_and_recorded(world: World) -> None:
    background = started(world, "one", "two")
    group = background.rendered.group

    assert "stopped" in supervisorctl(world, "stop", f"{group}:back_one")
    assert states(background) == {"back_one": "STOPPED", "back_two": "RUNNING"}
    assert "started" in supervisorctl(world, "start", f"{group}:back_one")
    wait_for(lambda: len(world.lines()) == 3, "the job to be back")
    assert [(row.job, row.signal) for row in rows(background)] == [("back_one", 15)]
    supervisorctl(world, "restart", f"{group}:*")
    wait_for(lambda: len(world.lines()) == 5, "both to be back")
    supervisorctl(world, "signal", "KILL", f"{group}:back_two")
    wait_for(lambda: len(world.lines()) == 6, "the next iteration")

    recorded = events(background)
    assert recorded[:2] == [("back_one", "stopped"), ("back_one", "started")]
    restart = {
        (name, event) for name in ("back_one", "back_two") for event in ("stopped", "started")
    }
    assert set(recorded[2:6]) == restart
    assert recorded[6:] == [("back_two", "killed")]
    assert all(abs(done.time - time.time()) < 60 for done in operations(background))
    background.stop()
    assert len(operations(background)) == 7  # energyctl's own stop is no operator's
    assert ledger.operator_warnings(operations(background))[0] == (
        "stopped by an operator: background back_one, back_two (3 times); see operators.csv"
    )


def test_an_edited_entry_is_taken_up_and_what_was_stopped_before_stays_so(world: World) -> None:
    background = started(world, "one", "two")
    supervisorctl(world, "stop", f"{background.rendered.group}:back_two")
    entries = background.files.entries
    entries.write_text(entries.read_text().replace("stopwaitsecs=10", "stopwaitsecs=9"))
    assert "changed" in supervisorctl(world, "reread")
    assert states(background)["back_one"] == "RUNNING"
    assert "updated process group" in supervisorctl(world, "update")
    wait_for(lambda: len(world.lines()) > 2, "the job to be back")
    assert world.lines()[2:] == ["one"]
    assert states(background) == {"back_one": "RUNNING", "back_two": "STOPPED"}
    assert events(background) == [
        ("back_two", "stopped"),
        ("back_one", "stopped for update"),
        ("", "updated"),
    ]
    assert supervisorctl(world, "update").strip() == ""
    # Once more: the edited entry is now what is watched.
    entries.write_text(entries.read_text().replace("stopwaitsecs=9", "stopwaitsecs=8"))
    supervisorctl(world, "update")
    wait_for(lambda: len(world.lines()) > 3, "the job to be back")
    assert background.stop().left == ()
    assert background.daemon.programs() == []


def test_a_removed_group_is_gone_until_it_is_added(world: World) -> None:
    background = started(world, "one")
    group = background.rendered.group
    entry = world.runtime / "conf.d" / f"{group}.conf"
    entry.rename(entry.with_suffix(".away"))
    assert "removed process group" in supervisorctl(world, "update")
    assert programs(background) == []
    entry.with_suffix(".away").rename(entry)
    assert "added process group" in supervisorctl(world, "update")
    wait_for(lambda: len(world.lines()) == 2, "the group to be back")
    assert events(background) == [
        ("back_one", "stopped for update"),
        ("", "removed"),
        ("", "added"),
    ]
    assert background.stop().left == ()


def test_a_live_group_survives_a_reload_and_nothing_else_starts(world: World) -> None:
    background = started(world, "one", "two")
    supervisorctl(world, "stop", f"{background.rendered.group}:back_two")
    stale = world.runtime / "conf.d" / "energyctl-old.conf"
    stale.write_text(
        f"[program:energyctl-old]\ncommand=touch {world.root}/evil\nautostart=false\nstartsecs=0\n"
    )
    supervisorctl(world, "reload")
    wait_for(lambda: len(world.lines()) > 2, "the job to be back")
    assert world.lines()[2:] == ["one"]
    assert states(background) == {"back_one": "RUNNING", "back_two": "STOPPED"}
    assert events(background) == [("back_two", "stopped"), ("", "reloaded")]
    supervisorctl(world, "start", f"{background.rendered.group}:back_two")
    wait_for(lambda: len(world.lines()) > 3, "the other job")
    assert not (world.root / "evil").exists()
    background.daemon.call("supervisor.restart")  # and a stop in the middle of one
    assert background.stop().left == ()
    assert [program.group for program in background.daemon.programs()] == ["energyctl-old"]


def test_a_tail_follows_from_iteration_to_iteration(world: World) -> None:
    world.commands["loud"] = ("/bin/sh", "-c", "echo said by $$; sleep 0.4")
    background = world.background("e1", job("loud"))
    background.start()
    wait_for(lambda: rows(background), "an iteration")
    command = [Path(sys.executable).with_name("supervisorctl"), "tail", "-f"]
    popen = subprocess.Popen(
        [*command, f"{background.rendered.group}:back_loud"],
        cwd=world.root,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = set[str]()
    assert popen.stdout is not None
    try:
        for line in popen.stdout:
            said |= set(re.findall(r"said by (\d+)", line))
            if len(said) >= 3:
                break
    finally:
        popen.kill()
        popen.communicate()
    background.stop()
    assert said <= {str(row.pid) for row in rows(background)}


def test_a_stop_between_two_iterations_is_a_stop(world: World) -> None:
    """With supervisord alone it is refused then, and the job comes back."""
    world.commands["short"] = ("true",)
    background = world.background("e1", job("short", copies=3))
    background.start()
    group = background.rendered.group
    for _ in range(2):
        wait_for(lambda: "RUNNING" in states(background).values(), "an iteration")
        supervisorctl(world, "stop", f"{group}:*")
        assert set(states(background).values()) == {"STOPPED"}
        supervisorctl(world, "start", f"{group}:*")
    assert background.stop().left == ()


def test_a_halted_launcher_is_stopped_all_the_same(world: World) -> None:
    background = started(world, "one")
    (program,) = programs(background)
    assert program.pid is not None
    os.kill(program.pid, signal.SIGSTOP)
    supervisorctl(world, "stop", f"{background.rendered.group}:*")
    assert states(background) == {"back_one": "STOPPED"}
    assert [row.signal for row in rows(background)] == [15]  # else supervisord's KILL, after 10 s
    background.stop()


def test_the_row_of_a_killed_launcher_is_written_at_once_and_once(world: World) -> None:
    background = started(world, "one", "two")
    pids = {program.name: program.pid for program in programs(background)}
    os.kill(pids["back_one"] or 0, signal.SIGKILL)
    wait_for(lambda: len(world.lines()) == 3, "the next iteration")
    assert [(row.job, row.run, row.signal) for row in rows(background)] == [("back_one", 1, 9)]
    background.stop()
    ended = sorted((row.job, row.run, row.signal) for row in rows(background))
    assert ended == [("back_one", 1, 9), ("back_one", 2, 15), ("back_two", 1, 15)]
    assert list(background.files.background_logs.glob(".*.running")) == []


def test_a_job_that_was_one_of_several_starts_where_it_is_the_only_one(world: World) -> None:
    started(world, "one", "two").stop()
    world.notes.unlink()
    background = world.background("e2", job("one"))
    background.write(time.time() - time.monotonic())
    background.start()
    wait_for(lambda: world.lines() == ["one"], "its first iteration")
    assert background.stop().left == ()


def test_fifty_jobs_iterate_and_end(world: World) -> None:
    world.commands["short"] = ("sleep", "3")
    background = world.background("e1", job("short", copies=50))
    pid = background.daemon.pid()
    background.start()
    wait_for(lambda: set(states(background).values()) == {"RUNNING"}, "every job")
    before, began = own_cpu_seconds(pid), time.monotonic()
    wait_for(lambda: time.monotonic() - began > 1.5, "some time without a restart")
    assert own_cpu_seconds(pid) - before < 0.5 * (time.monotonic() - began)  # no hot loop

    def iterations() -> dict[str, int]:
        count = {name: 0 for name in states(background)}
        for row in rows(background):
            count[row.job] += 1
        return count

    wait_for(lambda: len(iterations()) == 50 and min(iterations().values()) >= 2, "every job", 180)
    assert background.stop().left == ()
    assert {row.signal for row in rows(background)} <= {None, 15}
    assert [p for p in living(world.root) if p.pid != pid] == []


def test_broken_programs_are_no_hot_loop_however_many_there_are(world: World) -> None:
    """Each end wakes supervisord, which would start all the others at once, too."""
    names = [f"energyctl-broken_{number}" for number in range(6)]
    text = f"[group:energyctl-broken]\nprograms={','.join(names)}\n"
    for name in names:
        text += f"[program:{name}]\ncommand=/bin/sh -c 'echo x >> {world.notes}; exit 3'\n"
        text += "autostart=false\nautorestart=true\nstartsecs=0\n"
    entries = world.root / "broken.conf"
    entries.write_text(text)
    daemon = world.ensure()
    began = time.monotonic()
    daemon.add("energyctl-broken", entries, world.root, world.root / "clock")
    wait_for(lambda: len(world.lines()) >= 4 * len(names), "some starts")
    assert time.monotonic() - began > 2.5  # a second between two starts
    assert {program.state for program in daemon.group("energyctl-broken")} <= {"BACKOFF", "RUNNING"}
    assert daemon.remove("energyctl-broken")
    assert own_cpu_seconds(daemon.pid()) < 1.0


# -- the record, read ------------------------------------------------------------------------


def test_a_torn_or_foreign_line_of_the_record_is_passed_over() -> None:
    text = "time,job,event\n100.5,one,stopped\nx,one,stopped\n101.0,,reloaded\n102.0,one,sta"
    assert ledger.parse_operations(text) == [
        Operation(100.5, "one", "stopped"),
        Operation(101.0, "", "reloaded"),
    ]
    assert ledger.parse_operations("") == []


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ([], []),
        ([("one", "stopped")], ["stopped by an operator: background one; see operators.csv"]),
        (
            [("one", "stopped"), ("one", "started"), ("one", "stopped")],
            [
                "stopped by an operator: background one (2 times); see operators.csv",
                "started by an operator: background one; see operators.csv",
            ],
        ),
        (
            [(f"job_{number}", "stopped") for number in range(50)],
            [
                "stopped by an operator: background job_0, job_1, job_2 and 47 more;"
                " see operators.csv"
            ],
        ),
        (
            [("one", "stopped for update"), ("", "updated")],
            [
                "its entry was edited and updated, and it was started anew: the background;"
                " see operators.csv"
            ],
        ),
        (
            [("one", "stopped for update")],
            ["stopped by an operator: background one; see operators.csv"],
        ),
        ([("", "sung to")], ["sung to: the background; see operators.csv"]),
    ],
)
def test_a_warning_says_once_what_was_done_often(
    done: list[tuple[str, str]], said: list[str]
) -> None:
    operations = [Operation(float(time), *what) for time, what in enumerate(done)]
    assert ledger.operator_warnings(operations) == said
