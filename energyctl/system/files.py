"""Files that appear whole or not at all, and what of a folder was not there before."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from energyctl.launchers.regular_files import open_regular
from energyctl.system.user import give_to_caller

# Of making a file beside the old one, or of giving it the old one's owner.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)


def regular(path: str, flags: int) -> int:
    """An opener (as of :func:`open`) of regular files, and of links to such. Raises OSError."""
    return open_regular(path, flags, follow=True)


def read_regular(path: Path, most: int) -> bytes:
    """What a regular file of no more than *most* bytes holds. Raises OSError."""
    with open(regular(str(path), os.O_RDONLY), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most / 2**20:g} MiB", str(path))
    return content


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError in the block that names no file is of *path*: so is that of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def _complete(path: Path, text: str, like: os.stat_result | None = None) -> Iterator[Path]:
    """A file beside *path* with *text*, on the disk; whatever is left of it at the end is removed.

    It gets owner and mode of *like*.
    """
    # Random: several machines, with pids of their own, may write the same file.
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        # O_EXCL: root may write into a user's folder, and must not be led through a link.
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with naming(path), open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if like is not None:
            _give(fresh, like)
        yield fresh
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


def write_atomic(path: Path, text: str, like: os.stat_result | None = None) -> None:
    """Writes *text* so that *path* is either as before or whole, also after a crash.

    The new file gets owner and mode of *like*. Raises OSError.
    """
    with _complete(path, text, like) as fresh:
        os.replace(fresh, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_atomic(path: Path, text: str) -> None:
    """Makes a file that was not there, whole; of several who try, one succeeds, on NFS, too.

    Raises FileExistsError, in rare cases on NFS also where it was this call that made it.
    """
    with _complete(path, text) as fresh:
        os.link(fresh, path)


class Created:
    """What of `folder`, the folders above it and its files `names` was not there before.

    For places that a user named.
    """

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        absolute = Path(os.path.abspath(folder))
        self._folders = [p for p in (absolute, *absolute.parents) if not os.path.lexists(p)]
        self._files = [absolute / name for name in names if not os.path.lexists(absolute / name)]

    def give_to_caller(self) -> None:
        """Gives it to who called sudo, where root made it for them."""
        for path in (*self._folders, *self._files):
            give_to_caller(path)

    def remove(self) -> None:
        """Files, and folders that are empty then."""
        for path in self._files:
            with contextlib.suppress(OSError):
                path.unlink()
        for folder in self._folders:
            with contextlib.suppress(OSError):
                folder.rmdir()


def replace_text(path: Path, text: str) -> None:
    """Writes a regular file whole or not at all; one that is there keeps its owner and mode.

    Where that cannot be (no new file may be made beside it, it has a second name, its owner cannot
    be given), it is written in its place. OSError.
    """
    try:
        before = path.stat()
    except FileNotFoundError:
        write_atomic(path, text)
        return
    if before.st_nlink == 1:
        try:
            write_atomic(path, text, before)
        except OSError as error:
            if error.errno not in REFUSED:
                raise
        else:
            return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _give(fresh: Path, before: os.stat_result) -> None:
    now = fresh.stat()
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        os.chown(fresh, before.st_uid, before.st_gid)
    os.chmod(fresh, stat.S_IMODE(before.st_mode))
