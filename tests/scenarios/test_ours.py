"""Ours and not ours: what of other campaigns, users and containers is never touched, and what of
ours nobody can end is named."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import DEADLINE_SECONDS, Bench, open_way, python_for, wait_for, write_owner
from energyctl.background.daemon import find_daemon
from energyctl.campaign.stop import stop_job
from energyctl.launchers.proc_stat import read_stat
from energyctl.system import cgroups, processes
from energyctl.system.owner import read_owner
from energyctl.system.private_folder import runtime_folder
from energyctl.system.processes import ProcessInfo
from energyctl.system.user import invoking_user

root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can set this up")
ALONE = {"mode": "default", "repo": "front", "model": "small"}


@pytest.fixture
def private() -> Iterator[Path]:
    """A place for private folders that is not that of the others; must be empty in the end."""
    folder = Path(tempfile.mkdtemp(prefix="ours-"))
    folder.chmod(0o777)
    yield folder
    left = [path for path in folder.rglob("*") if not path.is_dir()]
    shutil.rmtree(folder)
    assert left == []


@pytest.fixture
def stranger() -> Iterator[ProcessInfo]:
    """A process of ours that has nothing to do with any campaign."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as popen:
        try:
            found = processes.identify(popen.pid)
            assert found is not None
            yield found
            assert popen.poll() is None, "a stranger was ended"
        finally:
            popen.kill()


def alone(bench: Bench, seconds: float, name: str = "x.json") -> str:
    """A settings file with one training alone."""
    return bench.settings(name, experiments=[{**ALONE, "hyperparameters": {"seconds": seconds}}])


def named(result: dict[str, Any]) -> str:
    """All of a result where a process may be named."""
    attempts = result["foreground_result"]["attempts"]
    stop = (result["background_info"] or {}).get("stop")
    return json.dumps([[a["end_of_processes"] for a in attempts], stop, result["warnings"]])


# -- what was there before ----------------------------------------------------------------------


def test_what_a_shell_started_before_it_became_energyctl_is_not_ours(
    bench: Bench, tmp_path: Path
) -> None:
    """It is a descendant of energyctl, and becomes its child once its parent has ended."""
    go, note = tmp_path / "go", tmp_path / "stranger"
    before = (
        f"( until [ -e {go} ]; do sleep 0.02; done; setsid sleep 1000 > /dev/null 2>&1 & "
        f"echo $! > {note} ) & "
        f'exec {bench.python} -m energyctl "$@"'
    )
    popen = subprocess.Popen(
        ["/bin/bash", "-c", before, "bash", "run", bench.parallel()],
        cwd=bench.root,
        env=bench.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    bench.started.append(popen)
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the training")
    go.touch()
    pid = int(wait_for(lambda: note.exists() and note.read_text(), "the stranger"))
    try:
        wait_for(lambda: (s := read_stat(pid)) and s.parent == popen.pid, "its adoption")
        out, _ = popen.communicate(timeout=DEADLINE_SECONDS)
        assert popen.returncode == 0, out
        assert processes.identify(pid) is not None, "it was ended"
        (result,) = bench.results()
        assert "sleep 1000" not in named(result) + out
    finally:
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not processes.identify(pid), "its end")


# -- what a file names ---------------------------------------------------------------------------


def test_a_pid_in_a_note_beside_the_ledger_is_not_ours(bench: Bench, stranger: ProcessInfo) -> None:
    popen = bench.start("run", bench.parallel())
    owner = wait_for(lambda: read_owner(bench.runtime), "the record")
    (logs,) = wait_for(
        lambda: list((bench.root / "results").glob("background_logs_*")), "the folder of logs"
    )
    note = logs / f".back_large.{stranger.pid}.running"
    note.write_text(f"back_large,9999,{stranger.pid},1.0,{stranger.ticks}")
    out, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 0, out + err
    (result,) = bench.results()
    assert str(stranger.pid) not in named(result)
    kept = [path for path in (bench.root / "results").rglob("*") if path.is_file()]
    assert kept
    assert not any(owner.nonce in path.read_text() for path in kept), "the secret got out"


def test_a_pid_in_a_record_is_not_ours(bench: Bench, stranger: ProcessInfo) -> None:
    runtime = runtime_folder(bench.root, invoking_user())
    write_owner(runtime, bench.root, pid=stranger.pid, ticks=stranger.ticks)
    for name in ("started-by-energyctl", "supervisord.pid", "daemon-nonce"):
        (runtime / name).write_text(f"{stranger.pid} {stranger.ticks}")
    row = {"pid": stranger.pid, "ticks": stranger.ticks + 1, "user": "root", "command": "x"}
    row |= {"workspace": str(bench.root), "boot": "", "namespace": ""}
    (runtime / "unended.json").write_text(json.dumps([row]))
    for _ in range(2):
        stopped = bench.run("stop")
        assert (stopped.returncode, stopped.stdout) == (0, "nothing is running\n"), stopped.stderr
        write_owner(runtime_folder(bench.root, invoking_user()), bench.root, pid=stranger.pid)
    found = json.loads(bench.look("status", "--json").stdout)["leftovers"]
    assert [one for one in found if one["workspace"] == str(bench.root)] == []
    assert bench.run("stop").returncode == 0


def test_an_epilog_ends_the_energyctl_of_its_job_alone(
    bench: Bench, stranger: ProcessInfo, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENERGYCTL_PRIVATE", str(private))
    runtime = runtime_folder(bench.root, invoking_user(), "7 node")
    write_owner(runtime, bench.root, pid=stranger.pid, ticks=stranger.ticks, job="7")
    assert stop_job("7") == ([], [])
    env = {**os.environ, "SLURM_JOB_ID": "7"}
    with subprocess.Popen(["sleep", "1000"], env=env) as mine:
        wait_for(lambda: processes.environment_value(mine.pid, "SLURM_JOB_ID"), "its exec")
        found = processes.identify(mine.pid)
        assert found is not None
        runtime = runtime_folder(bench.root, invoking_user(), "7 node")
        write_owner(runtime, bench.root, pid=found.pid, ticks=found.ticks, job="7")
        try:
            assert stop_job("7") == ([f"ended pid {mine.pid} {found.command}"], [])
        finally:
            mine.kill()


LIAR = """
import os, socketserver, sys, time
from xmlrpc.client import Fault
from xmlrpc.server import SimpleXMLRPCDispatcher, SimpleXMLRPCRequestHandler
socket, stranger = sys.argv[1], int(sys.argv[2])
began = time.monotonic()
job = {"group": "energyctl-e1", "name": "job", "statename": "STOPPING", "pid": stranger}

def remove(group):
    if time.monotonic() < began + 2.5:
        raise Fault(91, "STILL_RUNNING")
    return True

class Handler(SimpleXMLRPCRequestHandler):
    disable_nagle_algorithm = False

class Server(socketserver.UnixStreamServer, SimpleXMLRPCDispatcher):
    logRequests = False
    def __init__(self):
        SimpleXMLRPCDispatcher.__init__(self, allow_none=True)
        socketserver.UnixStreamServer.__init__(self, socket, Handler)

server = Server()
for name, answer in {
    "supervisor.getState": lambda: {"statename": "RUNNING"},
    "supervisor.getPID": lambda: stranger,
    "supervisor.getAllProcessInfo": lambda: [job],
    "supervisor.removeProcessGroup": remove,
}.items():
    server.register_function(answer, name)
server.serve_forever()
"""


def test_a_pid_that_supervisord_tells_is_not_ours(bench: Bench, stranger: ProcessInfo) -> None:
    runtime = runtime_folder(bench.root, invoking_user())
    write_owner(runtime, bench.root)
    command = [sys.executable, "-c", LIAR, str(runtime / "supervisor.sock"), str(stranger.pid)]
    with subprocess.Popen(command) as liar:
        try:
            daemon = wait_for(lambda: find_daemon(runtime), "the daemon")
            assert daemon.pid() == liar.pid
            stopped = bench.run("stop")
            assert stopped.returncode == 0, stopped.stderr
            assert liar.poll() is None
        finally:
            liar.kill()
    bench.run("stop")


def test_what_others_run_in_our_supervisord_is_left_to_them(bench: Bench) -> None:
    """Also after a crash, and though it is in the cgroup of the campaign."""
    popen = bench.start("run", bench.parallel(foreground={"hyperparameters": {"seconds": 60.0}}))
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the training")
    daemon = find_daemon(bench.runtime)
    assert daemon is not None
    entry = bench.runtime / "conf.d" / "mine.conf"
    entry.write_text("[program:mine]\ncommand=sleep 1000\nstartsecs=0\n")
    daemon.call("supervisor.reloadConfig")
    daemon.call("supervisor.addProcessGroup", "mine")
    (mine,) = wait_for(lambda: [p.pid for p in daemon.group("mine") if p.pid], "the program")
    try:
        popen.kill()
        popen.communicate(timeout=DEADLINE_SECONDS)
        wait_for(lambda: not any(p.ours for p in daemon.programs()), "the end of ours")
        wait_for(lambda: not [line for line in bench.alive() if "train.sh" in line], "its end")
        found = json.loads(bench.look("status", "--json").stdout)["leftovers"]
        assert [one for one in found if one["workspace"] == str(bench.root)] == []
        assert bench.run("stop").returncode == 0
        assert [p.pid for p in daemon.group("mine")] == [mine]
    finally:
        daemon.call("supervisor.shutdown")
        wait_for(lambda: not bench.alive(), "the daemon's end")
        bench.run("stop")


# -- another campaign of the same path ---------------------------------------------------------


def test_where_private_folder_and_lock_are_others_a_campaign_is_left_alone(
    bench: Bench, private: Path, tmp_path: Path
) -> None:
    elsewhere = {"ENERGYCTL_PRIVATE": str(private), "ENERGYCTL_LOCK": str(tmp_path / "other")}
    popen = bench.start("run", bench.parallel(foreground={"hyperparameters": {"seconds": 600.0}}))
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the training")
    stopped = bench.run("stop", env=elsewhere)
    assert (stopped.returncode, stopped.stdout) == (0, "nothing is running\n"), stopped.stderr
    assert json.loads(bench.run("status", "--json", env=elsewhere).stdout)["leftovers"] == []
    beside = bench.run("run", alone(bench, 0.3, "other.json"), "--results", "others", env=elsewhere)
    assert beside.returncode == 0, beside.stdout + beside.stderr
    assert "left by a crash" not in beside.stdout
    assert popen.poll() is None
    bench.end_trainings()
    out, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 0, out + err
    (result,) = bench.results()
    assert len(result["foreground_result"]["attempts"]) == 1
    assert result["background_info"]["jobs"][0]["failures"] == 0


def test_a_campaign_that_lives_is_not_taken_for_a_crash_where_its_lock_is_gone(
    bench: Bench, tmp_path: Path
) -> None:
    popen = bench.start("run", alone(bench, 600.0))
    wait_for(lambda: bench.trials, "the training")
    other = bench.run("run", alone(bench, 0.3, "y.json"), env={"ENERGYCTL_LOCK": f"{tmp_path}/l"})
    assert other.returncode == 3
    assert f"another campaign runs in this workspace, pid {popen.pid}" in other.stderr
    bench.end_trainings()
    out, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 0, out + err


@root_only
def test_two_containers_with_the_same_path_do_not_know_each_other(
    bench: Bench, private: Path, tmp_path: Path
) -> None:
    """Mount namespaces of their own, with pids and /tmp shared."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    box, copy = tmp_path / "box", tmp_path / "copy"
    box.mkdir()
    name = bench.parallel(foreground={"hyperparameters": {"seconds": 6.0}})
    shutil.copytree(bench.root, copy)
    bench.env["ENERGYCTL_PRIVATE"] = str(private)

    def inside(workspace: Path) -> None:
        into = 'mount --bind "$1" "$2" && cd "$2" && shift 2 && exec "$@"'
        bench.prefix = ("unshare", "-m", "sh", "-c", into, "sh", str(workspace), str(box))

    inside(bench.root)
    popen = bench.start("run", name)
    wait_for(lambda: any(t["role"] == "foreground" for t in bench.trials), "the training")
    inside(copy)
    stopped = bench.run("stop")
    assert (stopped.returncode, stopped.stdout) == (0, "nothing is running\n"), stopped.stderr
    assert json.loads(bench.look("status", "--json").stdout)["jobs"] == []
    out, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 0, out + err
    (result,) = bench.results()
    assert len(result["foreground_result"]["attempts"]) == 1
    assert result["background_info"]["jobs"][0]["failures"] == 0


# -- what became another user's ---------------------------------------------------------------


@pytest.fixture
def nobody(bench: Bench, private: Path, tmp_path: Path) -> Iterator[Bench]:
    """A bench of a plain user, in whose reach is a set-user-ID shell; it stands in for sudo.

    Of trainings of the repository ``back`` a part goes on as root.
    """
    user = pwd.getpwnam("nobody")
    bench.python = python_for(user, bench.env)
    open_way(tmp_path)
    shell = tmp_path / "shell"
    shutil.copyfile("/bin/bash", shell)
    shell.chmod(0o4755)
    pids = tmp_path / "pids"
    for path in (pids, Path(bench.env["TRIALS"])):
        path.touch()
        path.chmod(0o666)
    loop = f"echo $$ >> {pids}; exec sleep 1000"
    become = "exec setpriv --reuid=0 --regid=0 --clear-groups"
    (bench.root / "loop.sh").write_text(loop)
    (bench.root / "become.sh").write_text(f"{become} /bin/bash {bench.root}/loop.sh")
    for script in (bench.root / "repos").rglob("train.sh"):
        first = script.read_text().partition("\n")[0]
        script.write_text(script.read_text().replace(first, f"#!{bench.python} -S", 1))
    front, back = (bench.root / "repos" / name / "train.sh" for name in ("front", "back"))
    wait = f"while os.environ.get('WAIT') and not os.path.getsize('{pids}'): time.sleep(0.02)\n"
    front.write_text(front.read_text().replace("end = ", f"{wait}end = ", 1))
    back.write_text(
        f"#!/bin/bash\n{shell} -p {bench.root}/become.sh &\n"
        f"until [ -s {pids} ]; do sleep 0.02; done\n$WAIT\n"
    )
    for path in (bench.root, *bench.root.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    rights = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    bench.prefix = ("setpriv", *rights)
    bench.env |= {"ENERGYCTL_PRIVATE": str(private), "HOME": str(bench.root)}
    bench.env["ENERGYCTL_LOCK"] = str(private / "lock")
    yield bench
    for pid in roots(bench):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not roots(bench), "their end")
    (private / "lock").unlink(missing_ok=True)


def roots(bench: Bench) -> list[int]:
    """What runs as root."""
    pids = [int(word) for word in (bench.root.parent / "pids").read_text().split()]
    return [pid for pid in pids if processes.identify(pid)]


def on_a_terminal(bench: Bench, answer: str, *arguments: str) -> tuple[int, str]:
    """Runs ``energyctl …`` with a terminal, where *answer* is typed: exit code, what it showed."""
    command = [*bench.prefix, bench.python, "-m", "energyctl", *arguments]
    master, slave = pty.openpty()
    os.chmod(os.ttyname(slave), 0o666)
    os.write(master, answer.encode() + b"\n")
    with subprocess.Popen(
        command, cwd=bench.root, env=bench.env, stdin=slave, stdout=slave, stderr=slave
    ) as popen:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: nobody writes to it any more
            while piece := os.read(master, 65536):
                shown += piece
        code = popen.wait(DEADLINE_SECONDS)
    os.close(master)
    return code, shown.decode(errors="replace").replace("\r\n", "\n")


@root_only
def test_what_became_roots_is_ended_by_its_cgroup(nobody: Bench) -> None:
    """Where there is one, as under sudo."""
    if (tried := cgroups.make(cgroups.named(f"test-{os.getpid()}"))) is None:
        pytest.skip("no cgroup can be made here")
    tried.remove()
    user = pwd.getpwnam("nobody")
    nobody.prefix = ()
    nobody.env |= {"SUDO_UID": str(user.pw_uid), "SUDO_GID": str(user.pw_gid)}
    done = nobody.run("run", nobody.settings(experiments=[{**ALONE, "repo": "back"}]))
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = nobody.results()
    ended = result["foreground_result"]["attempts"][0]["end_of_processes"]
    assert ended["left"] == []
    assert [line for line in ended["survivors"] if "sleep 1000" in line]
    (warning,) = [w for w in result["warnings"] if "main program ended while" in w]
    assert "ended, too: sleep 1000 (pid " in warning
    assert roots(nobody) == []
    assert nobody.run("stop").returncode == 0


@root_only
@pytest.mark.parametrize("role", ["foreground", "background"])
def test_what_became_roots_is_named_until_it_is_gone(nobody: Bench, role: str) -> None:
    if os.statvfs(nobody.root).f_flag & os.ST_NOSUID:
        pytest.skip("this file system heeds no set-user-ID")
    if role == "foreground":
        name = nobody.settings(experiments=[{**ALONE, "repo": "back"}])
    else:
        nobody.env["WAIT"] = "sleep 1000"
        name = nobody.parallel(settle={"seconds": 0.1, "timeout_seconds": 1})  # it never ends
    quick = alone(nobody, 0.3, "quick.json")
    done = nobody.run("run", name)
    assert done.returncode == 0, done.stdout + done.stderr
    (pid,) = roots(nobody)
    left = f"pid {pid} of root, sleep 1000"
    cure = f"end it with: sudo kill -KILL {pid}"
    (result,) = nobody.results()
    ended = result["foreground_result"]["attempts"][0]["end_of_processes"]
    ended = ended if role == "foreground" else result["background_info"]["stop"]
    assert ended["left"] == [f"{pid} sleep 1000"]
    (warning,) = [line for line in result["warnings"] if "still running" in line]
    assert left in warning
    assert left in done.stdout
    assert cure in done.stdout

    (shown,) = json.loads(nobody.run("status", "--json").stdout)["leftovers"]
    assert (shown["pid"], shown["workspace"]) == (pid, str(nobody.root))
    assert "of root; energyctl cannot end it" in nobody.run("status").stdout
    stopped = nobody.run("stop")
    assert stopped.returncode == 3
    assert left in stopped.stderr
    assert cure in stopped.stderr
    refused = nobody.run("run", quick)
    assert refused.returncode == 3
    assert cure in refused.stderr
    assert len(nobody.results()) == 1
    code, text = on_a_terminal(nobody, "n", "run", quick)
    assert code == 3
    assert f"pid {pid}" in text
    assert text.count("measure beside it?") == 1
    code, text = on_a_terminal(nobody, "y", "run", quick)
    assert code == 0, text
    beside = nobody.results()[-1]
    assert len([line for line in beside["warnings"] if left in line]) == 1
    assert processes.identify(pid) is not None

    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not roots(nobody), "its end")
    assert json.loads(nobody.run("status", "--json").stdout)["leftovers"] == []
    assert nobody.run("stop").returncode == 0
