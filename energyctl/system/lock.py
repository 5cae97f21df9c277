"""One campaign a machine: a lock for all users, which says who holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from energyctl.errors import MachineError
from energyctl.system.user import invoking_user

ELSEWHERE = "another place for it: ENERGYCTL_LOCK=FILE, the same for all users of the machine"


def _lock_path() -> Path:
    return Path(os.environ.get("ENERGYCTL_LOCK", "/tmp/energyctl.lock"))


def _open_lock() -> int:
    """Opens the lock file, which any user of the machine may hold in turn."""
    path, flags = _lock_path(), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with contextlib.suppress(FileExistsError, PermissionError):
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(descriptor, 0o666)  # whatever the umask
            return descriptor
        # Without O_CREAT: fs.protected_regular refuses that for another user's file in /tmp.
        return os.open(path, flags)
    except OSError as error:
        raise MachineError(f"cannot open the lock {path}: {error.strerror}; {ELSEWHERE}") from error


def _holder(descriptor: int) -> dict[str, Any]:
    try:
        text = os.pread(descriptor, 65536, 0).decode(errors="replace").strip("\0\n ")
        data = json.loads(text or "{}")
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def lock_within(descriptor: int, seconds: float, look_seconds: float = 0.02) -> bool:
    """Whether the lock was free within so long. Raises OSError where the file cannot be locked."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(look_seconds)


def _take(descriptor: int, seconds: float) -> None:
    """Takes the lock; asks for a moment, since :func:`lock_holder` holds it while it looks."""
    try:
        free = lock_within(descriptor, seconds)
    except OSError as error:
        raise MachineError(f"cannot lock {_lock_path()}: {error.strerror}; {ELSEWHERE}") from error
    if not free:
        raise _held_by(_holder(descriptor))


def _held_by(holder: Mapping[str, Any]) -> MachineError:
    """Any user may write the note, so nothing in it is taken for granted."""
    note = {
        key: "".join(c if c.isprintable() else "?" for c in str(holder.get(key, "unknown")))
        for key in ("campaign", "user", "pid", "workspace")
    }
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(holder["since"])))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        since = "an unknown time"
    return MachineError(
        f"another campaign holds this machine: {note['campaign']!r} of {note['user']}, "
        f"pid {note['pid']}, since {since}, in {note['workspace']}; "
        "wait for it, since two would measure each other"
    )


def refuse_if_held() -> None:
    """Raises MachineError where a campaign holds the machine now."""
    holder = lock_holder()
    if holder is not None:
        raise _held_by(holder)


@contextlib.contextmanager
def lock(campaign: str, workspace: Path, patience_seconds: float = 0.5) -> Iterator[None]:
    """Holds the machine for one campaign. Raises MachineError that names who holds it.

    The kernel frees the lock when its holder dies, so a stale one cannot be.
    """
    descriptor = _open_lock()
    try:
        _take(descriptor, patience_seconds)
        record = {
            "pid": os.getpid(),
            "user": invoking_user().name,
            "campaign": campaign,
            "workspace": str(workspace),
            "since": time.time(),
        }
        # Who holds it is a courtesy: a full disk must not end a campaign here.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(record).encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def lock_holder() -> dict[str, Any] | None:
    """Who holds the machine now (pid, user, campaign, workspace, since), or None."""
    if not _lock_path().exists():
        return None
    descriptor = _open_lock()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(descriptor)
    finally:
        os.close(descriptor)
    return None
