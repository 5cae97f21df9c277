"""Opening what others may have put something else in the place of. Standard library only."""

from __future__ import annotations

import errno
import os
import stat


def open_regular(
    path: str | os.PathLike[str],
    flags: int = os.O_RDONLY,
    mode: int = 0o644,
    *,
    follow: bool = False,
) -> int:
    """Opens a regular file, and nothing else: no FIFO or device is waited for, and no link is
    followed, unless *follow*. Raises OSError."""
    safe = os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags | safe, mode)
    except ValueError as error:  # a NUL character, or half of a surrogate pair
        raise OSError(errno.EINVAL, "no file can have this name", os.fspath(path)) from error
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        code = errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL
        raise OSError(code, "not a regular file", os.fspath(path))
    return descriptor
