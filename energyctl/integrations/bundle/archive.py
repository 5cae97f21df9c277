"""The zip file: written once from front to back, so that no campaign is too large for memory, with
fixed times and names in order: the same inputs make the same bytes."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

from energyctl.errors import SettingsError
from energyctl.integrations.bundle.contents import Member
from energyctl.launchers.regular_files import open_regular

MANIFEST = "manifest-sha256.txt"
CHUNK_BYTES = 2**20

LARGEST_BYTES = 2**40
"""Of all files together: more is no campaign, and nothing that an archive of data takes."""

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first instant that a zip file can tell (APPNOTE.TXT, 4.4.6)."""


class Archive:
    """A zip file that is being written.

    sizes: bytes of each file that is in it, by name.
    """

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, strict_timestamps=True)
        self._digests: dict[str, str] = {}
        self.sizes: dict[str, int] = {}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *raised: object) -> None:
        self._zip.close()

    def add_file(self, member: Member) -> None:
        """Raises OSError, and SettingsError where it changed while it was read."""
        descriptor = open_regular(str(member.path), os.O_RDONLY)
        with open(descriptor, "rb") as file:
            before = os.fstat(file.fileno())
            digest, size = hashlib.sha256(), 0
            with self._zip.open(_info(member.name), "w", force_zip64=True) as target:
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
                    size += len(chunk)
                    target.write(chunk)
            after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (size, after.st_mtime_ns):
            raise SettingsError(f"{member.path} changed while it was read: is its campaign over?")
        self._note(member.name, digest.hexdigest(), size)

    def add_text(self, name: str, text: str) -> None:
        content = text.encode()
        self._zip.writestr(_info(name), content)
        self._note(name, hashlib.sha256(content).hexdigest(), len(content))

    def _note(self, name: str, digest: str, size: int) -> None:
        self._digests[name], self.sizes[name] = digest, size
        if sum(self.sizes.values()) > LARGEST_BYTES:
            raise SettingsError("more than 1 TiB: name fewer results, or leave --with out")

    def add_manifest(self) -> None:
        """The last file: a line of each other one, as ``sha256sum -c`` reads them."""
        lines = (f"{self._digests[name]}  {name}\n" for name in sorted(self._digests))
        self._zip.writestr(_info(MANIFEST), "".join(lines).encode())


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EARLIEST)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system, info.external_attr = 3, 0o100644 << 16
    return info
