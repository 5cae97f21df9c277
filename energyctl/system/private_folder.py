"""The private folder of a workspace's daemon: socket, log, links, records."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import re
import shutil
import stat
from pathlib import Path

from energyctl.errors import MachineError
from energyctl.system.user import User, invoking_user


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
        if uid.isdigit() and int(uid) != invoking_user().uid:
            with contextlib.suppress(OSError, KeyError):
                entry = pwd.getpwuid(int(uid))
                if folder.lstat().st_uid == entry.pw_uid:
                    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
                    user = (entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir, groups)
                    users.append(User(*user, switched=False))
    return users


def runtime_path(workspace: Path, user: User, seat: str = "") -> Path:
    """Where the private folder of *workspace*'s daemon is; *seat* names a task of a cluster.

    Short even for a deep workspace (a unix socket's path holds 107 characters, unix(7)), and made
    of letters, digits and dashes only.
    """
    of = os.fsencode(workspace.resolve()) + (f"\0{seat}".encode() if seat else b"")
    digest = hashlib.sha256(of).hexdigest()[:12]
    return private_root(user) / digest


def runtime_folder(workspace: Path, user: User, seat: str = "") -> Path:
    """Makes the private folder (mode 0700). Raises MachineError where it is someone else's."""
    folder = runtime_path(workspace, user, seat)
    for path in (folder.parent, folder):
        try:
            with user.acting(), contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
            status = path.lstat()
        except OSError as error:
            raise MachineError(
                f"cannot make the private folder {path}: {error.strerror}"
            ) from error
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != user.uid or status.st_mode & 0o077:
            raise MachineError(f"{path} is not a private folder of {user.name}; remove it")
    return folder


def remove_runtime_folder(folder: Path) -> None:
    """Removes the private folder once no daemon uses it; the daemon's log goes with it."""
    with invoking_user().acting():
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
