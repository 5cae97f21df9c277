"""The private folder of a workspace's daemon: socket, log, links, records."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from pathlib import Path

from energyctl.errors import MachineError
from energyctl.machine.user import User, invoking_user


def private_root(user: User) -> Path:
    """Holds the private folders of all workspaces of *user*.

    Not below XDG_RUNTIME_DIR, which goes away when the user logs out in the middle of a campaign.
    """
    return Path(f"/tmp/energyctl-{user.uid}")


def runtime_path(workspace: Path, user: User) -> Path:
    """Where the private folder of *workspace*'s daemon is.

    Short even for a deep workspace (a unix socket's path holds 107 characters, unix(7)), and made
    of letters, digits and dashes only.
    """
    digest = hashlib.sha256(os.fsencode(workspace.resolve())).hexdigest()[:12]
    return private_root(user) / digest


def runtime_folder(workspace: Path, user: User) -> Path:
    """Makes the private folder (mode 0700). Raises MachineError where it is someone else's."""
    folder = runtime_path(workspace, user)
    for path in (folder.parent, folder):
        try:
            with user.acting(), contextlib.suppress(FileExistsError):
                path.mkdir(mode=0o700)
            found = path.lstat()
        except OSError as error:
            raise MachineError(
                f"cannot make the private folder {path}: {error.strerror}"
            ) from error
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != user.uid or found.st_mode & 0o077:
            raise MachineError(f"{path} is not a private folder of {user.name}; remove it")
    return folder


def remove_runtime_folder(folder: Path) -> None:
    """Removes the private folder once no daemon uses it; the daemon's log goes with it."""
    with invoking_user().acting():
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
