"""One campaign a machine: a lock for all users, which says who holds it.

It is a file, locked by its holder, and beside it a socket that listens on an abstract name
(unix(7)): a file can be removed while it is held, the name goes with its holder alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import pwd
import socket
import stat
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from energyctl.errors import MachineError
from energyctl.launchers.regular_files import open_regular
from energyctl.system.user import invoking_user

ELSEWHERE = "another place for it: ENERGYCTL_LOCK=FILE, the same for all users of the machine"
LOOK_SECONDS = 60.0
"""Between two looks of a holder whether its file is still there."""

LISTEN_SECONDS = 0.02
"""Between two tries to have the name."""

AGAIN_SECONDS = 1.0
"""For the lock of a file that was made again: whoever looks holds it for a moment."""

NOTE = {"pid": int, "user": str, "campaign": str, "workspace": str, "since": float}
_LATEST = 253402300799.0  # the year 9999, where dates end


def _lock_path() -> Path:
    return Path(os.environ.get("ENERGYCTL_LOCK", "/tmp/energyctl.lock"))


# -- the file ------------------------------------------------------------------------------------


def _open_lock() -> int:
    """Opens the lock file, which any user of the machine may hold in turn."""
    path = _lock_path()
    try:
        # Without O_CREAT where it is there: in /tmp fs.protected_regular refuses another user's.
        if os.path.lexists(path):
            return open_regular(path, os.O_RDWR)
        with contextlib.suppress(FileExistsError):  # of several who make it, one does
            descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(descriptor, 0o666)  # whatever the umask
            return descriptor
        return open_regular(path, os.O_RDWR)
    except OSError as error:
        raise MachineError(f"cannot open the lock {path}: {error.strerror}; {ELSEWHERE}") from error


def _note(descriptor: int) -> dict[str, Any]:
    """What the holder wrote, as far as it can be true: any user may write there."""
    try:
        text = os.pread(descriptor, 65536, 0).decode(errors="replace").strip("\0\n ")
        data = json.loads(text or "{}")
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: data[key] for key in NOTE if _can_be(key, data)} if isinstance(data, dict) else {}


def _can_be(key: str, data: Mapping[str, Any]) -> bool:
    value: Any = data.get(key)
    if NOTE[key] is str:
        return isinstance(value, str)
    number = type(value) in (int, NOTE[key])
    return number and bool(0 <= value <= _LATEST)


def lock_within(descriptor: int, seconds: float, look_seconds: float = 0.02) -> bool:
    """Whether the lock was free within so long. Raises OSError where the file cannot be locked."""

    def take() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    return _within(seconds, take, look_seconds)


def _within(seconds: float, done: Callable[[], bool], look_seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(look_seconds)
    return True


# -- the name ------------------------------------------------------------------------------------


def _name(folder: os.stat_result) -> str:
    """Of the socket: by the folder and the name of the lock, whatever path leads there."""
    name = hashlib.sha256(os.fsencode(_lock_path().name)).hexdigest()[:16]
    return f"\0energyctl-lock/{folder.st_dev:x}/{folder.st_ino:x}/{name}"


def _listen(seconds: float) -> socket.socket | None:
    """The socket of who holds the lock; None where there can be none.

    Raises MachineError where a campaign listens there, also after *seconds*.
    """
    server = socket.socket(socket.AF_UNIX)

    def bound() -> bool:
        try:
            server.bind(_name(os.stat(_lock_path().parent)))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        return True

    with contextlib.suppress(OSError):
        if _within(seconds, bound, LISTEN_SECONDS):
            server.setblocking(False)
            server.listen()
            return server
    server.close()
    if (holder := _listener()) is not None:
        raise _held_by(lock_holder() or holder)  # the file tells more, if it is there
    return None


def _listener() -> dict[str, Any] | None:
    """Who listens on the name; None also for a user who could not hold the lock's file either."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        folder = os.stat(_lock_path().parent)
        client.setblocking(False)
        client.connect(_name(folder))
        raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        shared = folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if shared or uid in (0, os.getuid(), folder.st_uid):
            return {"user": _user_name(uid), **({"pid": pid} if pid else {})}
    return None


_CREDENTIALS = struct.Struct("3i")  # struct ucred, unix(7)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# -- holding it ----------------------------------------------------------------------------------


class HeldLock:
    """The machine, held for one campaign until :meth:`close`, or the end of this process.

    Raises MachineError that names who holds it.
    """

    def __init__(self, campaign: str, workspace: Path, patience_seconds: float) -> None:
        self._record = {
            "pid": os.getpid(),
            "user": invoking_user().name,
            "campaign": campaign,
            "workspace": str(workspace),
            "since": time.time(),
        }
        self._looked_monotonic, self._said = time.monotonic(), ""
        self._descriptor = _open_lock()
        self._socket: socket.socket | None = None
        try:
            self._socket = _listen(patience_seconds)
            _take(self._descriptor, patience_seconds)
        except BaseException:
            self.close()
            raise
        self._write(json.dumps(self._record))

    def look(self, *, now: bool = False) -> str | None:
        """Whether the file is still there, once a minute or *now*: else it is made again.

        Returns a line on what has changed.
        """
        if not now and time.monotonic() - self._looked_monotonic < LOOK_SECONDS:
            return None
        self._looked_monotonic = time.monotonic()
        self._forget_visitors()
        with contextlib.suppress(OSError):
            # What cleans up goes by the time of the last change.
            os.utime(self._descriptor)
            if os.path.samestat(os.lstat(_lock_path()), os.fstat(self._descriptor)):
                self._said = ""
                return None
        said = f"the lock {_lock_path()} was removed while the campaign ran: {self._make_again()}"
        self._said, before = said, self._said
        return said if said != before else None

    def _make_again(self) -> str:
        try:
            fresh = _open_lock()
        except MachineError as error:
            return str(error)
        try:
            free = lock_within(fresh, AGAIN_SECONDS)
        except OSError as error:
            os.close(fresh)
            return f"cannot lock it: {error.strerror}; {ELSEWHERE}"
        if not free:
            other = _held_by(_note(fresh))
            os.close(fresh)
            return str(other)
        os.close(self._descriptor)
        self._descriptor = fresh
        self._write(json.dumps(self._record))
        return "it was made again"

    def _forget_visitors(self) -> None:
        """Who looked has connected; their queue is not endless."""
        with contextlib.suppress(OSError):
            while self._socket is not None:
                self._socket.accept()[0].close()

    def _write(self, note: str) -> None:
        """Who holds it is a courtesy: a full disk must not end a campaign here."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, note.encode(), 0)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._write("")
        os.close(self._descriptor)


def _take(descriptor: int, seconds: float) -> None:
    """Takes the lock; asks for a moment, since :func:`lock_holder` holds it while it looks."""
    try:
        free = lock_within(descriptor, seconds)
    except OSError as error:
        raise MachineError(f"cannot lock {_lock_path()}: {error.strerror}; {ELSEWHERE}") from error
    if not free:
        raise _held_by(_note(descriptor))


def _held_by(holder: Mapping[str, Any]) -> MachineError:
    note = {key: holder.get(key, "unknown") for key in NOTE}
    since = "an unknown time"
    if "since" in holder:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["since"]))
    return MachineError(
        f"another campaign holds this machine: {note['campaign']!r} of {note['user']}, "
        f"pid {note['pid']}, since {since}, in {note['workspace']}; "
        "wait for it, since two would measure each other"
    )


@contextlib.contextmanager
def lock(campaign: str, workspace: Path, patience_seconds: float = 0.5) -> Iterator[HeldLock]:
    """Holds the machine for one campaign. Raises MachineError that names who holds it.

    The kernel frees the lock when its holder dies, so a stale one cannot be.
    """
    held = HeldLock(campaign, workspace, patience_seconds)
    try:
        yield held
    finally:
        held.close()


# -- looking -------------------------------------------------------------------------------------


def refuse_if_held() -> None:
    """Raises MachineError where a campaign holds the machine now."""
    holder = lock_holder()
    if holder is not None:
        raise _held_by(holder)


def lock_holder() -> dict[str, Any] | None:
    """Who holds the machine now (pid, user, campaign, workspace, since: as far as it is known), or
    None. Never raises: where the file cannot be read, the name alone tells."""
    with contextlib.suppress(OSError):
        descriptor = open_regular(_lock_path())
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _note(descriptor)
        finally:
            os.close(descriptor)
    return _listener()


def lock_problem() -> str | None:
    """A line on a lock that cannot be read; None where it can, or there is none."""
    try:
        os.close(open_regular(_lock_path()))
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"the lock {_lock_path()} cannot be read: {error.strerror}; {ELSEWHERE}"
    return None
