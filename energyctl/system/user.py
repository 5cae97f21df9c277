"""The user whom trainings run as and files belong to: under sudo who called it, not root."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class User:
    """A user as the password database has it; ``groups`` are numbers."""

    uid: int
    gid: int
    name: str
    home: str
    groups: tuple[int, ...]


def invoking_user() -> User:
    """The user who typed the command: under sudo the one who called it, not root."""
    return sudo_caller() or _user(os.getuid(), os.getgid(), os.environ.get("HOME", "/"))


def sudo_caller() -> User | None:
    """Who called sudo, while we are root for them; None without it."""
    uid = os.environ.get("SUDO_UID", "")
    if os.getuid() != 0 or not uid.isdigit() or int(uid) == 0:
        return None
    return _user(int(uid), int(os.environ.get("SUDO_GID", uid)), "/")


def user_of(uid: int) -> User:
    """Raises KeyError where no user has that number."""
    entry = pwd.getpwuid(uid)
    return _user(uid, entry.pw_gid, entry.pw_dir)


def _user(uid: int, gid: int, home: str) -> User:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # a container may run with a uid that has no name
        return User(uid, gid, str(uid), home, (gid,))
    groups = tuple(os.getgrouplist(entry.pw_name, gid))
    return User(uid, gid, entry.pw_name, entry.pw_dir, groups)


def give_to_caller(path: Path) -> None:
    """Gives *path*, which root has just made, to who called sudo. Never follows a link."""
    caller = sudo_caller()
    if caller is None:
        return
    with contextlib.suppress(OSError):  # gone, or a file system without owners
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            file = stat.S_ISREG(status.st_mode) or stat.S_ISSOCK(status.st_mode)
            single = file and status.st_nlink == 1
            if status.st_uid == 0 and (single or stat.S_ISDIR(status.st_mode)):
                os.chown(f"/proc/self/fd/{descriptor}", caller.uid, caller.gid)
        finally:
            os.close(descriptor)
