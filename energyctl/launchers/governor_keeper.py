"""Puts the CPUs' governors back when energyctl is gone.

    python -I -S keeper.py RECORD ROOT PID TICKS    < pipe whose write end energyctl alone holds

However energyctl ends, the kernel closes the pipe. If the RECORD of the energyctl with PID and
TICKS is still there then, each CPU below ROOT gets the governor back that it had, and the record
is removed. Standard library only: it may run as root.

The record lies in a folder of the invoking user, who may have changed it: it says no more than the
numbers of CPUs and names of governors, and the kernel takes only names that it knows.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import sys
import time
from typing import Any

CPU, GOVERNOR = re.compile(r"cpu[0-9]{1,5}"), re.compile(r"[a-z0-9_-]{1,15}")
LARGEST_BYTES = 1 << 20
LOCK_SECONDS = 1.0
IGNORED = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE, signal.SIGALRM,
    signal.SIGUSR1, signal.SIGUSR2, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
)  # fmt: skip


class GovernorRecord:
    """``governor.json`` in the private folder *folder*, held by a descriptor of that folder."""

    def __init__(self, folder: str) -> None:
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._folder)

    def take(self) -> tuple[dict[str, Any], int] | None:
        """(what it says, its descriptor, locked: whoever restores does it alone); None: gone."""
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open("governor.json", flags, dir_fd=self._folder)
        except OSError:
            return None
        _lock(descriptor)
        try:
            data = json.loads(os.read(descriptor, LARGEST_BYTES))
            # Whoever had the lock may have removed it.
            same = os.stat("governor.json", dir_fd=self._folder, follow_symlinks=False)
            if isinstance(data, dict) and os.path.samestat(same, os.fstat(descriptor)):
                return data, descriptor
        except (OSError, ValueError, RecursionError):
            pass
        os.close(descriptor)
        return None

    def remove(self) -> None:
        try:
            os.unlink("governor.json", dir_fd=self._folder)
        except OSError:
            return


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < deadline:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.005)


def put_back(governors: Any, root: str) -> dict[str, str]:
    """Writes each CPU's governor; returns those that could not be put back, by CPU."""
    failed: dict[str, str] = {}
    for cpu, name in governors.items() if isinstance(governors, dict) else ():
        if not CPU.fullmatch(cpu) or not isinstance(name, str) or not GOVERNOR.fullmatch(name):
            continue
        folder = os.path.join(root, cpu, "cpufreq")
        try:
            if _offered(folder, name):
                write(os.path.join(folder, "scaling_governor"), name)
        except OSError as error:
            failed[cpu] = error.strerror or str(error)
    return failed


def _offered(folder: str, name: str) -> bool:
    """Whether the kernel has it; where it does not list them, it refuses others by itself."""
    try:
        with open(os.path.join(folder, "scaling_available_governors")) as file:
            return name in file.read().split()
    except FileNotFoundError:
        return True


def write(path: str, name: str) -> None:
    """Never makes a file: a CPU may have been taken offline. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, name.encode())
    finally:
        os.close(descriptor)


def main() -> int:
    for signum in IGNORED:
        signal.signal(signum, signal.SIG_IGN)
    path, root, pid, ticks = sys.argv[1:]
    record = GovernorRecord(os.path.dirname(path))
    os.write(1, b"ready\n")
    while os.read(0, 4096):
        pass
    taken = record.take()
    if taken is not None and (taken[0].get("pid"), taken[0].get("ticks")) == (int(pid), int(ticks)):
        put_back(taken[0].get("governors"), root)
        record.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
