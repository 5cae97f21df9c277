"""The user whom trainings run as and files belong to: under sudo who called it, not root.

Root must not be led astray in folders that this user may change: a name that was looked at may be
a link a moment later. So what energyctl does in them under sudo it does with the rights of that
user (:meth:`User.writing`), and gives away only what it has a descriptor of.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class User:
    """The user whom trainings run as and files belong to."""

    uid: int
    gid: int
    name: str
    home: str
    groups: tuple[int, ...]
    switched: bool
    """True where energyctl runs as root on behalf of this user (sudo)."""

    @property
    def credentials(self) -> dict[str, Any]:
        """Arguments of ``subprocess.Popen`` that make a child run as this user."""
        if not self.switched:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": list(self.groups)}

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """*environ* as this user would have it: under sudo with the user's own HOME and name."""
        env = dict(environ)
        if self.switched:
            env.update(HOME=self.home, USER=self.name, LOGNAME=self.name)
            for name in ("SUDO_USER", "SUDO_UID", "SUDO_GID", "SUDO_COMMAND", "SUDO_HOME"):
                env.pop(name, None)
        return env

    @contextlib.contextmanager
    def acting(self) -> Iterator[None]:
        """What this thread opens, makes and removes in the block, it does as this user.

        The kernel keeps a user for file access apart, by thread (setfsuid(2)).
        """
        if not self.switched:
            yield
            return
        if sorted(os.getgroups()) != sorted(self.groups):
            os.setgroups(self.groups)  # for good: root needs none
        libc = ctypes.CDLL(None)
        group, user = libc.setfsgid(self.gid), libc.setfsuid(self.uid)
        try:
            yield
        finally:
            libc.setfsuid(user)
            libc.setfsgid(group)

    @contextlib.contextmanager
    def writing(self, folder: Path) -> Iterator[None]:
        """:meth:`acting`, but where nobody but root can change *folder* or the way to it."""
        if self.switched and _is_roots(folder):
            yield
            return
        with self.acting():
            yield

    def own(self, path: Path) -> None:
        """Gives *path*, which root has just made, to this user. Never follows a link."""
        if self.switched:
            with contextlib.suppress(FileNotFoundError):
                self._give(path)

    def own_all(self, folder: Path) -> None:
        """:meth:`own` for *folder* and everything in it."""
        if self.switched:
            self.own(folder)
            for _, folders, files, descriptor in os.fwalk(folder):
                for name in (*folders, *files):
                    with contextlib.suppress(FileNotFoundError):
                        self._give(name, descriptor)

    def _give(self, path: Path | str, folder: int | None = None) -> None:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            status = os.fstat(descriptor)
            single = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
            if status.st_uid == 0 and (single or stat.S_ISDIR(status.st_mode)):
                os.chown(f"/proc/self/fd/{descriptor}", self.uid, self.gid)
        finally:
            os.close(descriptor)


def _is_roots(folder: Path) -> bool:
    """Whether only root can change what this path leads to; a link in it may be anyone's."""
    absolute = Path(os.path.abspath(folder))
    if os.path.realpath(absolute) != str(absolute):
        return False
    try:
        statuses = [path.lstat() for path in (absolute, *absolute.parents)]
    except OSError:
        return False
    sticky, others = stat.S_ISVTX, stat.S_IWGRP | stat.S_IWOTH
    return all(
        stat.S_ISDIR(one.st_mode)
        and one.st_uid == 0
        and (not one.st_mode & others or one.st_mode & sticky)
        for one in statuses
    )


def invoking_user() -> User:
    """The user who typed the command: under sudo the one who called it, not root."""
    uid, gid = os.getuid(), os.getgid()
    sudo_uid = os.environ.get("SUDO_UID", "")
    switched = uid == 0 and sudo_uid.isdigit() and int(sudo_uid) != 0
    if switched:
        uid, gid = int(sudo_uid), int(os.environ.get("SUDO_GID", sudo_uid))
    try:
        entry = pwd.getpwuid(uid)
        name, home = entry.pw_name, entry.pw_dir
    except KeyError:  # a container may run with a uid that has no name
        name, home = str(uid), os.environ.get("HOME", "/")
    groups = tuple(os.getgrouplist(name, gid)) if switched and name != str(uid) else (gid,)
    return User(uid, gid, name, home, groups, switched)
