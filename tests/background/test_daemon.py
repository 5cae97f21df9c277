"""A real supervisord: found, started, refused; groups added, kept going, stopped for good."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import wait_for
from energyctl.background import daemon as supervisor
from energyctl.background import daemon_lifecycle
from energyctl.background.daemon import Daemon, Program
from energyctl.background.group import BackgroundGroup
from energyctl.background.xmlrpc import Unreachable
from energyctl.campaign import status
from energyctl.errors import MachineError, RunError
from energyctl.system import processes
from energyctl.system.private_folder import runtime_path
from energyctl.system.user import invoking_user
from supervised import FROZEN, KINDS, NONCE, STUBBORN, World, job, living, supervised


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with supervised(tmp_path / "world") as made:
        yield made


def programs(background: BackgroundGroup) -> list[Program]:
    return background.daemon.group(background.rendered.group)


# -- the daemon ----------------------------------------------------------------------------


def test_the_daemon_starts_on_demand_and_is_found_the_second_time(world: World) -> None:
    assert supervisor.find_daemon(world.runtime) is None
    first = world.ensure()
    assert first.answers()
    assert first.ours()
    assert first.child is not None
    assert first.pid() == first.child.pid
    second = daemon_lifecycle.ensure(world.configuration, world.runtime, NONCE)
    assert second.child is None
    assert second.pid() == first.pid()
    assert first.call("energyctl.version")
    first.shut_down()
    assert processes.identify(first.child.pid) is None
    assert supervisor.find_daemon(world.runtime) is None
    assert not first.socket.exists()


def test_the_socket_is_private_and_no_port_is_open(world: World) -> None:
    daemon = world.ensure()
    assert stat.S_IMODE(world.runtime.stat().st_mode) == 0o700
    assert stat.S_IMODE(daemon.socket.stat().st_mode) == 0o700
    inodes = set()
    pid = daemon.pid()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # the connection of this very question
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:"):
                inodes.add(target[8:-1])
    tables = [Path("/proc/net", name).read_text() for name in ("tcp", "tcp6", "udp")]
    assert inodes
    assert not any(line.split()[9] in inodes for t in tables for line in t.splitlines()[1:])


def test_a_deep_workspace_still_has_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a folder with a long name ü"] * 10)
    assert len(str(deep)) > 250
    with supervised(deep) as world:
        daemon = world.ensure()
        assert daemon.answers()
        assert len(os.fsencode(daemon.socket)) < 90


def test_a_broken_configuration_is_refused_with_its_reason(world: World) -> None:
    world.ensure().shut_down()
    text = world.configuration.read_text()
    world.configuration.write_text(text.replace("loglevel=info", "loglevel=chatty"))
    with pytest.raises(MachineError, match="does not come up with") as caught:
        daemon_lifecycle.ensure(world.configuration, world.runtime, NONCE)
    message = str(caught.value)
    assert "bad logging level name 'chatty'" in message
    assert "\n" not in message
    assert str(world.configuration) in message


def test_entries_left_in_the_private_folder_are_not_started(world: World) -> None:
    folder = world.runtime / "conf.d"
    folder.mkdir()
    stale = folder / "energyctl-old.conf"
    evil = world.root / "evil"
    stale.write_text(f"[program:old]\ncommand=touch {evil}\n")
    daemon = world.ensure()
    assert daemon.programs() == []
    assert not stale.exists()
    daemon.call("supervisor.reloadConfig")
    assert not evil.exists()


def test_the_daemon_of_an_operator_is_used_and_not_shut_down(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.ensure().shut_down()
    popen = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(world.configuration)],
        cwd=world.root,
        stdout=subprocess.DEVNULL,
    )
    try:
        daemon = wait_for(
            lambda: supervisor.find_daemon(world.runtime), "the operator's daemon", 10
        )
        assert not daemon.ours()
        world.daemon = daemon_lifecycle.ensure(world.configuration, world.runtime, NONCE)
        assert world.daemon.pid() == popen.pid
        world.commands["large"] = ("sleep", "1000")
        background = world.background("e1", job("large"))
        background.start()
        wait_for(lambda: programs(background), "the group")
        assert background.stop().left == ()
        world.daemon.shut_down()
        assert world.daemon.answers()
        monkeypatch.setattr(daemon_lifecycle, "__version__", "99.0")
        with pytest.raises(MachineError, match=r"started with energyctl .*, this is 99\.0; .*down"):
            daemon_lifecycle.ensure(world.configuration, world.runtime, NONCE)
    finally:
        popen.terminate()
        popen.wait(10)


FOREIGN = "[program:mine]\ncommand=sleep 1000\nstartsecs=0\n"


def add_foreign_group(world: World) -> tuple[Daemon, int | None]:
    """An operator's own group in the daemon that runs: (daemon, pid of its program)."""
    daemon = wait_for(lambda: supervisor.find_daemon(world.runtime), "the daemon")
    (world.runtime / "conf.d" / "mine.conf").write_text(FOREIGN)
    daemon.call("supervisor.reloadConfig")
    daemon.call("supervisor.addProcessGroup", "mine")
    (mine,) = wait_for(lambda: [p for p in daemon.group("mine") if p.pid], "the other group")
    return daemon, mine.pid


def test_the_daemon_is_kept_while_a_group_of_someone_else_is_in_it(world: World) -> None:
    first = world.ensure()
    _, mine = add_foreign_group(world)
    assert mine is not None
    # Until it runs its program, the new process has the environment of the daemon.
    wait_for(
        lambda: processes.environment_value(mine, processes.MARKER) is None, "the other program"
    )
    assert {first.pid(), mine} <= first.strangers(NONCE)
    first.shut_down()
    nonce = processes.new_nonce()  # of the next campaign
    daemon = daemon_lifecycle.ensure(world.configuration, world.runtime, nonce)
    assert daemon.is_shared()
    daemon.shut_down()
    assert daemon.group("mine")[0].pid == mine
    daemon.call("supervisor.stopProcessGroup", "mine")
    daemon.call("supervisor.removeProcessGroup", "mine")
    assert not daemon.is_shared()
    daemon.shut_down()
    assert not daemon.answers()


CONTROLLER = """
import sys, time
from pathlib import Path
from energyctl.background import daemon_lifecycle as daemons
from energyctl.system import processes
daemon = daemons.ensure(Path(sys.argv[1]), Path(sys.argv[2]), processes.new_nonce())
if sys.argv[3:]:
    entries = Path(sys.argv[3])
    daemon.add("energyctl-watched", entries, entries.parent, entries.parent / "clock")
print(daemon.pid(), flush=True)
sys.stdin.readline()
daemon.shut_down()
"""

WATCHED = """
[group:energyctl-watched]
programs=energyctl-watched_job
[program:energyctl-watched_job]
command=/bin/sh -c 'echo $$ >> {notes}; sleep 0.3'
autostart=false
autorestart=true
startsecs=0
stopasgroup=true
"""


@contextlib.contextmanager
def controller(world: World, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that starts or finds the daemon of *world*, and waits for a line."""
    command = [sys.executable, "-c", CONTROLLER, str(world.configuration), str(world.runtime)]
    popen = subprocess.Popen(
        [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield popen
    finally:
        popen.kill()
        popen.communicate()


def pid_of_daemon(popen: subprocess.Popen[str]) -> int:
    assert popen.stdout is not None
    return int(popen.stdout.readline())


def test_the_daemon_and_the_background_end_with_energyctl(world: World) -> None:
    world.ensure().shut_down()
    entries = world.root / "watched.conf"
    entries.write_text(WATCHED.format(notes=world.notes))
    with controller(world, str(entries)) as popen:
        found = processes.identify(pid_of_daemon(popen))
        wait_for(world.lines, "an iteration")
        popen.kill()
        wait_for(lambda: found and processes.identify(found.pid) != found, "the daemon's end", 5)
    wait_for(lambda: not living(world.root), "everything to end", 5)


def test_groups_of_others_survive_a_crash_of_energyctl(world: World) -> None:
    world.ensure().shut_down()
    entries = world.root / "watched.conf"
    entries.write_text(WATCHED.format(notes=world.notes))
    with controller(world, str(entries)) as popen:
        pid_of_daemon(popen)
        daemon, mine = add_foreign_group(world)
        wait_for(lambda: len(world.lines()) > 1, "two iterations")
        popen.kill()
        wait_for(lambda: not daemon.group("energyctl-watched"), "our group's end", 5)
    count = len(world.lines())
    daemon.call("supervisor.reloadConfig")
    assert daemon.group("mine")[0].pid == mine
    assert not (world.runtime / "conf.d" / "energyctl-watched.conf").exists()
    assert len(world.lines()) == count
    daemon.call("supervisor.shutdown")
    wait_for(lambda: not living(world.root), "everything to end", 5)


def test_groups_of_others_survive_the_end_of_energyctl(world: World) -> None:
    world.ensure().shut_down()
    with controller(world) as popen:
        found = processes.identify(pid_of_daemon(popen))
        daemon, mine = add_foreign_group(world)
        assert popen.stdin is not None
        popen.stdin.write("end\n")
        popen.stdin.flush()
        assert popen.wait(20) == 0
    assert daemon.group("mine")[0].pid == mine
    assert found is not None
    assert processes.identify(found.pid) == found
    daemon.call("supervisor.shutdown")
    wait_for(lambda: not living(world.root), "everything to end", 5)


def test_the_watch_survives_a_reload(world: World) -> None:
    world.ensure().shut_down()
    with controller(world) as popen:
        found = processes.identify(pid_of_daemon(popen))
        daemon = supervisor.find_daemon(world.runtime)
        assert daemon is not None
        daemon.call("supervisor.restart")
        wait_for(daemon.answers, "the daemon after its reload", 15)
        popen.kill()
        wait_for(lambda: found and processes.identify(found.pid) != found, "the daemon's end", 5)


def test_a_daemon_that_does_not_answer_is_no_daemon_after_a_time_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "CALL_SECONDS", 0.2)
    daemon = Daemon(world.runtime)
    with pytest.raises(Unreachable):
        daemon.pid()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(daemon.socket))
        deaf.listen()
        began = time.monotonic()
        with pytest.raises(Unreachable, match="timed out"):
            daemon.pid()
        assert time.monotonic() - began < 2
        assert supervisor.find_daemon(world.runtime) is None
    daemon.socket.unlink()


@pytest.mark.parametrize(
    "reply",
    [
        "HTTP/1.0 200 OK\r\n\r\n<html>hello</html>",
        "HTTP/1.0 200 OK\r\n\r\nnot XML",
        "HTTP/1.0 404 Not Found\r\n\r\n",
        "garbage\r\n\r\n",
    ],
)
def test_something_else_that_answers_at_the_socket_is_no_daemon(world: World, reply: str) -> None:
    daemon = Daemon(world.runtime)
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(0.2)
        other.bind(str(daemon.socket))
        other.listen()

        def answer() -> None:
            with contextlib.suppress(TimeoutError):
                while True:
                    peer, _ = other.accept()
                    with peer:
                        while b"</methodCall>" not in peer.recv(65536):
                            continue
                        peer.sendall(reply.encode())

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with pytest.raises(Unreachable):
            daemon.pid()
        assert supervisor.find_daemon(world.runtime) is None
        thread.join(5)
    daemon.socket.unlink()


# -- iterations ------------------------------------------------------------------------------


def gaps(world: World, experiment_id: str, count: int) -> list[float]:
    """Seconds between the ends and the next beginnings of a group's first iterations."""
    ledger = world.results.root / f"background_logs_{experiment_id}" / "iterations.csv"

    def rows() -> list[list[str]]:
        text = ledger.read_text() if ledger.exists() else ""
        return [line.split(",") for line in text.splitlines()[1:]]

    wait_for(lambda: len(rows()) > count, f"{count} iterations", 30)
    return [
        float(after[3]) - float(before[4])
        for before, after in zip(rows(), rows()[1:], strict=False)
    ]


def test_iterations_follow_each_other_at_once_and_after_a_reload_too(world: World) -> None:
    """supervisord by itself takes 1 to 2 s."""
    world.commands["large"] = ("sleep", "0.2")
    background = world.background("e1", job("large"))
    background.start()
    assert statistics.median(gaps(world, "e1", 10)) < 0.3

    pid = background.daemon.pid()
    background.daemon.call("supervisor.restart")  # what `supervisorctl reload` calls
    wait_for(lambda: background.daemon.answers() and programs(background), "the reload", 15)
    assert background.daemon.pid() == pid
    before = len(gaps(world, "e1", 0))
    assert statistics.median(gaps(world, "e1", before + 7)[before + 1 :]) < 0.3
    assert background.stop().left == ()


def test_a_failing_training_is_started_again_but_not_in_a_crash_loop(world: World) -> None:
    world.commands |= {"bad": ("false",), "good": ("sleep", "0.2")}
    background = world.background("e1", job("bad"), job("good"))
    background.start()

    def count(name: str) -> int:
        return sum(view.iterations for view in background.views(time.time()) if view.name == name)

    wait_for(lambda: count("back_bad") >= 2 and count("back_good") >= 5, "both", 20)
    assert count("back_bad") < 5

    def state() -> str:
        return next(p.state for p in programs(background) if p.name == "back_bad")

    assert state() != "FATAL"
    wait_for(lambda: state() == "RUNNING", "the failing one to be back")
    background.stop()
    failures = {view.name: view.failures for view in background.views(time.time())}
    assert failures["back_bad"] >= 1


# -- stopping ----------------------------------------------------------------------------------


def test_background_process_termination(world: World) -> None:
    world.commands["stubborn"] = (sys.executable, "-I", "-S", "-c", STUBBORN)
    world.commands["frozen"] = ("/bin/sh", "-c", FROZEN)
    world.commands["other"] = ("/bin/sh", "-c", "echo other $$ >> notes; exec sleep 1000")
    other = world.background("other", job("other"))
    other.start()
    wait_for(world.lines, "the other group")
    (kept,) = programs(other)
    assert kept.pid is not None
    kept_tree = [process.key for process in processes.descendants([kept.pid])]

    background = world.background("e1", job("stubborn"), job("frozen"))
    background.start()
    wait_for(lambda: len(world.lines()) == KINDS + 1, "every kind of process", 20)
    noted = {int(line.split()[1]): line.split()[0] for line in world.lines()[1:]}
    assert len(noted) == KINDS
    wait_for(lambda: _state(noted, "stopped") == "T", "the stopped process", 5)
    before = {pid: processes.identify(pid) for pid in noted}
    assert all(before.values())
    (launcher,) = [p.pid for p in programs(background) if p.name == "back_frozen"]
    assert launcher is not None
    os.kill(launcher, signal.SIGSTOP)  # a launcher that can do nothing for its training

    ended = background.stop()
    assert ended.left == ()
    alive = {kind for pid, kind in noted.items() if processes.identify(pid) == before[pid]}
    assert alive == set()
    assert background.daemon.group(background.rendered.group) == []
    mine = {pid for pid, _ in kept_tree} | {kept.pid, background.daemon.pid()}
    assert {process.pid for process in living(world.root)} <= mine
    (still,) = programs(other)
    assert (still.pid, still.state) == (kept.pid, "RUNNING")
    assert [process.key for process in processes.descendants([kept.pid])] == kept_tree
    assert other.stop().left == ()
    assert ended.seconds < 20


def _state(noted: dict[int, str], kind: str) -> str:
    (pid,) = (pid for pid, noted_kind in noted.items() if noted_kind == kind)
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_stop_between_two_iterations_leaves_nothing_twenty_times(world: World) -> None:
    world.commands["short"] = ("true",)
    for number in range(20):
        background = world.background(f"e{number}", job("short", copies=2))
        background.start()
        ledger = background.files.background_logs / "iterations.csv"
        wait_for(ledger.exists, "an iteration")
        assert background.stop().left == ()
        assert background.daemon.programs() == []
        rows = ledger.read_text()
        assert [p for p in living(world.root) if p.pid != background.daemon.pid()] == []
        assert ledger.read_text() == rows


def test_a_stop_in_the_instant_of_the_start_is_a_stop(world: World) -> None:
    world.commands["long"] = ("sleep", "1000")
    for number in range(10):
        background = world.background(f"e{number}", job("long", copies=3))
        background.start()
        ended = background.stop()
        assert ended.left == ()
        assert ended.seconds < 8
        assert background.daemon.programs() == []
        assert [p for p in living(world.root) if p.pid != background.daemon.pid()] == []


def test_a_group_is_stopped_once_and_stopping_it_again_is_harmless(world: World) -> None:
    world.commands["long"] = ("sleep", "1000")
    background = world.background("e1", job("long"))
    assert background.stop().found == ()  # never started
    background.start()
    background.stop()
    assert background.stop().found == ()
    assert background.daemon.remove(background.rendered.group) is True


def test_the_background_is_ended_where_its_daemon_is_gone(world: World) -> None:
    world.commands["long"] = ("/bin/sh", "-c", "trap '' TERM; echo $$ >> notes; sleep 1000")
    background = world.background("e1", job("long"))
    background.start()
    wait_for(world.lines, "the training")
    daemon = background.daemon
    assert daemon.child is not None
    daemon.child.kill()
    daemon.child.wait(10)
    with pytest.raises(Unreachable):
        programs(background)
    assert background.stop().left == ()
    assert living(world.root) == []
    with pytest.raises(RunError):
        background.start()


def test_a_bare_supervisorctl_in_the_workspace_shows_the_jobs(world: World) -> None:
    world.commands["large"] = ("sleep", "1000")
    background = world.background("e1", job("large", copies=2))
    background.start()
    wait_for(lambda: all(p.pid for p in programs(background)), "the group")
    done = subprocess.run(
        [Path(sys.executable).with_name("supervisorctl"), "status"],
        cwd=world.root,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [(line[0], line[1]) for line in lines] == [
        ("energyctl-e1:back_large_1", "RUNNING"),
        ("energyctl-e1:back_large_2", "RUNNING"),
    ]
    background.stop()


def test_an_edited_entry_is_updated_by_the_operators_supervisorctl(world: World) -> None:
    world.commands["large"] = ("/bin/sh", "-c", "echo run >> notes; exec sleep 1000")
    background = world.background("e1", job("large"))
    background.start()
    wait_for(world.lines, "the training")
    text = background.files.entries.read_text()
    background.files.entries.write_text(text.replace("stopwaitsecs=10", "stopwaitsecs=9"))
    supervisorctl = str(Path(sys.executable).with_name("supervisorctl"))
    done = subprocess.run(
        [supervisorctl, "update"],
        cwd=world.root,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "energyctl-e1: updated process group" in done.stdout
    subprocess.run(
        [supervisorctl, "start", "energyctl-e1:*"], cwd=world.root, capture_output=True, check=True
    )
    wait_for(lambda: len(world.lines()) == 2, "the training to be back")
    assert background.stop().left == ()


def test_the_private_folder_belongs_to_the_workspace(tmp_path: Path) -> None:
    user = invoking_user()
    one, two = (runtime_path(tmp_path / name, user) for name in ("one", "two"))
    assert one != two
    assert one.parent == two.parent


def test_a_daemon_that_ends_while_it_is_asked_for_is_none(tmp_path: Path) -> None:
    assert status._daemon_now(Daemon(tmp_path)) is None
