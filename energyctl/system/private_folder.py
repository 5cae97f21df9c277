"""The private folder of a workspace's daemon: socket, log, links, records."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from energyctl.errors import MachineError
from energyctl.system.user import User, sudo_caller, user_of

ELSEWHERE = "choose another place for private folders: ENERGYCTL_PRIVATE=DIR"


def private_root(user: User) -> Path:
    """Holds the private folders of all workspaces of *user*.

    Not below XDG_RUNTIME_DIR, which goes away when the user logs out in the middle of a campaign.
    """
    return node_local() / f"energyctl-{user.uid}"


def node_local() -> Path:
    """The folder for what is of this machine alone: /tmp, or ENERGYCTL_PRIVATE. Raises
    MachineError where no socket can be there."""
    place = os.environ.get("ENERGYCTL_PRIVATE") or "/tmp"
    if not re.fullmatch(r"/[A-Za-z0-9_./-]{0,50}", place):
        raise MachineError(
            f"ENERGYCTL_PRIVATE={place}: must be a path from /, of at most 51 letters, digits, "
            "dots, dashes and underscores: a socket's path is short"
        )
    return Path(place)


def others_with_folders() -> list[User]:
    """For root: the other users who have private folders on this machine."""
    if os.getuid() != 0:
        return []
    users = []
    for folder in sorted(node_local().glob("energyctl-*")):
        uid = folder.name.removeprefix("energyctl-")
        if uid.isdigit() and int(uid) != os.getuid():
            with contextlib.suppress(OSError, KeyError):
                if folder.lstat().st_uid == int(uid):
                    users.append(user_of(int(uid)))
    return users


@contextlib.contextmanager
def passing_folder() -> Iterator[Path]:
    """An empty folder of this process alone, which is removed with all in it. Raises MachineError.

    Under sudo it stays root's, who removes it; the caller may use what is in it and theirs.
    """
    place = node_local()
    try:
        folder = Path(tempfile.mkdtemp(prefix="energyctl-passing-", dir=place))
    except OSError as error:
        raise unusable(place, error) from error
    try:
        if sudo_caller() is not None:
            folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def inode_of(folder: Path) -> str:
    """What tells it from another folder of the same path; "" where there is none."""
    try:
        status = folder.stat()
    except OSError:
        return ""
    return f"{status.st_dev} {status.st_ino}"


def runtime_path(workspace: Path, user: User, seat: str = "") -> Path:
    """Where the private folder of *workspace*'s daemon is; *seat* names a task of a cluster.

    By its path and its inode: two containers may have the same path, and share /tmp. Short even
    for a deep workspace (a unix socket's path holds 107 characters, unix(7)), and made of letters
    and digits only.
    """
    of = b"\0".join((os.fsencode(workspace.resolve()), inode_of(workspace).encode(), seat.encode()))
    digest = hashlib.sha256(of).hexdigest()[:12]
    return private_root(user) / digest


def runtime_folder(workspace: Path, user: User, seat: str = "") -> Path:
    """Makes the private folder (mode 0700). Raises MachineError where it is someone else's."""
    folder = runtime_path(workspace, user, seat)
    for path in (folder.parent, folder):
        try:
            with contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
            status = path.lstat()
        except OSError as error:
            raise unusable(path, error) from error
        if status.st_uid != user.uid:
            raise MachineError(
                f"{path} belongs to another user (uid {status.st_uid}): {ELSEWHERE}, or ask the "
                "administrator to remove it"
            )
        if not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o077:
            raise MachineError(f"{path} is not a private folder of {user.name}; remove it")
    return folder


def unusable(path: Path, error: OSError) -> MachineError:
    """Of something in the private folder that cannot be made or written."""
    return MachineError(
        f"the private folder cannot be used: {path}: {error.strerror}; make room there, or "
        f"{ELSEWHERE}"
    )


def if_full(folder: Path) -> str:
    """What to add to the news that a program of the private folder has failed, where it is full."""
    with contextlib.suppress(OSError):
        now = os.statvfs(folder)
        if now.f_bavail == 0 or (now.f_files and now.f_favail == 0):
            return f"; the private folder {folder} is full: make room there, or {ELSEWHERE}"
    return ""


def remove_runtime_folder(folder: Path) -> None:
    """Removes the private folder once no daemon uses it; the daemon's log goes with it."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()
