"""Records of the machine that are of this process's tests alone."""

from __future__ import annotations

import ctypes
import os

from energyctl.system import privileges

CLONE_NEWNS = 0x20000  # unshare(2)
MS_REC, MS_PRIVATE = 0x4000, 0x40000  # mount(2)

NOWHERE = "/dev/null/records"
"""Records of the user can neither be nor be kept there: a test that keeps some names a folder."""


def hide_those_of_root() -> bool:
    """Lays an empty folder over that of root's records, for this process and what it starts: any
    energyctl of root's puts back what a killed one has changed, also one of another test's.

    False: this process may not, and all of root's share the folder.
    """
    folder = privileges.ROOTS_RECORDS
    if os.geteuid() != 0:
        return True  # its own are in ENERGYCTL_PRIVATE
    libc = ctypes.CDLL(None)
    if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
        return False
    folder.mkdir(mode=0o755, exist_ok=True)
    return not libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"mode=755")
