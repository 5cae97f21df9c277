"""Edge: the invoking user, the private folder, the machine-wide lock, the governor, host facts."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import pwd
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyctl.errors import MachineError

# -- who asked -----------------------------------------------------------------------------


@dataclass(frozen=True)
class User:
    """The user whom trainings run as and files belong to."""

    uid: int
    gid: int
    name: str
    home: str
    groups: tuple[int, ...]
    switched: bool
    """True where energyctl runs as root on behalf of this user (sudo)."""

    @property
    def credentials(self) -> dict[str, Any]:
        """Arguments of ``subprocess.Popen`` that make a child run as this user."""
        if not self.switched:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": list(self.groups)}

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """*environ* as this user would have it: under sudo with the user's own HOME and name."""
        env = dict(environ)
        if self.switched:
            env.update(HOME=self.home, USER=self.name, LOGNAME=self.name)
            for name in ("SUDO_USER", "SUDO_UID", "SUDO_GID", "SUDO_COMMAND", "SUDO_HOME"):
                env.pop(name, None)
        return env

    def own(self, path: Path) -> None:
        """Gives *path*, which root has just made, to this user. Never follows a link."""
        if self.switched:
            with contextlib.suppress(FileNotFoundError):
                found = os.lstat(path)
                if stat.S_ISDIR(found.st_mode) or found.st_nlink == 1:
                    os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_all(self, folder: Path) -> None:
        """:meth:`own` for *folder* and everything in it."""
        if self.switched:
            self.own(folder)
            for path in folder.rglob("*"):
                self.own(path)


def invoking_user() -> User:
    """The user who typed the command: under sudo the one who called it, not root."""
    uid, gid = os.getuid(), os.getgid()
    sudo_uid = os.environ.get("SUDO_UID", "")
    switched = uid == 0 and sudo_uid.isdigit() and int(sudo_uid) != 0
    if switched:
        uid, gid = int(sudo_uid), int(os.environ.get("SUDO_GID", sudo_uid))
    try:
        entry = pwd.getpwuid(uid)
        name, home = entry.pw_name, entry.pw_dir
    except KeyError:  # a container may run with a uid that has no name
        name, home = str(uid), os.environ.get("HOME", "/")
    groups = tuple(os.getgrouplist(name, gid)) if switched and name != str(uid) else (gid,)
    return User(uid, gid, name, home, groups, switched)


# -- the private folder --------------------------------------------------------------------


def runtime_path(workspace: Path, user: User) -> Path:
    """Where the private folder of *workspace*'s daemon is: socket, pid file, links.

    Short even for a deep workspace (a unix socket's path holds 107 characters, unix(7)), and made
    of letters, digits and dashes only. Not below XDG_RUNTIME_DIR, which goes away when the user
    logs out in the middle of a campaign.
    """
    digest = hashlib.sha256(os.fsencode(workspace.resolve())).hexdigest()[:12]
    return Path(f"/tmp/energyctl-{user.uid}") / digest


def runtime_folder(workspace: Path, user: User) -> Path:
    """Makes the private folder (mode 0700). Raises MachineError where it is someone else's."""
    folder = runtime_path(workspace, user)
    for path in (folder.parent, folder):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            user.own(path)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != user.uid or found.st_mode & 0o077:
            raise MachineError(f"{path} is not a private folder of {user.name}; remove it")
    return folder


def remove_runtime_folder(folder: Path) -> None:
    """Removes the private folder once no daemon uses it; the daemon's log goes with it."""
    for path in sorted(folder.rglob("*"), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in (folder, folder.parent):
        with contextlib.suppress(OSError):
            path.rmdir()


# -- one campaign a machine ----------------------------------------------------------------


def _lock_path() -> Path:
    return Path(os.environ.get("ENERGYCTL_LOCK", "/tmp/energyctl.lock"))


def _open_lock() -> int:
    """Opens the lock file, which any user of the machine may hold in turn."""
    path, flags = _lock_path(), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    with contextlib.suppress(FileExistsError, PermissionError):
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
        os.fchmod(descriptor, 0o666)  # whatever the umask
        return descriptor
    try:
        # Without O_CREAT: fs.protected_regular refuses that for another user's file in /tmp.
        return os.open(path, flags)
    except OSError as error:
        raise MachineError(f"cannot open the lock {path}: {error.strerror}") from error


def _holder(descriptor: int) -> dict[str, Any]:
    try:
        text = os.pread(descriptor, 65536, 0).decode(errors="replace").strip("\0\n ")
        data = json.loads(text or "{}")
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _take(descriptor: int) -> None:
    """Takes the lock; asks for a moment, since :func:`lock_holder` holds it while it looks."""
    deadline = time.monotonic() + 0.5
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.02)
                continue
        raise _held_by(_holder(descriptor))


def _held_by(holder: Mapping[str, Any]) -> MachineError:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.get("since", 0)))
    return MachineError(
        f"another campaign holds this machine: {holder.get('campaign', 'unknown')!r} of "
        f"{holder.get('user', 'unknown')}, pid {holder.get('pid', 'unknown')}, since {since}; "
        "wait for it, since two would measure each other"
    )


def refuse_if_held() -> None:
    """Raises MachineError where a campaign holds the machine now."""
    holder = lock_holder()
    if holder is not None:
        raise _held_by(holder)


@contextlib.contextmanager
def lock(campaign: str, workspace: Path) -> Iterator[None]:
    """Holds the machine for one campaign. Raises MachineError that names who holds it.

    The kernel frees the lock when its holder dies, so a stale one cannot be.
    """
    descriptor = _open_lock()
    try:
        _take(descriptor)
        record = {
            "pid": os.getpid(),
            "user": invoking_user().name,
            "campaign": campaign,
            "workspace": str(workspace),
            "since": time.time(),
        }
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


# -- governor ------------------------------------------------------------------------------


def _cpu_root() -> Path:
    return Path(os.environ.get("ENERGYCTL_CPUFREQ", "/sys/devices/system/cpu"))


def governors() -> dict[Path, str]:
    """The scaling governor of each CPU by its file; empty where the kernel offers none."""
    found = {}
    for path in sorted(_cpu_root().glob("cpu[0-9]*/cpufreq/scaling_governor")):
        with contextlib.suppress(OSError):
            found[path] = path.read_text().strip()
    return found


def governor_problem(name: str) -> str | None:
    """Why the governor cannot be set to *name* on this machine; None where it can."""
    now = governors()
    if not now:
        return f"the governor {name!r} cannot be set: this machine has no CPU frequency control"
    for path in now:
        available = path.with_name("scaling_available_governors")
        with contextlib.suppress(OSError):
            names = available.read_text().split()
            if name not in names:
                return f"the governor {name!r} is not offered here; there are {', '.join(names)}"
        if now[path] != name and not os.access(path, os.W_OK):
            return f"the governor {name!r} cannot be set without root; use sudo"
    return None


@contextlib.contextmanager
def governor(name: str | None) -> Iterator[str | None]:
    """Sets the governor of all CPUs, and puts back what each had; yields why it could not."""
    problem = governor_problem(name) if name else None
    before = governors() if name and problem is None else {}
    try:
        for path in before:
            path.write_text(name or "")
    except OSError as error:
        problem = f"the governor could not be set: {path}: {error.strerror}"
    try:
        yield problem
    finally:
        for path, old in before.items():
            with contextlib.suppress(OSError):
                path.write_text(old)


# -- facts ---------------------------------------------------------------------------------


def _cpu_model() -> str | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return None


def facts() -> dict[str, Any]:
    """What a reader of a result needs to know of the machine; None where it cannot be had."""
    import psutil

    import energyctl

    release: dict[str, str] = {}
    with contextlib.suppress(OSError):
        release = platform.freedesktop_os_release()
    return {
        "energyctl": energyctl.__version__,
        "python": platform.python_version(),
        "hostname": platform.node(),
        "os": release.get("PRETTY_NAME"),
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "logical_cpus": psutil.cpu_count(),
        "physical_cores": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "governors": sorted(set(governors().values())) or None,
        "gpus": gpu_facts(),
    }


def gpu_facts() -> list[dict[str, Any]] | None:
    """Index, name, UUID, driver, power limit (W) and persistence mode of each GPU.

    None where there is no driver, or none that answers.
    """
    from energyctl.meters.deadline import DRIVER_SECONDS, Hangs, within

    try:
        return within(DRIVER_SECONDS, "nvml", _gpu_facts)
    except Hangs:
        return None


def _gpu_facts() -> list[dict[str, Any]] | None:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        count = pynvml.nvmlDeviceGetCount()
        return [_gpu_fact(pynvml, index) for index in range(count)]
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _gpu_fact(nvml: Any, index: int) -> dict[str, Any]:
    def ask(function: Any, *arguments: Any) -> Any:
        try:
            value = function(*arguments)
        except nvml.NVMLError:
            return None
        return value.decode() if isinstance(value, bytes) else value

    handle = ask(nvml.nvmlDeviceGetHandleByIndex, index)
    limit = ask(nvml.nvmlDeviceGetPowerManagementLimit, handle)
    mode = ask(nvml.nvmlDeviceGetPersistenceMode, handle)
    return {
        "index": index,
        "name": ask(nvml.nvmlDeviceGetName, handle),
        "uuid": ask(nvml.nvmlDeviceGetUUID, handle),
        "driver": ask(nvml.nvmlSystemGetDriverVersion),
        "power_limit_watts": None if limit is None else limit / 1000,
        "persistence_mode": None if mode is None else bool(mode),
    }


def process_facts(pid: int) -> dict[str, Any]:
    """User and command of a process; None where it is of another pid namespace, or has ended."""
    import psutil

    facts: dict[str, Any] = {"user": None, "command": None}
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        facts["command"] = " ".join(process.cmdline()) or process.name()
        facts["user"] = process.username()
    return facts
