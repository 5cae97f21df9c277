"""Files where a user wants them: what was there before stays whose it was."""

from __future__ import annotations

import json
import os
import pwd
import stat
from pathlib import Path

import pytest

from energyctl.system.files import Created, read_regular, replace_text
from energyctl.text import json_text

NOBODY = pwd.getpwnam("nobody")

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to others")


@as_root
def test_only_what_was_not_there_before_is_given_to_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_UID", str(NOBODY.pw_uid))
    monkeypatch.setenv("SUDO_GID", str(NOBODY.pw_gid))
    (tmp_path / "old").mkdir()
    for name in ("rows.csv", "notes"):
        (tmp_path / "old" / name).write_text("root's")
    old = Created(tmp_path / "old", ["rows.csv", "sum.txt"])
    new = Created(tmp_path / "a" / "b", ["sum.txt"])
    (tmp_path / "old" / "sum.txt").write_text("")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "sum.txt").write_text("")
    (tmp_path / "a" / "other").write_text("root's")
    old.give_to_caller()
    new.give_to_caller()
    owned = {
        str(path.relative_to(tmp_path))
        for path in tmp_path.rglob("*")
        if path.stat().st_uid == NOBODY.pw_uid
    }
    assert owned == {"old/sum.txt", "a", "a/b", "a/b/sum.txt"}


def test_only_what_was_not_there_before_is_removed(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "rows.csv").write_text("kept")
    old = Created(tmp_path / "old", ["rows.csv", "sum.txt"])
    new = Created(tmp_path / "a" / "b", ["sum.txt"])
    (tmp_path / "old" / "sum.txt").write_text("")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "sum.txt").write_text("")
    old.remove()
    new.remove()
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == [
        "old",
        "old/rows.csv",
    ]


@as_root
def test_a_file_that_is_replaced_keeps_its_owner_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "energy.json"
    path.write_text("old")
    os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)
    path.chmod(0o640)
    before = path.stat()
    replace_text(path, "new")
    after = path.stat()
    assert path.read_text() == "new"
    assert (after.st_uid, after.st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert after.st_ino != before.st_ino


def test_a_file_with_two_names_stays_one(tmp_path: Path) -> None:
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("a much longer text of before")
    os.link(path, other)
    replace_text(path, "new")
    assert other.read_text() == "new"


def test_where_no_new_file_can_be_made_the_old_one_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)  # no room for the name of another one beside it
    path.write_text("a much longer text of before")
    replace_text(path, "new")
    assert path.read_text() == "new"


def test_what_is_no_number_is_null_in_our_json() -> None:
    data = {"a": float("nan"), "b": [1.5, float("inf"), (True, None, -float("inf"))]}
    assert json.loads(json_text(data)) == {"a": None, "b": [1.5, None, [True, None, None]]}


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_an_error_of_the_system(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match="no file can have this name"):
        read_regular(tmp_path / name, 10)
