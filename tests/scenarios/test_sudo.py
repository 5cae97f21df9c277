"""Under sudo: root reads counters and sets the governor; all else is done as who called it."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import DEADLINE_SECONDS, Bench, open_way, python_for, wait_for
from energyctl.background import templates
from energyctl.campaign.journal import Journal
from energyctl.campaign.observer import Observer, View
from energyctl.campaign.status_file import StatusFile
from energyctl.campaign.stop import stop_job
from energyctl.errors import SettingsError
from energyctl.results.folder import ResultsFolder
from energyctl.system import processes
from energyctl.system.private_folder import remove_runtime_folder, runtime_folder
from energyctl.system.user import User, invoking_user

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
    bench.env |= {**SUDO, "ENERGYCTL_CPUFREQ": str(tmp_path / "cpus")}
    return bench


def test_all_that_a_campaign_makes_and_starts_is_the_users(lent: Bench, user: User) -> None:
    foreground = {"hyperparameters": {"seconds": 5.0}}
    popen = lent.start("run", lent.parallel(foreground=foreground, governor="performance"))
    wait_for(lambda: any(t["role"] == "foreground" for t in lent.trials), "the foreground")
    below = processes.descendants([popen.pid])
    (keeper,) = [p for p in below if "governor_keeper.py" in p.command]
    assert status_of(keeper.pid, "Uid") == [0] * 4
    others = [p for p in below if p != keeper]
    assert any("supervisord" in p.command for p in others)
    for process in others:
        assert status_of(process.pid, "Uid") == [user.uid] * 4, process.command
        assert status_of(process.pid, "Gid") == [user.gid] * 4, process.command
        assert set(status_of(process.pid, "Groups")) <= {user.gid, *user.groups}
    private = list(lent.runtime.rglob("*"))
    assert {"owner.json", "governor.json", "supervisor.sock", "environment"} <= {
        path.name for path in private
    }
    assert {owner(path) for path in (lent.runtime.parent, lent.runtime, *private)} == {user.uid}
    shown = subprocess.run(
        [lent.python, "-m", "supervisor.supervisorctl", "status"],
        cwd=lent.root,
        env={k: v for k, v in lent.env.items() if k not in SUDO},
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "back_large" in shown.stdout
    out, err = popen.communicate(timeout=DEADLINE_SECONDS)
    assert popen.returncode == 0, out + err
    made = [lent.root / "supervisord.conf", *(lent.root / "results").rglob("*")]
    assert {owner(path) for path in made} == {user.uid}
    assert not lent.runtime.exists()


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


@pytest.mark.alone
def test_stop_ends_what_is_left_of_the_user(lent: Bench, user: User) -> None:
    runtime = runtime_folder(lent.root, user)
    record = {"pid": 2**22 + 1, "ticks": 1, "user": user.name, "workspace": str(lent.root)}
    record |= {"campaign": "night", "since": 0.0, "cgroup": None}
    (runtime / "owner.json").write_text(json.dumps(record))
    environment = {**os.environ, "ENERGYCTL_RUN": f"{runtime.name}/E/foreground"}
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
    runtime = runtime_folder(lent.root, user, job)
    record = {"pid": 2**22 + 1, "ticks": 1, "user": user.name, "workspace": str(lent.root)}
    record |= {"campaign": "night", "since": 0.0, "cgroup": None, "job": job}
    (runtime / "owner.json").write_text(json.dumps(record))
    python = home / "python"  # one that has energyctl in isolated mode, too
    path = lent.env.get("PYTHONPATH", "")
    python.write_text(f'#!/bin/sh\nshift; PYTHONPATH={path} exec {lent.python} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    for name in SUDO:
        monkeypatch.delenv(name)
    environment = {**os.environ, "ENERGYCTL_RUN": f"{runtime.name}/E/foreground"}
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
    runtime_folder(lent.root, user, job)
    try:
        assert stop_job(job) == ([], [f"as {user.name}: no way"])
    finally:
        remove_runtime_folder(runtime)


# -- links that the user planted --------------------------------------------------------------


class Quiet(Observer):
    def view(self, view: View) -> None:
        pass


def test_root_is_not_led_through_a_link_in_a_folder_of_the_user(
    home: Path, victim: Path, user: User
) -> None:
    folder = ResultsFolder(home, user)
    for name in (f".E.json.{os.getpid()}.tmp", "journal.jsonl", "state.new"):
        (home / name).symlink_to(victim)
    folder.write(home / "E.json", "{}")
    assert owner(home / "E.json") == user.uid
    with pytest.raises(PermissionError):
        Journal(home / "journal.jsonl", folder).append("started")
    view = View(1, "E", "t", 1, "idle", 0.0, {}, False, (), "")
    StatusFile(Quiet(), home / "state.json", 1, home, user.acting).view(view)
    assert not (home / "state.json").exists()


def test_root_is_not_led_into_a_folder_that_the_user_put_in_the_place_of_another(
    home: Path, victim: Path, user: User
) -> None:
    (home / "results").symlink_to(victim.parent)
    victim.parent.chmod(0o755)
    with pytest.raises(PermissionError):
        ResultsFolder(home / "results", user).write(home / "results" / "victim", "{}")
    with pytest.raises(PermissionError):
        ResultsFolder(home / "results", user).make(home / "results" / "new")
    user.own_all(home)
    assert owner(victim.parent) == 0


def test_where_only_root_can_write_it_writes_and_gives_the_file_away(
    tmp_path: Path, user: User
) -> None:
    tmp_path.chmod(0o700)
    ResultsFolder(tmp_path, user).write(tmp_path / "E.json", "{}")
    assert owner(tmp_path / "E.json") == user.uid


@pytest.mark.parametrize("trick", ["''.__class__.__mro__", "cycler.__init__.__globals__.os"])
def test_a_template_of_the_user_runs_no_code(tmp_path: Path, trick: str) -> None:
    template = tmp_path / "background.sh.j2"
    template.write_text(f"{{{{ {trick} }}}}")
    with pytest.raises(SettingsError, match="unsafe"):
        templates.render_template(template, {}, script=True)


def test_acting_as_the_user_ends_with_its_block(home: Path, victim: Path, user: User) -> None:
    with pytest.raises(PermissionError), user.acting():
        victim.read_text()
    with user.acting(), user.acting():
        pass
    assert victim.read_text() == "root's\n"
    with user.acting():
        (home / "mine").touch()
    assert owner(home / "mine") == user.uid
