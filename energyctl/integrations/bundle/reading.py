"""An archive of whoever, read where it is: nothing of it is written to disk.

What could harm who unpacks it is refused by name before anything in it is read: paths that lead
out of it, links, names twice, contents over each other, and more than can be.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from energyctl.errors import SettingsError
from energyctl.integrations.bundle.archive import CHUNK_BYTES, LARGEST_BYTES
from energyctl.integrations.bundle.contents import is_member_name
from energyctl.results import shape
from energyctl.text import printable

LARGEST_FILES = 2_000_000
LARGEST_DOCUMENT = 256 * 2**20
"""Bytes of a file that is read as a whole."""

LARGEST_RATIO = 1032
"""Deflate packs no better (zlib, "Technical details"), so files beside each other unpack to so many
times the archive at most: that takes time, but no memory, and a campaign's logs come near it."""

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
SHOWN = 20


class Unreadable(Exception):
    """Of a file of the archive; the message says why."""


class ArchiveReader:
    """An archive that was found harmless.

    faults: what makes it harmful or none, in words; where there are any, nothing is read.
    """

    def __init__(self, path: Path) -> None:
        """Raises SettingsError where it is no file, or no zip file."""
        try:
            if not path.is_file():
                raise SettingsError(f"{path}: no such archive")
            self._zip = zipfile.ZipFile(path)
            self._bytes = path.stat().st_size
        except OSError as error:
            raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
        except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
            raise SettingsError(f"{path}: no zip file: {error}") from error
        self.names = {info.filename: info for info in self._zip.infolist()}
        self.faults = list(self._harm())[:SHOWN]

    def __enter__(self) -> ArchiveReader:
        return self

    def __exit__(self, *raised: object) -> None:
        self._zip.close()

    def _harm(self) -> Iterator[str]:
        every = self._zip.infolist()
        if len(every) > LARGEST_FILES:
            yield f"{len(every)} files: more than any campaign has"
            return
        seen: set[str] = set()
        for info in every:
            name = printable(info.orig_filename)
            if info.orig_filename != info.filename or not is_member_name(info.filename):
                yield f"{name}: leads out of the archive, or is no name of a file"
            elif info.filename in seen:
                yield f"{name}: is in it twice"
            elif not _is_regular(info):
                yield f"{name}: is a link or another special file"
            elif info.flag_bits & 1 or info.compress_type not in METHODS:
                yield f"{name}: is encrypted, or packed by a method that is not used here"
            seen.add(info.filename)
        ends = sorted((one.header_offset, one.header_offset + one.compress_size) for one in every)
        if any(end > begin for (_, end), (begin, _) in pairwise(ends)):
            yield "files lie over each other: it would unpack to more than it can hold"
        total = sum(info.file_size for info in every)
        if total > min(LARGEST_BYTES, LARGEST_RATIO * self._bytes + CHUNK_BYTES):
            yield f"would unpack to {total / 1e9:.0f} GB: that cannot be"

    def chunks(self, name: str) -> Iterator[bytes]:
        """Raises Unreadable."""
        try:
            with self._zip.open(name) as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise Unreadable(f"{name}: damaged: {error}") from error
        except KeyError:
            raise Unreadable(f"{name}: is missing") from None

    def content(self, name: str) -> bytes:
        """All of a file. Raises Unreadable."""
        parts, size = [], 0
        for chunk in self.chunks(name):
            parts.append(chunk)
            size += len(chunk)
            if size > LARGEST_DOCUMENT:
                raise Unreadable(f"{name}: larger than {LARGEST_DOCUMENT / 2**20:.0f} MiB")
        return b"".join(parts)

    def text(self, name: str) -> str:
        """Raises Unreadable."""
        try:
            return self.content(name).decode()
        except UnicodeDecodeError as error:
            raise Unreadable(f"{name}: not UTF-8 text") from error

    def json(self, name: str) -> Any:
        """Raises Unreadable."""
        try:
            return shape.parse(self.text(name))
        except ValueError as error:
            raise Unreadable(f"{name}: not JSON: {error}") from error


def _is_regular(info: zipfile.ZipInfo) -> bool:
    """A file that a Unix made says what it is; others cannot be links."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    return not info.is_dir() and kind in (0, stat.S_IFREG)
