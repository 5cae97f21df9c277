"""Under sudo: root reads counters and sets the machine; all else is done as who called it."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import energyctl
from bench import (
    DEADLINE_SECONDS,
    NONCE,
    Bench,
    open_way,
    python_for,
    wait_for,
    write_owner,
)
from energyctl.background import templates
from energyctl.campaign.stop import stop_job
from energyctl.errors import MachineError, SettingsError
from energyctl.system import processes
from energyctl.system.private_folder import remove_runtime_folder, runtime_path
from energyctl.system.user import User, invoking_user
from hardware.nvml import build

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can act for another user")

NOBODY = pwd.getpwnam("nobody")
SUDO = {"SUDO_UID": str(NOBODY.pw_uid), "SUDO_GID": str(NOBODY.pw_gid)}


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    """Who called sudo."""
    for name, value in SUDO.items():
        monkeypatch.setenv(name, value)
    before = os.getgroups()
    yield invoking_user()
    os.setgroups(before)


@pytest.fixture
def home(tmp_path: Path, user: User) -> Path:
    """A folder of that user, with a way to it."""
    open_way(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, user.uid, user.gid)
    return home


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A file of root's; the test fails where it is changed."""
    victim = tmp_path / "victim"
    victim.write_text("root's\n")
    victim.chmod(0o600)
    before = victim.stat()
    yield victim
    after = victim.stat()
    assert victim.read_text() == "root's\n"
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)


# -- a run -----------------------------------------------------------------------------------


def owner(path: Path) -> int:
    return path.lstat().st_uid


def status_of(pid: int, field: str) -> list[int]:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return [int(word) for word in line.split()[1:]]
    raise AssertionError(field)


@pytest.fixture
def lent(bench: Bench, home: Path, tmp_path: Path, user: User) -> Bench:
    """A bench whose workspace is the user's, under sudo."""
    bench.python = python_for(NOBODY, bench.env)
    for script in (bench.root / "repos").rglob("train.sh"):
        first = script.read_text().partition("\n")[0]
        script.write_text(script.read_text().replace(first, f"#!{bench.python} -S", 1))
    for path in (bench.root, *bench.root.rglob("*")):
        os.chown(path, user.uid, user.gid)
    trials = Path(bench.env["TRIALS"])
    trials.touch()
    trials.chmod(0o666)
    folder = tmp_path / "cpus" / "cpu0" / "cpufreq"
    folder.mkdir(parents=True)
    (folder / "scaling_available_governors").write_text("performance powersave\n")
    (folder / "scaling_governor").write_text("powersave\n")
    lock = home / "lock"
    bench.env |= {**SUDO, "ENERGYCTL_CPUFREQ": str(tmp_path / "cpus"), "ENERGYCTL_LOCK": str(lock)}
    return bench


def without_sudo(
    lent: Bench, user: User, module: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE …`, called by that user."""
    return subprocess.run(
        [lent.python, "-m", module, *arguments],
        cwd=lent.root,
        env={name: value for name, value in lent.env.items() if name not in SUDO},
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_that_a_campaign_makes_and_starts_is_the_users(lent: Bench, user: User) -> None:
    foreground = {"hyperparameters": {"seconds": 5.0}}
    told = ["sh", "-c", "env | grep -c SUDO_ > told; id -u >> told"]
    name = lent.parallel(foreground=foreground, governor="performance", notify=told)
    popen = lent.start("run", name, "--textfile", str(lent.root))
    wait_for(lambda: any(t["role"] == "foreground" for t in lent.trials), "the foreground")
    wait_for((lent.root / "energyctl.prom").exists, "the metrics")
    assert owner(lent.root / "energyctl.prom") == user.uid
    below = processes.descendants([popen.pid])
    (helper,) = [p for p in below if "privileged_helper.py" in p.command]
    assert status_of(helper.pid, "Uid") == [0] * 4
    others = [p for p in below if p != helper]
    assert any("supervisord" in p.command for p in others)
    for process in (processes.identify(popen.pid), *others):
        assert process is not None
        assert status_of(process.pid, "Uid") == [user.uid] * 4, process.command
        assert status_of(process.pid, "Gid") == [user.gid] * 4, process.command
        assert set(status_of(process.pid, "Groups")) <= {user.gid, *user.groups}
    private = list(lent.runtime.rglob("*"))
    assert {"owner.json", "supervisor.sock", "environment"} <= {path.name for path in private}
    assert {owner(path) for path in (lent.runtime.parent, lent.runtime, *private)} == {user.uid}
    assert "back_large" in without_sudo(lent, user, "supervisor.supervisorctl", "status").stdout
    out, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 0, out + err
    assert (lent.root / "told").read_text().split() == ["0", str(user.uid)]
    made = [lent.root / "supervisord.conf", *(lent.root / "results").rglob("*")]
    assert {owner(path) for path in made} == {user.uid}
    assert not lent.runtime.exists()


def set_on(gpus: Path) -> dict[str, str]:
    """What the stand-in for the driver was asked for: milliwatts, MHz; 0: no lock."""
    return {path.name: path.read_text() for path in gpus.glob("*_[01]")}


def test_power_limit_and_clock_are_set_for_the_run_and_put_back(
    lent: Bench, tmp_path: Path, user: User
) -> None:
    """The helper, which sets them, is told of the environment where the library is, no more."""
    (tmp_path / "gpus").mkdir()
    gpus = build(tmp_path / "gpus")
    lent.env |= {"LD_LIBRARY_PATH": str(gpus), "FAKE_GPUS": "2"}
    training = {"repo": "front", "model": "small", "hyperparameters": {"seconds": 60.0}}
    wanted = {"governor": "performance", "gpu_power_limit_watts": 250, "gpu_clock_mhz": 1200}
    name = lent.settings(experiments=[{**training, "mode": "default"}], **wanted)
    popen = lent.start("run", name)
    wait_for(lambda: lent.trials, "the training")
    (trial,) = lent.trials
    assert status_of(trial["pid"], "Uid") == [user.uid] * 4
    limits, clocks = (
        {"limit_0": "250000", "limit_1": "250000"},
        {"clock_0": "1200", "clock_1": "1200"},
    )
    assert set_on(gpus) == limits | clocks
    assert {owner(path) for path in gpus.glob("*_[01]")} == {0}
    lent.end_trainings()
    out, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 0, out + err
    assert "set: governor performance, gpu_power_limit_watts 250, gpu_clock_mhz 1200" in out
    assert set_on(gpus) == dict.fromkeys(limits, "350000") | dict.fromkeys(clocks, "0")
    (governor,) = (tmp_path / "cpus").rglob("scaling_governor")
    assert governor.read_text() == "powersave"
    (result,) = lent.results()
    said = result["machine_settings"]
    assert {what: told["requested"] for what, told in said.items()} == wanted
    limit = said["gpu_power_limit_watts"]["gpus"]
    assert [(gpu["before"], gpu["enforced"]) for gpu in limit] == [(350.0, 250.0)] * 2
    assert [gpu["index"] for gpu in said["gpu_clock_mhz"]["gpus"]] == [0, 1]
    made = [*(lent.root / "results").rglob("*")]
    assert {owner(path) for path in made} == {user.uid}


def test_working_folders_are_made_and_kept_as_the_user(lent: Bench, user: User) -> None:
    """Root would write where a link of the user's clone points."""
    path = lent.root / "settings" / "models_config.json"
    registry = json.loads(path.read_text())
    kind = {"kind": "links", "writes": ["out"]}
    for entry in registry["models"].values():
        entry |= {"workspace": kind, "outputs": {"keep": ["out/*"]}}
        del entry["train_script"], entry["model_flag"]
        program = 'id -u > out/who; exec ./train.sh "$@"'
        entry["command"] = ["/bin/sh", "-c", program, "{model}", "{params}"]
    path.write_text(json.dumps(registry))
    done = lent.run("run", lent.parallel())
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = lent.results()
    kept = lent.root / "results" / result["foreground_result"]["outputs"]
    assert int((kept / "out" / "who").read_text()) == user.uid
    assert {owner(made) for made in (lent.root / "results").rglob("*")} == {user.uid}
    assert list((lent.root / "results").glob("work_*")) == []


def private(lent: Bench, user: User, job: str = "") -> Path:
    """The private folder of that user, as an energyctl of theirs makes it."""
    runtime = runtime_path(lent.root, user, job)
    for folder in (runtime.parent, runtime):
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, user.uid, user.gid)
    return runtime


def test_stop_ends_what_is_left_of_the_user(lent: Bench, user: User) -> None:
    runtime = private(lent, user)
    write_owner(runtime, lent.root)
    environment = {**os.environ, "ENERGYCTL_RUN": f"{NONCE}/E/foreground"}
    with subprocess.Popen(
        ["sleep", "1000"], env=environment, user=user.uid, group=user.gid, extra_groups=[]
    ) as left:
        try:
            assert f"pid {left.pid} sleep 1000" in lent.run("models", "--json").stderr
            stopped = lent.run("stop")
            assert f"ended pid {left.pid} sleep 1000" in stopped.stdout
            assert left.wait(10)
        finally:
            left.kill()
    assert not runtime.exists()


def test_an_epilog_ends_a_job_of_each_user_with_that_users_rights(
    lent: Bench, home: Path, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = f"9{os.getpid()}"
    runtime = private(lent, user, job)
    write_owner(runtime, lent.root, job=job)
    python = home / "python"  # one that has energyctl in isolated mode, too
    path = lent.env.get("PYTHONPATH", "")
    python.write_text(f'#!/bin/sh\nshift; PYTHONPATH={path} exec {lent.python} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    for name in SUDO:
        monkeypatch.delenv(name)
    environment = {**os.environ, "ENERGYCTL_RUN": f"{NONCE}/E/foreground"}
    with subprocess.Popen(
        ["sleep", "1000"], env=environment, user=user.uid, group=user.gid, extra_groups=[]
    ) as left:
        try:
            assert stop_job(job) == ([f"ended pid {left.pid} sleep 1000"], [])
            assert left.wait(10)
        finally:
            left.kill()
    assert not runtime.exists()
    python.write_text("#!/bin/sh\necho ended pid 1; echo no way >&2; exit 1\n")
    private(lent, user, job)
    try:
        assert stop_job(job) == ([], [f"as {user.name}: no way"])
    finally:
        remove_runtime_folder(runtime)


def test_a_lock_that_the_user_may_not_make_is_told(lent: Bench, tmp_path: Path) -> None:
    lent.env["ENERGYCTL_LOCK"] = str(tmp_path / "lock")
    done = lent.run("run", lent.parallel())
    assert done.returncode == MachineError.exit_code
    assert f"cannot open the lock {tmp_path / 'lock'}: Permission denied" in done.stderr


def test_counters_of_root_are_read_though_root_was_given_up(
    lent: Bench, tmp_path: Path, user: User
) -> None:
    zone = tmp_path / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in (("name", "package-0"), ("energy_uj", "5"), ("max_energy_range_uj", "9")):
        (zone / name).write_text(text)
    (zone / "energy_uj").chmod(0o400)
    lent.env["ENERGYCTL_POWERCAP"] = str(tmp_path / "powercap")
    done = lent.run("doctor", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["meters"]
    (row,) = [row for row in rows if row["source"] == "powercap"]
    assert row["readable"]
    told = without_sudo(lent, user, "energyctl", "doctor", "--json")
    assert told.returncode == 0, told.stderr
    (row,) = [row for row in json.loads(told.stdout)["meters"] if row["source"] == "powercap"]
    assert not row["readable"]


# -- for good ---------------------------------------------------------------------------------

BECOME = """
import json, os, sys
from energyctl.system import privileges
privileges.give_up(control=True, before=lambda: open(sys.argv[1]).close())
refused = []
for attempt in (
    lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgroups([0]),
    lambda: open(sys.argv[1]), lambda: os.kill(int(sys.argv[2]), 0),
):
    try:
        attempt()
    except PermissionError:
        refused.append(True)
print(json.dumps({
    "refused": len(refused), "ids": [*os.getresuid(), *os.getresgid()],
    "groups": os.getgroups(), "sudo": [n for n in os.environ if n.startswith("SUDO")],
    "home": os.environ["HOME"], "helper": privileges.helper().ask("governor", "../x"),
    "capabilities": [
        line for line in open("/proc/self/status")
        if line.startswith(("CapPrm", "CapEff", "CapAmb"))
    ],
}))
"""


def test_what_was_given_up_cannot_be_had_again(victim: Path, home: Path, user: User) -> None:
    open_way(victim.parent)
    env = dict(os.environ)
    python = python_for(NOBODY, env)
    done = subprocess.run(
        [python, "-c", BECOME, victim, str(os.getpid())], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["refused"] == 5
    assert said["ids"] == [user.uid] * 3 + [user.gid] * 3
    assert set(said["groups"]) == set(user.groups)
    assert said["sudo"] == []
    assert said["home"] == user.home
    assert said["helper"] == "not understood"
    assert {line.split()[1] for line in said["capabilities"]} == {"0" * 16}


def test_root_writes_nothing_into_the_installation(tmp_path: Path, user: User) -> None:
    """What root would compile there could be cut off by limits of the user's."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "energyctl", "--version"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = {path.name.partition(".")[0] for path in tmp_path.rglob("energyctl/**/*.pyc")}
    assert written <= {"__init__", "__main__"}  # compiled before any code of ours runs


def test_an_installation_that_the_user_cannot_read_is_told(tmp_path: Path, user: User) -> None:
    (tmp_path / "hidden").mkdir(mode=0o700)
    (tmp_path / "hidden" / "energyctl").symlink_to(Path(energyctl.__file__).parent)
    open_way(tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "hidden")}
    command = [sys.executable, "-m", "energyctl", "plan", "x.json"]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == MachineError.exit_code
    assert done.stderr.count("\n") == 1
    assert "install it where all users can read it" in done.stderr


@pytest.mark.parametrize("trick", ["''.__class__.__mro__", "cycler.__init__.__globals__.os"])
def test_a_template_of_the_user_runs_no_code(tmp_path: Path, trick: str) -> None:
    template = tmp_path / "background.sh.j2"
    template.write_text(f"{{{{ {trick} }}}}")
    with pytest.raises(SettingsError, match="unsafe"):
        templates.render_template(template, {}, script=True)
