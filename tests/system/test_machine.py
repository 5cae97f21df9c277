"""The lock, the governor, the private folder and the invoking user."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import wait_for
from energyctl.campaign.facts import machine_facts
from energyctl.errors import MachineError
from energyctl.system.lock import lock, lock_holder, refuse_if_held
from energyctl.system.private_folder import remove_runtime_folder, runtime_folder
from energyctl.system.user import give_to_caller, invoking_user, sudo_caller

NOBODY = pwd.getpwnam("nobody")
ME = invoking_user()
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")

HOLD = """\
import sys, time
from pathlib import Path
from energyctl.system.lock import lock
with lock("night shift", Path("/srv/lab")):
    print("held", flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "lock"
    monkeypatch.setenv("ENERGYCTL_LOCK", str(path))
    return path


@pytest.fixture
def holder(lock_file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the machine."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout is not None
        try:
            assert popen.stdout.readline() == "held\n"
            yield popen
        finally:
            popen.kill()


def test_the_second_campaign_is_told_who_holds_the_machine(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with pytest.raises(MachineError) as caught, lock("mine", tmp_path):
        pytest.fail("two hold the machine")
    for said in ("night shift", f"pid {holder.pid}", ME.name, "since 20"):
        assert said in str(caught.value)
    with pytest.raises(MachineError, match="night shift"):
        refuse_if_held()
    found = lock_holder()
    assert found is not None
    assert (found["pid"], found["workspace"]) == (holder.pid, "/srv/lab")


def test_a_lock_is_free_again_when_its_holder_was_killed(
    holder: subprocess.Popen[str], lock_file: Path, tmp_path: Path
) -> None:
    holder.kill()
    holder.wait(10)
    assert "night shift" in lock_file.read_text()  # stale, and nobody is misled by it
    assert lock_holder() is None
    refuse_if_held()
    with lock("mine", tmp_path):
        assert "mine" in lock_file.read_text()


def test_a_lock_is_free_after_its_block_and_after_an_error(tmp_path: Path, lock_file: Path) -> None:
    assert lock_holder() is None
    with pytest.raises(RuntimeError), lock("mine", tmp_path):
        raise RuntimeError
    assert lock_holder() is None
    with lock("mine", tmp_path):
        assert lock_holder()


def test_looking_at_the_lock_does_not_take_it_away_from_a_campaign(
    tmp_path: Path, lock_file: Path
) -> None:
    """`status` may look in the very instant in which a campaign begins."""
    lock_file.touch()
    looking = tmp_path / "looking"
    code = (
        "from pathlib import Path\nfrom energyctl.system.lock import lock_holder\n"
        f"lock_holder()\nPath({str(looking)!r}).touch()\n"
        "while True: lock_holder()"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as looker:
        try:
            wait_for(looking.exists, "the looker")
            for _ in range(200):
                with lock("mine", tmp_path):
                    pass
            assert looker.poll() is None
        finally:
            looker.kill()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1]", "\0\0\0", "null", '{"since": 5}', '{"since": "x"}', '{"since": 1e99}'],
)
def test_a_damaged_note_of_the_holder_is_still_a_clear_message(
    holder: subprocess.Popen[str], lock_file: Path, tmp_path: Path, text: str
) -> None:
    lock_file.write_text(text)
    with pytest.raises(MachineError, match="another campaign holds this machine: 'unknown'"):
        refuse_if_held()


def test_a_lock_that_cannot_be_opened_is_a_machine_error(lock_file: Path, tmp_path: Path) -> None:
    lock_file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MachineError, match="cannot open the lock"), lock("m", tmp_path):
        pytest.fail("it followed a link")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("place", ["/proc/energyctl.lock", "/dev", "/nowhere/lock"])
def test_a_place_that_can_hold_no_lock_is_told_with_the_way_to_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str
) -> None:
    monkeypatch.setenv("ENERGYCTL_LOCK", place)
    with (
        pytest.raises(MachineError, match=f"cannot open the lock {place}: .*ENERGYCTL_LOCK"),
        lock("mine", tmp_path),
    ):
        pytest.fail("it holds nothing")


def test_the_lock_file_is_for_every_user_whatever_the_umask(
    tmp_path: Path, lock_file: Path
) -> None:
    before = os.umask(0o077)
    try:
        with lock("mine", tmp_path):
            assert lock_file.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    folder = runtime_folder(tmp_path, ME)
    yield folder
    remove_runtime_folder(folder)
    assert not folder.exists()


# -- the private folder ----------------------------------------------------------------------


def test_the_private_folder_is_private_and_the_same_by_any_path(
    private: Path, tmp_path: Path
) -> None:
    assert private.stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(tmp_path)
    assert runtime_folder(tmp_path / "link", ME) == private
    assert runtime_folder(tmp_path, ME) == private


def test_a_private_folder_that_others_may_read_is_refused(private: Path, tmp_path: Path) -> None:
    private.chmod(0o750)
    with pytest.raises(MachineError, match="is not a private folder of"):
        runtime_folder(tmp_path, ME)
    private.chmod(0o700)


def test_a_link_in_the_place_of_the_private_folder_is_refused(
    private: Path, tmp_path: Path
) -> None:
    private.rmdir()
    private.symlink_to(tmp_path)
    with pytest.raises(MachineError, match=f"{private} is not a private folder"):
        runtime_folder(tmp_path, ME)
    private.unlink()


@as_root
def test_a_private_folder_of_someone_else_is_refused(private: Path, tmp_path: Path) -> None:
    os.chown(private, NOBODY.pw_uid, NOBODY.pw_gid)
    with pytest.raises(MachineError, match=r"another user .*ENERGYCTL_PRIVATE=DIR, or ask"):
        runtime_folder(tmp_path, ME)


def test_removing_the_private_folder_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    folder = tmp_path / "top" / "private"
    (folder / "conf.d").mkdir(parents=True)
    (folder / "conf.d" / "link").symlink_to(outside)
    (folder / "file").write_text("x")
    remove_runtime_folder(folder)
    assert not folder.parent.exists()
    assert (outside / "kept").is_dir()


# -- the invoking user -----------------------------------------------------------------------


@as_root
@as_root
def test_under_sudo_the_user_is_who_called_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(NOBODY.pw_uid))
    monkeypatch.setenv("SUDO_GID", str(NOBODY.pw_gid))
    user = invoking_user()
    assert user == sudo_caller()
    assert (user.uid, user.gid, user.name) == (NOBODY.pw_uid, NOBODY.pw_gid, "nobody")
    assert user.home == NOBODY.pw_dir
    assert NOBODY.pw_gid in user.groups


@pytest.mark.parametrize("uid", ["", "0", "x", "-1"])
def test_without_sudo_the_user_is_the_one_of_this_process(
    monkeypatch: pytest.MonkeyPatch, uid: str
) -> None:
    monkeypatch.setenv("SUDO_UID", uid)
    assert sudo_caller() is None
    assert invoking_user().uid == os.getuid()


@as_root
def test_files_are_given_to_the_caller_but_never_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", str(NOBODY.pw_uid))
    victim = tmp_path / "victim"
    victim.write_text("root's")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(victim)
    os.link(victim, folder / "hard")
    (folder / "mine").write_text("x")
    for path in (folder, *folder.iterdir(), folder / "gone"):
        give_to_caller(path)
    assert victim.stat().st_uid == 0
    assert (folder / "mine").stat().st_uid == folder.stat().st_uid == NOBODY.pw_uid


def test_facts_are_plain_data_that_json_holds() -> None:
    found = machine_facts()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["memory_bytes"] > 0
    assert found["kernel"]
