"""Logs that other processes write: whatever they hold, and whatever is put in their place.

Opened as regular files alone, see :func:`open_regular`, and read in pieces.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from energyctl.launchers.regular_files import open_regular

TAIL_BYTES = 4000  # of a log: its last lines, also where they are long
PIECE_BYTES = 1 << 16


class OutputLog:
    """The log of a training, made once and held open until :meth:`close`.

    What is read is what the training wrote, whatever becomes of the path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def descriptor(self) -> int:
        """To be written to; it appends."""
        assert self._descriptor is not None, "make() comes first"
        return self._descriptor

    def make(self) -> None:
        """Raises OSError, also where there is something already."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._descriptor = open_regular(self.path, flags)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def size_so_far(self) -> int:
        """The same; 0 while it is not open."""
        return 0 if self._descriptor is None else self.size()

    def chunks(self, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
        """What is between two bytes; nothing of a log that is not open."""
        return iter(()) if self._descriptor is None else chunks(self._descriptor, begin, end)

    def pieces(self, begin: int = 0, end: int | None = None) -> Iterator[str]:
        """The same as text."""
        return iter(()) if self._descriptor is None else pieces(self._descriptor, begin, end)

    def tail(self, begin: int = 0) -> str:
        """The end, and nothing before byte *begin*; "" of a log that is not open."""
        return "" if self._descriptor is None else _tail(self._descriptor, TAIL_BYTES, begin)

    def last_lines(self, count: int) -> list[str]:
        """See :func:`last_lines`."""
        return _lines(self.tail())[-count:]

    def what_replaced_it(self) -> str | None:
        """What is at its path now; None where that is the log."""
        try:
            there, own = os.lstat(self.path), os.fstat(self.descriptor)
        except OSError:
            return "nothing"
        if (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino):
            return None
        return kind(there.st_mode)


def kind(mode: int) -> str:
    """In words, the kind of file that a mode (``st_mode``) tells."""
    words = {
        stat.S_IFREG: "another file",
        stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFDIR: "a folder",
        stat.S_IFSOCK: "a socket",
    }
    return words.get(stat.S_IFMT(mode), "a device")


def pieces(descriptor: int, begin: int = 0, end: int | None = None) -> Iterator[str]:
    """The text of an open file from byte *begin* to *end*, a piece at a time."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in chunks(descriptor, begin, end):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def chunks(descriptor: int, begin: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The same as bytes."""
    position = begin
    while end is None or position < end:
        most = PIECE_BYTES if end is None else min(PIECE_BYTES, end - position)
        data = os.pread(descriptor, most, position)
        if not data:
            break
        position += len(data)
        yield data


def tail(path: Path, most: int = TAIL_BYTES) -> str:
    """The last bytes of a regular file, *most* at most; "" where there is none."""
    with suppress(OSError):
        descriptor = open_regular(path)
        try:
            return _tail(descriptor, most)
        finally:
            os.close(descriptor)
    return ""


def last_line(log: Path) -> str:
    """The last line that was printed (also one that ends in a carriage return)."""
    return next(iter(last_lines(log, 1)), "")


def last_lines(log: Path, count: int) -> list[str]:
    """The last that are not empty; what a progress display overwrote counts as lines."""
    return _lines(tail(log))[-count:]


def _tail(descriptor: int, most: int, begin: int = 0) -> str:
    start = max(begin, os.fstat(descriptor).st_size - most)
    return os.pread(descriptor, most, start).decode(errors="replace")


def _lines(text: str) -> list[str]:
    lines = text.replace("\r", "\n").splitlines()
    return [line.strip() for line in lines if line.strip()]
