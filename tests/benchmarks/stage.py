"""A workspace whose trainings are stand-ins (training.c), and what its processes leave behind.

Which processes are alive is told by means that energyctl does not have: all stand-ins run a copy
of the program under a name that no other process has, and keep it whatever they fork or clear.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import python_for
from energyctl.system import workspace
from energyctl.system.private_folder import remove_runtime_folder, runtime_path
from energyctl.system.user import User, invoking_user, user_of
from hardware.compiled import program

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)

SUDO_GROUP = re.compile("energyctl-sudo-[0-9a-f]+")


@dataclass(frozen=True)
class Note:
    """What a stand-in noted. seconds: CLOCK_MONOTONIC."""

    what: str
    run: str
    job: str
    pid: int
    ticks: int
    seconds: float


@dataclass(frozen=True)
class Process:
    """A living process. ticks: its start in clock ticks since boot."""

    pid: int
    ticks: int
    parent: int
    name: str
    command: str
    marker: str

    def __str__(self) -> str:
        return f"{self.pid} {self.command} ({self.name}, parent {self.parent})"


def stat(pid: int) -> tuple[str, str, int, int] | None:
    """(name, state, parent, start in ticks); None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return head.partition("(")[2], fields[0], int(fields[1]), int(fields[19])


def alive(pid: int, ticks: int) -> bool:
    """Whether the process that began then still runs; a zombie does not."""
    found = stat(pid)
    return found is not None and found[1] not in "ZX" and found[3] == ticks


def wait_until(condition: Callable[[], Any], seconds: float, every: float = 0.02) -> bool:
    """Whether *condition* became true within *seconds*."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


@dataclass
class Stage:
    """A workspace with the repositories ``front`` and ``back``, and a lock of its own."""

    folder: Path
    name: str
    env: dict[str, str]
    python: str = sys.executable
    user: User = field(default_factory=invoking_user)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    strangers: set[int] = field(default_factory=set)
    sudo_groups: set[str] = field(default_factory=set)

    @property
    def root(self) -> Path:
        return self.folder / "workspace"

    @property
    def notes_file(self) -> Path:
        return self.folder / "notes"

    @property
    def runtime(self) -> Path:
        return runtime_path(self.root, self.user)

    def settings(self, foreground: Any, background: Any, **fields: Any) -> str:
        """Writes parallel experiments with quick phases; returns the file's name.

        foreground, background: hyper-parameters of the training, or of each; a list of foregrounds
        makes an experiment of each.
        """
        quick = {
            "experiment_name": "benchmark",
            "idle_seconds": 0,
            "cooldown_seconds": 0,
            "sample_interval_seconds": 1.0,
            "settle": {"seconds": 0.1, "timeout_seconds": 5},
        }
        fronts = foreground if isinstance(foreground, list) else [foreground]
        experiments = [
            {
                "mode": "parallel",
                "foreground": {"repo": "front", "model": "m", **front},
                "background": [{"repo": "back", "model": "m", **job} for job in background],
            }
            for front in fronts
        ]
        text = json.dumps({**quick, "experiments": experiments, **fields})
        (self.root / "settings" / "x.json").write_text(text)
        return "x.json"

    def start(self, *arguments: str, shell: str = "") -> subprocess.Popen[bytes]:
        """Starts ``energyctl …`` in the workspace; *shell*: through a script that ends in it."""
        command = [self.python, "-m", "energyctl", *arguments]
        if shell:
            command = ["/bin/sh", "-c", shell, "sh", *command]
        number = len(self.started)
        with (
            open(self.folder / f"output.{number}", "wb") as out,
            open(self.folder / f"errors.{number}", "wb") as errors,
        ):
            popen = subprocess.Popen(
                command,
                cwd=self.root,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
            )
        self.started.append(popen)
        return popen

    def said(self, popen: subprocess.Popen[bytes], name: str = "errors") -> str:
        number = self.started.index(popen)
        return (self.folder / f"{name}.{number}").read_text(errors="replace")

    def notes(self) -> list[Note]:
        """What was noted, oldest first; whole lines only."""
        text = self.notes_file.read_text() if self.notes_file.exists() else ""
        rows = [line.split(" ") for line in text.split("\n")[:-1]]
        return [Note(*row[:3], int(row[3]), int(row[4]), float(row[5])) for row in rows]

    def results(self) -> dict[str, dict[str, Any]]:
        """Each result by its experiment id, oldest first."""
        paths = sorted((self.root / "results").glob("*.json"))
        return {path.stem: json.loads(path.read_text()) for path in paths}

    # -- who is alive --------------------------------------------------------------------

    def processes(self, known: set[int] | None = None) -> list[Process]:
        """Every living process of this stage but the strangers, energyctl included.

        *known* are pids that are surely none of them.
        """
        passed = (known or set()) | self.strangers | {os.getpid()}
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        looked = (self._own(pid) for pid in pids if pid not in passed)
        return [process for process in looked if process is not None]

    def _own(self, pid: int) -> Process | None:
        found = stat(pid)
        if found is None or found[1] in "ZX":
            return None
        command, environ = (_read(pid, name) for name in ("cmdline", "environ"))
        texts = [found[0], command, environ]
        texts += [_link(pid, name) for name in ("cwd", "fd/1", "fd/2")]
        marks = self.name, str(self.folder), self.runtime.name
        if not any(mark in text for mark in marks for text in texts):
            return None
        self.sudo_groups |= set(SUDO_GROUP.findall(_read(pid, "cgroup")))
        _, _, marker = f"\0{environ}".partition("\0ENERGYCTL_RUN=")
        marker = marker.partition("\0")[0]
        return Process(pid, found[3], found[2], found[0], command.replace("\0", " "), marker)

    def is_training(self, process: Process) -> bool:
        return process.name == self.name

    def cgroups(self) -> list[str]:
        """Control groups that are named after this workspace, or made under sudo for its processes,
        as was seen at the looks at these."""
        root, names = Path("/sys/fs/cgroup"), (self.runtime.name, *self.sudo_groups)
        found = [Path(at, name) for at, below, _ in os.walk(root) for name in below]
        return sorted(str(path) for path in found if any(name in path.name for name in names))


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return ""


@contextlib.contextmanager
def stage(keep: Callable[[], bool] = lambda: False, sudo: bool = False) -> Iterator[Stage]:
    """A stage in a folder of its own; at the end all of it is killed and removed.

    *keep* says at the end whether the folder stays, for whoever wants to look. With *sudo*
    energyctl is started as sudo does it, by root for another user; there must be a Python that
    this user can start.
    """
    token = secrets.token_hex(4)
    folder = Path(tempfile.gettempdir(), f"stage-{token}")
    folder.mkdir()
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ENERGYCTL_", "SUDO_", "CUDA_"))
    }
    env |= {
        "ENERGYCTL_LOCK": str(folder / "lock"),
        "ENERGYCTL_PRIVATE": os.environ.get("ENERGYCTL_PRIVATE", "/tmp"),
        "ENERGYCTL_ACCEPTANCE": str(folder / "records"),
        "ENERGYCTL_POWERCAP": str(folder / "no-powercap"),
        "ENERGYCTL_PERF": str(folder / "no-perf"),
        "NOTES": str(folder / "notes"),
        "COLUMNS": "200",
    }
    made = Stage(folder, f"ec{token}", env)
    try:
        _furnish(made)
        if sudo:
            _lend(made)
        yield made
    finally:
        _clear(made)
        if keep():
            print(f"kept: {folder}", flush=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
        remove_runtime_folder(made.runtime)


def _furnish(made: Stage) -> None:
    workspace.init(made.root)
    flags: dict[str, tuple[str, Any]] = {
        "kind": ("str", "plain"),
        "seconds": ("float", 0.3),
        "sometimes": ("float", 0.0),
        "trees": ("int", 1),
    }
    parameters: dict[str, Any] = {
        name: {"flag": f"--{name}", "type": kind, "default": default}
        for name, (kind, default) in flags.items()
    }
    parameters["rate"] = {"flag": "--rate", "type": "float", "default": 0.1, "range": [0.05, 0.15]}
    models = {
        repository: {
            "path": f"repos/{repository}",
            "train_script": f"./{made.name}",
            "models": ["m"],
            "model_flag": "-n",
            "supported_hyperparams": parameters,
            "performance_metrics": {"log_patterns": {}},
        }
        for repository in ("front", "back")
    }
    for repository in models:
        folder = made.root / "repos" / repository
        folder.mkdir(parents=True)
        shutil.copy(program("training"), folder / made.name)
    registry = made.root / "settings" / "models_config.json"
    registry.write_text(json.dumps({"models": models}))


def _lend(made: Stage) -> None:
    """The workspace, and all else that is written, is the user's."""
    nobody = pwd.getpwnam("nobody")
    made.python, made.user = python_for(nobody, made.env), user_of(nobody.pw_uid)
    made.env |= {"SUDO_UID": str(nobody.pw_uid), "SUDO_GID": str(nobody.pw_gid)}
    for path in (made.folder, *made.folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _clear(made: Stage) -> None:
    """Kills all that is left, energyctl included."""
    for popen in made.started:
        if popen.poll() is None:
            popen.kill()
        popen.wait()

    def none_left() -> bool:
        found = made.processes()
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        return not found

    wait_until(none_left, 10)
    for folder in made.cgroups():
        for at, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(at)


def training(*arguments: str, env: dict[str, str] | None = None, **how: Any) -> Any:
    """Starts a stand-in outside of any workspace, as one of those that must not be harmed."""
    return subprocess.Popen([str(program("training")), *arguments], env=env, **how)


@contextlib.contextmanager
def crowd(count: int) -> Iterator[None]:
    """So many other processes on the machine."""
    with tempfile.TemporaryDirectory(prefix="crowd-") as folder:
        notes = Path(folder) / "notes"
        arguments = ["--kind", "crowd", "--trees", str(count), "--notes", str(notes)]
        popen = training(*arguments)
        try:
            if not wait_until(notes.exists, 20):
                raise RuntimeError(f"cannot start {count} processes")
            yield
        finally:
            popen.kill()
            popen.wait()


def _leave(signum: int, frame: object) -> None:
    """By way of every `finally`, which a second signal does not cut short."""
    signal.signal(signum, signal.SIG_IGN)
    sys.exit(128 + signum)


def under_a_reaper(work: Callable[[], int]) -> int:
    """Does *work* in a child; this process reaps what is orphaned below it, and returns its code.

    The first process of a container may be one that leaves zombies, which keep cgroups busy.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, _leave)
        return work()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    pid, status = os.waitpid(-1, 0)
    while pid != child:
        pid, status = os.waitpid(-1, 0)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    return os.waitstatus_to_exitcode(status)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that *share* of *values* do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(len(ordered) * share * 1000) // 1000) - 1)]
