"""The machine's lock: removed while it is held, or something else in its place."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import Bench, open_way, python_for, wait_for

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")


def alone(bench: Bench, runs: int = 1, seconds: float = 0.3, **fields: object) -> str:
    training = {"repo": "front", "model": "small", "mode": "default"}
    training["hyperparameters"] = {"seconds": seconds}  # type: ignore[assignment]
    return bench.settings(experiments=[training], runs_per_config=runs, **fields)


def remove(lock: Path) -> None:
    lock.unlink()


def replace(lock: Path) -> None:
    lock.with_name("other").write_text("{}")
    lock.with_name("other").rename(lock)


@pytest.mark.parametrize("spoil", [remove, replace])
def test_a_lock_that_is_removed_goes_on_holding(
    bench: Bench, spoil: Callable[[Path], None]
) -> None:
    lock, file = Path(bench.env["ENERGYCTL_LOCK"]), alone(bench, runs=2, seconds=600.0)
    first = bench.start("run", file)
    wait_for(lambda: len(bench.trials) == 1, "the first run")
    spoil(lock)
    for command in (["run", file], ["resume"]):
        second = bench.run(*command)
        assert second.returncode == 3, second.stdout
        assert second.stderr.count("another campaign holds this machine") == 1
        assert f"pid {first.pid}" in second.stderr
    assert json.loads(bench.look("status", "--json").stdout)["campaign"]["pid"] == first.pid
    assert "not ended" not in bench.run("stop").stderr

    os.kill(bench.trials[0]["pid"], signal.SIGKILL)  # so that the next run begins
    note = f'"pid": {first.pid}, '
    wait_for(lambda: lock.exists() and note in lock.read_text(), "the lock's file")
    told = json.loads(bench.look("status", "--json").stdout)
    assert (told["campaign"]["campaign"], told["run"]["of"]) == ("trial", 2)
    wait_for(lambda: len(bench.trials) == 2, "the second run")
    os.kill(bench.trials[1]["pid"], signal.SIGKILL)
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 1
    said = f"the lock {lock} was removed while the campaign ran: it was made again"
    assert out.count(f"warning: {said}") >= 1
    assert [said in result["warnings"] for result in bench.results()] == [False, True]
    assert json.loads(bench.look("status", "--json").stdout)["campaign"] is None


PLACES: dict[str, Callable[[Path], object]] = {
    "link": lambda lock: lock.symlink_to("/etc/passwd"),
    "dangling": lambda lock: lock.symlink_to("gone"),
    "folder": lambda lock: lock.mkdir(),
    "pipe": lambda lock: os.mkfifo(lock),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_stands_in_the_place_of_the_lock_stops_no_look_and_no_stop(
    bench: Bench, place: str
) -> None:
    lock, file = Path(bench.env["ENERGYCTL_LOCK"]), alone(bench)
    PLACES[place](lock)
    said = f"the lock {lock} cannot be read: "
    for done in (bench.look("status"), bench.look("doctor"), bench.run("stop")):
        assert done.returncode == 0, done.stderr
        assert (done.stderr if done.args == ("stop",) else done.stdout).count(said) == 1
    assert json.loads(bench.look("status", "--json").stdout)["lock_problem"].startswith(said)
    refused = bench.run("run", file)
    assert refused.returncode == 3
    (line,) = [line for line in refused.stderr.splitlines() if "left by a crash" not in line]
    assert f"cannot open the lock {lock}: " in line
    assert "ENERGYCTL_LOCK=FILE" in line


@as_root
def test_a_lock_that_another_user_has_closed_stops_no_look_and_no_stop(bench: Bench) -> None:
    lock = Path(bench.env["ENERGYCTL_LOCK"])
    lock.touch(mode=0o600)
    open_way(bench.root)
    env = {**bench.env, "ENERGYCTL_PRIVATE": "/tmp"}
    python = python_for(NOBODY, env)
    for command in ("status", "doctor", "stop"):
        done = subprocess.run(
            [python, "-m", "energyctl", "-C", bench.root, command],
            user=NOBODY.pw_uid, group=NOBODY.pw_gid, extra_groups=[], env=env, cwd="/",
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"the lock {lock} cannot be read: Permission denied" in done.stdout + done.stderr


@as_root
def test_a_stranger_who_takes_the_name_of_a_lock_that_is_closed_to_them_holds_nothing(
    bench: Bench,
) -> None:
    code = (
        "import os, socket, sys, energyctl.system.lock as lock\n"
        "name = lock._name(os.stat(lock._lock_path().parent))\n"
        "os.setuid(int(sys.argv[1]))\n"
        "server = socket.socket(socket.AF_UNIX)\n"
        "server.bind(name)\nserver.listen()\nprint('bound', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(NOBODY.pw_uid)],
        env=bench.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as stranger:  # fmt: skip
        assert stranger.stdin is not None
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "bound\n"
        try:
            done = bench.run("run", alone(bench))
        finally:
            stranger.stdin.close()
    assert done.returncode == 0, done.stderr
