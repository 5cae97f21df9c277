"""Files that appear whole or not at all, and what of a folder was not there before."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from energyctl.system.user import User

# Of making a file beside the old one, or of giving it the old one's owner.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)


@contextlib.contextmanager
def _complete(path: Path, text: str, own: Callable[[Path], None]) -> Iterator[Path]:
    """A file beside *path* with *text*, on the disk; whatever is left of it at the end is removed.

    *own* may hand it to its user.
    """
    # Random: several machines, with pids of their own, may write the same file.
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        # O_EXCL: root may write into a user's folder, and must not be led through a link.
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        own(fresh)
        yield fresh
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def write_atomic(path: Path, text: str, own: Callable[[Path], None] = lambda path: None) -> None:
    """Writes *text* so that *path* is either as before or whole, also after a crash.

    *own* may hand the new file to its user. Raises OSError.
    """
    with _complete(path, text, own) as fresh:
        os.replace(fresh, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_atomic(path: Path, text: str, own: Callable[[Path], None]) -> None:
    """Makes a file that was not there, whole; of several who try, one succeeds, on NFS, too.

    Raises FileExistsError, in rare cases on NFS also where it was this call that made it.
    """
    with _complete(path, text, own) as fresh:
        os.link(fresh, path)


class Created:
    """What of `folder`, the folders above it and its files `names` was not there before.

    For places that a user named.
    """

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        absolute = Path(os.path.abspath(folder))
        self._folders = [p for p in (absolute, *absolute.parents) if not os.path.lexists(p)]
        self._files = [absolute / name for name in names if not os.path.lexists(absolute / name)]

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
