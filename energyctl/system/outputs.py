"""Edge: files in places that a user named: what is ours there is what was not there before."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from energyctl.system import User
from energyctl.system.atomic import write_atomic

# Of making a file beside the old one, or of giving it the old one's owner.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)


class Created:
    """What of `folder`, the folders above it and its files `names` was not there before."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        whole = Path(os.path.abspath(folder))
        self._folders = [p for p in (whole, *whole.parents) if not os.path.lexists(p)]
        self._files = [whole / name for name in names if not os.path.lexists(whole / name)]

    def own(self, user: User) -> None:
        """Gives it to `user`, where root made it for them."""
        for path in (*self._folders, *self._files):
            with contextlib.suppress(OSError):  # a file system without owners
                user.own(path)

    def remove(self) -> None:
        """Files, and folders that are empty then."""
        for path in self._files:
            with contextlib.suppress(OSError):
                path.unlink()
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


def replace_text(path: Path, text: str, own: Callable[[Path], None]) -> None:
    """Writes a regular file whole or not at all; one that is there keeps its owner and mode.

    Where that cannot be (no new file may be made beside it, it has a second name, its owner cannot
    be given), it is written in its place. own: for a file that is new. OSError.
    """
    try:
        before = path.stat()
    except FileNotFoundError:
        write_atomic(path, text, own)
        return
    if before.st_nlink == 1:
        try:
            write_atomic(path, text, lambda fresh: _like(fresh, before))
        except OSError as error:
            if error.errno not in REFUSED:
                raise
        else:
            return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _like(fresh: Path, before: os.stat_result) -> None:
    now = fresh.stat()
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        os.chown(fresh, before.st_uid, before.st_gid)
    os.chmod(fresh, stat.S_IMODE(before.st_mode))
