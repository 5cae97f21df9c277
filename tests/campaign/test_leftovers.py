"""What a crash leaves behind: put back by a keeper, named by the next command, ended by `stop`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import DEAD, DEADLINE_SECONDS, NONCE, Bench, wait_for, write_owner
from energyctl.campaign import leftovers
from energyctl.system import cgroups, processes, restoring
from energyctl.system.cgroups import Cgroup
from energyctl.system.owner import read_owner
from energyctl.system.private_folder import remove_runtime_folder, runtime_folder, runtime_path
from energyctl.system.user import invoking_user


@pytest.fixture
def cpu(bench: Bench, tmp_path: Path) -> Path:
    """The governor of a CPU that the bench may set."""
    folder = tmp_path / "cpus" / "cpu0" / "cpufreq"
    folder.mkdir(parents=True)
    (folder / "scaling_available_governors").write_text("performance powersave\n")
    (folder / "scaling_governor").write_text("powersave\n")
    bench.env["ENERGYCTL_CPUFREQ"] = str(tmp_path / "cpus")
    return folder / "scaling_governor"


def running(bench: Bench, **fields: object) -> subprocess.Popen[str]:
    """A campaign in the middle of its only training."""
    experiment = {"mode": "default", "repo": "front", "model": "small"}
    hyperparameters = {"seconds": 2.0}
    experiments = [{**experiment, "hyperparameters": hyperparameters}]
    name = bench.settings(experiments=experiments, **fields)
    popen = bench.start("run", name)
    wait_for(lambda: bench.trials, "the training")
    return popen


def keepers(popen: subprocess.Popen[str]) -> list[processes.ProcessInfo]:
    return [p for p in processes.descendants([popen.pid]) if "privileged_helper.py" in p.command]


def children(popen: subprocess.Popen[str]) -> list[int]:
    found = [p.pid for p in processes.descendants([popen.pid])]
    assert len(found) > 1
    return found


def held_files(pid: int) -> list[str]:
    held = []
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                held.append(os.readlink(entry))
    return held


def kill(popen: subprocess.Popen[str]) -> None:
    popen.kill()
    popen.communicate(timeout=DEADLINE_SECONDS)


# -- the governor ----------------------------------------------------------------------------


@pytest.mark.records
def test_a_killed_energyctl_leaves_no_governor_behind(bench: Bench, cpu: Path) -> None:
    popen = running(bench, governor="performance")
    assert cpu.read_text() == "performance"
    (keeper,) = keepers(popen)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # a session that is ended
        keeper.signal(signum)
    kill(popen)
    wait_for(lambda: cpu.read_text() == "powersave", "the governor", 5)
    wait_for(lambda: processes.identify(keeper.pid) != keeper, "the keeper to end", 5)
    assert restoring.abandoned() == []
    assert bench.run("stop").returncode == 0


@pytest.mark.records
@pytest.mark.parametrize("command", ["resume", "stop"])
def test_where_the_keeper_was_killed_too_the_next_command_puts_the_governor_back(
    bench: Bench, cpu: Path, command: str
) -> None:
    popen = running(bench, governor="performance")
    (keeper,) = keepers(popen)
    keeper.signal(signal.SIGKILL)
    kill(popen)
    assert cpu.read_text() == "performance"
    named = bench.run("models", "--json")
    assert "governor" in named.stderr
    assert "sudo energyctl stop" in named.stderr
    assert cpu.read_text() == "performance"
    done = bench.run(command)
    assert done.returncode == 0, done.stderr
    assert "put back as before a crash: governor powersave" in done.stdout
    assert cpu.read_text().strip() == "powersave"
    if command == "resume":
        assert [r["status"] for r in bench.results()] == ["interrupted", "succeeded"]
    assert str(bench.root) not in bench.run("models").stderr


@pytest.mark.records
def test_a_campaign_that_ends_leaves_neither_keeper_nor_records(bench: Bench, cpu: Path) -> None:
    popen = running(bench, governor="performance")
    (keeper,) = keepers(popen)
    lock = bench.env["ENERGYCTL_LOCK"]  # a crash frees it: nobody else holds it open
    holders = [p for p in (popen.pid, *children(popen)) if lock in held_files(p)]
    assert holders == [popen.pid]
    owner = read_owner(bench.runtime)
    assert owner is not None
    assert (owner.pid, owner.workspace) == (popen.pid, str(bench.root))
    assert owner.process is not None
    popen.send_signal(signal.SIGINT)
    popen.communicate(timeout=DEADLINE_SECONDS)
    assert cpu.read_text() == "powersave"
    assert processes.identify(keeper.pid) is None
    assert not bench.runtime.exists()


# -- processes -------------------------------------------------------------------------------


@contextlib.contextmanager
def process(name: str = "sleep", **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that sleeps, as *name*."""
    env = {**os.environ, **environment}
    with subprocess.Popen([name, "1000"], executable="/bin/sleep", env=env) as popen:
        try:
            yield popen
        finally:
            popen.kill()


def crashed(bench: Bench, cgroup: Cgroup | None = None, pid: int = DEAD, ticks: int = 1) -> Path:
    """The private folder of an energyctl that is dead."""
    runtime = runtime_folder(bench.root, invoking_user())
    folder = str(cgroup.folder) if cgroup else None
    write_owner(runtime, bench.root, pid=pid, ticks=ticks, cgroup=folder)
    return runtime


def of(runtime: Path) -> list[leftovers.Leftover]:
    """What is left in one private folder; others on this machine may have some, too."""
    marked = {p.pid for p in processes.marked(lambda marker: marker.startswith(NONCE))}
    return [left for left in leftovers.find_leftovers(invoking_user()) if left.pid in marked]


def test_every_command_names_what_is_left_and_stop_ends_it(bench: Bench) -> None:
    crashed(bench)
    marker, other = f"{NONCE}/E/background", f"{NONCE[:-1]}/E/background"
    plan = bench.settings(experiments=[{"mode": "default", "repo": "front", "model": "small"}])
    with process(ENERGYCTL_RUN=marker) as left, process(ENERGYCTL_RUN=other) as stranger:
        line = f"pid {left.pid} sleep 1000 (it carries the marker of a run)"
        cure = f"end it with: energyctl -C {bench.root} stop"
        for command in (["plan", plan, "--json"], ["meter", "--", "true"]):
            done = bench.run(*command)
            assert done.returncode == 0
            assert done.stderr.count(line) == done.stderr.count(cure) == 1
            assert str(stranger.pid) not in done.stderr
            assert "left by" not in done.stdout
        assert bench.run("plan", "--help").stderr == ""
        found = json.loads(bench.run("status", "--json").stdout)["leftovers"]
        assert [one for one in found if one["workspace"] == str(bench.root)] == [
            {
                "pid": left.pid,
                "command": "sleep 1000",
                "workspace": str(bench.root),
                "why": "it carries the marker of a run",
                "cure": None,
            }
        ]
        assert f"pid {left.pid} sleep 1000" in bench.run("status").stdout
        stopped = bench.run("stop")
        assert stopped.stdout == f"ended pid {left.pid} sleep 1000\nnothing is left\n"
        assert left.wait(10) == -signal.SIGTERM
        assert stranger.poll() is None
    assert str(bench.root) not in bench.run("plan", plan).stderr


def test_what_outlives_energyctl_supervisord_and_launchers_is_named_and_ended(
    bench: Bench,
) -> None:
    background = {"hyperparameters": {"seconds": 60.0, "behaviour": "daemon"}}
    background |= {"repo": "back", "model": "large"}
    foreground = {"hyperparameters": {"seconds": 60.0}}
    popen = bench.start("run", bench.parallel(foreground=foreground, background=background))
    wait_for(lambda: any("sleep 1000" in line for line in bench.alive()), "the daemon")
    popen.send_signal(signal.SIGSTOP)  # all of them die in one instant
    below = [p for p in processes.descendants([popen.pid]) if "sleep 1000" not in p.command]
    for signum in (signal.SIGSTOP, signal.SIGKILL):
        for process in below:
            process.signal(signum)
    kill(popen)
    named = bench.run("models", "--json")
    assert "sleep 1000" in named.stderr
    assert f"energyctl -C {bench.root} stop" in named.stderr
    assert json.loads(named.stdout)
    stopped = bench.run("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert stopped.stdout.endswith("nothing is left\n")
    assert bench.alive() == []


def test_a_start_ends_what_is_left_and_says_so(bench: Bench) -> None:
    crashed(bench)
    name = bench.settings(experiments=[{"mode": "default", "repo": "front", "model": "small"}])
    with process(ENERGYCTL_RUN=f"{NONCE}/E/foreground") as left:
        done = bench.run("run", name)
        assert left.wait(10) == -signal.SIGTERM
    assert done.returncode == 0
    assert str(bench.root) not in done.stderr
    said = f"left by a crash, before the start: ended pid {left.pid} sleep 1000"
    assert said in done.stdout
    assert said in bench.results()[0]["warnings"]


def test_what_a_campaign_that_lives_has_running_is_no_leftover(bench: Bench) -> None:
    own = processes.identify(os.getpid())
    assert own is not None
    runtime = crashed(bench, pid=own.pid, ticks=own.ticks)
    with process(ENERGYCTL_RUN=f"{NONCE}/E/background"):
        assert of(runtime) == []
        crashed(bench, pid=own.pid, ticks=own.ticks + 1)  # another had this pid before
        assert len(of(runtime)) == 1
        write_owner(runtime, bench.root, pid=own.pid, ticks=own.ticks, boot="of yesterday")
        assert len(of(runtime)) == 1
        write_owner(runtime, bench.root, pid=own.pid, ticks=own.ticks, namespace="pid:[1]")
        assert len(of(runtime)) == 1
    remove_runtime_folder(runtime)


def test_a_process_that_hides_its_marker_is_found_by_its_cgroup(bench: Bench) -> None:
    name = runtime_path(bench.root, invoking_user()).name
    cgroup = cgroups.make(cgroups.named(name))
    if cgroup is None:
        pytest.skip("no cgroup can be made here")
    crashed(bench, cgroup)
    with process() as left:
        cgroup.part("background").add(left.pid)
        found = bench.run("models", "--json")
        assert f"pid {left.pid} sleep 1000 (it is in the cgroup of a campaign)" in found.stderr
        assert bench.run("stop").returncode == 0
        assert left.wait(10) == -signal.SIGTERM
    assert not cgroup.folder.exists()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "[]",
        "{}",
        '{"pid": "1", "ticks": 1}',
        '{"pid": 1, "ticks": null, "workspace": 5}',
        '{"pid": -1, "ticks": 1, "user": "", "workspace": "", "campaign": "", "since": 0}',
        '{"pid": 1, "ticks": 1, "user": "", "workspace": "", "campaign": "", "nonce": ""}',
        "[" * 100_000,
    ],
)
def test_a_damaged_record_of_the_owner_spoils_no_command(bench: Bench, record: str) -> None:
    runtime = crashed(bench)
    (runtime / "owner.json").write_text(record)
    with process(ENERGYCTL_RUN=f"{NONCE}/E/background") as stranger:
        with process(ENERGYCTL_RUN="/E/background") as other:
            assert of(runtime) == []
            assert bench.run("stop").stdout == "nothing is running\n"
            assert other.poll() is None
        assert stranger.poll() is None
    assert not runtime.exists()


def test_the_cgroup_in_a_record_must_be_one_of_ours(bench: Bench) -> None:
    runtime = crashed(bench, Cgroup(Path("/sys/fs/cgroup")))
    assert leftovers.cgroup_of(runtime) is None
    crashed(bench, Cgroup(Path(f"/sys/fs/cgroup/../../../tmp/energyctl-{runtime.name}-1")))
    assert leftovers.cgroup_of(runtime) is None
    remove_runtime_folder(runtime)


def test_a_name_cannot_play_tricks_on_the_terminal(bench: Bench) -> None:
    runtime = crashed(bench)
    marker = f"{NONCE}/E/background"
    with process("\x1b[2Jsleep\r\n", ENERGYCTL_RUN=marker):
        wait_for(lambda: of(runtime), "the process")
        (found,) = of(runtime)
        assert found.sentence().isprintable()
    remove_runtime_folder(runtime)
