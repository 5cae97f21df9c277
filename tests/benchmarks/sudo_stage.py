"""A user who may call `sudo energyctl`, a stranger, and what neither of them may reach.

Their commands, and looks at what these have done; :mod:`benchmarks.sudo_accounts` makes it all.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from energyctl.system import workspace
from energyctl.system.private_folder import runtime_path
from energyctl.system.user import user_of

ATTACKS = Path(__file__).with_name("attacks")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MEMORY_KIB = 3 << 20
"""Of address space: what reads without an end shall not take the machine's memory."""

GOVERNOR, GOVERNOR_BEFORE = "performance", "powersave"


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    home: Path


@dataclass
class Said:
    """What a command said; code None: it had to be killed."""

    command: str
    code: int | None
    text: str
    seconds: float


@dataclass
class Canary:
    """A process that has to stay alive."""

    whose: str
    start: Callable[[], subprocess.Popen[bytes]]
    popen: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def ticks(self) -> int:
        text = Path(f"/proc/{self.pid}/stat").read_text(errors="replace")
        return int(text.rpartition(")")[2].split()[19])

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()

    def revived(self) -> bool:
        """Whether it had been ended; it is started again."""
        if self.popen.poll() is None:
            return False
        self.popen = self.start()
        return True


@dataclass
class SudoStage:
    """*secrets*: texts that the user may not read, whose they are."""

    folder: Path
    user: Account
    stranger: Account
    python: str
    secrets: dict[str, str]
    canaries: list[Canary] = field(default_factory=list)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    # -- places --------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The user's workspace."""
        return self.user.home / "lab"

    @property
    def energyctl(self) -> Path:
        return self.folder / "venv" / "bin" / "energyctl"

    @property
    def drop(self) -> Path:
        """As /tmp: lock and private folders are in it."""
        return self.folder / "drop"

    @property
    def of_others(self) -> tuple[Path, Path]:
        """Files in it, of root's and of the stranger's."""
        return self.drop / "roots", self.drop / "strangers"

    @property
    def runtime(self) -> Path:
        with _environment(self.variables):
            return runtime_path(self.root, user_of(self.user.uid))

    @property
    def variables(self) -> dict[str, str]:
        """What root has `sudo` set for energyctl."""
        return {
            "ENERGYCTL_LOCK": str(self.drop / "lock"),
            "ENERGYCTL_PRIVATE": str(self.drop),
            "ENERGYCTL_ACCEPTANCE": str(self.folder / "records"),
            "ENERGYCTL_CPUFREQ": str(self.folder / "cpus"),
            "ENERGYCTL_POWERCAP": str(self.folder / "no-powercap"),
            "ENERGYCTL_PERF": str(self.folder / "no-perf"),
        }

    def governors(self) -> set[str]:
        return {
            path.read_text().strip()
            for path in (self.folder / "cpus").glob("*/cpufreq/scaling_governor")
        }

    # -- before each attack --------------------------------------------------------------

    def furnish(self, seconds: float, registry: dict[str, Any], settings: dict[str, Any]) -> None:
        """A new home with a workspace, in which the attack *name* lasts so long."""
        self.end_all()
        for path in {*self.user.home.iterdir(), *self.drop.iterdir()} - set(self.of_others):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        workspace.init(self.root)
        models: dict[str, Any] = {}
        for name, role in (("front", "train"), ("back", "load")):
            (self.root / "repos" / name).mkdir()
            command = [self.python, "-I", "-S", str(ATTACKS), str(self.facts_file), role]
            models[name] = {"path": f"repos/{name}", "models": ["m"], "command": command}
        patterns = {"loss": "loss: {number}"}
        models["front"] |= {"performance_metrics": {"log_patterns": patterns}}
        models["front"] |= registry
        if "steps" in models["front"]:
            for step in models["front"]["steps"]:
                step["command"] = models["front"]["command"]
            del models["front"]["command"]
        quick = {
            "experiment_name": "trial",
            "governor": GOVERNOR,
            "idle_seconds": 0,
            "cooldown_seconds": 0,
            "max_retries": 0,
            "sample_interval_seconds": 0.2,
            "settle": {"seconds": 0.1, "timeout_seconds": 2},
        }
        one = {
            "mode": "parallel",
            "foreground": {"repo": "front", "model": "m"},
            "background": {"repo": "back", "model": "m"},
        }
        files = {"models_config.json": {"models": models}}
        files["x.json"] = {**quick, "experiments": [one], **settings}
        for name, data in files.items():
            (self.root / "settings" / name).write_text(json.dumps(data))
        for path in (self.root, *self.root.rglob("*")):
            os.chown(path, self.user.uid, self.user.gid, follow_symlinks=False)
        self.write_facts(seconds)

    @property
    def facts_file(self) -> Path:
        return self.folder / "facts.json"

    def write_facts(self, seconds: float, attack: str = "") -> None:
        """What attackers know; *seconds*: how long a training lasts."""
        facts = {
            "attack": attack,
            "seconds": seconds,
            "vault": str(self.folder / "vault"),
            "secret": str(self.folder / "vault" / "secret"),
            "notice": str(self.folder / "open" / "notice"),
            "diary": str(self.stranger.home / "private" / "diary"),
            "strangers_home": str(self.stranger.home),
            "home": str(self.user.home),
            "workspace": str(self.root),
            "runtime": str(self.runtime),
            "drop": str(self.drop),
            "lock": self.variables["ENERGYCTL_LOCK"],
            "cpus": self.variables["ENERGYCTL_CPUFREQ"],
            "energyctl": str(self.energyctl),
            "user": asdict(self.user) | {"home": str(self.user.home)},
            "canaries": [[c.whose, c.pid, c.ticks] for c in self.canaries],
        }
        self.facts_file.write_text(json.dumps(facts))
        self.facts_file.chmod(0o644)

    # -- commands ------------------------------------------------------------------------

    def environment(self, account: Account) -> dict[str, str]:
        known = {"HOME": str(account.home), "USER": account.name, "LOGNAME": account.name}
        return {"PATH": PATH, "LANG": "C.UTF-8", "COLUMNS": "200", **known, **self.variables}

    def line(self, *arguments: str, sudo: bool = True, shell: str = "") -> list[str]:
        """``energyctl …`` from a shell, which does *shell* before."""
        command = shlex.join([*(["sudo", "-n"] if sudo else []), str(self.energyctl), *arguments])
        return ["/bin/sh", "-c", f"ulimit -v {MEMORY_KIB}\n{shell}\nexec {command}"]

    def attacker(self, role: str) -> list[str]:
        return [self.python, "-I", "-S", str(ATTACKS), str(self.facts_file), role]

    def start(
        self, argv: Sequence[str], account: Account | None = None, terminal: int | None = None
    ) -> subprocess.Popen[bytes]:
        """As the user, or *account*; output into a file, or to *terminal*."""
        who = account or self.user
        out = self.folder / "said" / str(len(self.started))
        with open(out, "wb") as file:
            stream = file.fileno() if terminal is None else terminal
            popen = subprocess.Popen(
                argv,
                cwd=self.root if who == self.user else who.home,
                env=self.environment(who),
                user=who.uid,
                group=who.gid,
                extra_groups=[],
                stdin=subprocess.DEVNULL if terminal is None else terminal,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                preexec_fn=None if terminal is None else _take_terminal,
            )
        self.started.append(popen)
        return popen

    def text_of(self, popen: subprocess.Popen[bytes]) -> str:
        path = self.folder / "said" / str(self.started.index(popen))
        return path.read_bytes().decode(errors="replace")

    def finish(self, popen: subprocess.Popen[bytes], what: str, seconds: float) -> Said:
        began = time.monotonic()
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = popen.wait(seconds)
        took = time.monotonic() - began
        if code is None:
            self.end_all()
        return Said(what, code, self.text_of(popen), took)

    def call(self, *arguments: str, sudo: bool = True, seconds: float = 30.0) -> Said:
        popen = self.start(self.line(*arguments, sudo=sudo))
        return self.finish(popen, self.name_of(arguments, sudo), seconds)

    @staticmethod
    def name_of(arguments: Sequence[str], sudo: bool) -> str:
        return f"{'sudo ' * sudo}energyctl {' '.join(arguments)}"

    def end_all(self) -> None:
        """Kills what was started, and every process of the user's but the canaries."""
        spared = {canary.pid for canary in self.canaries}
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = [
                process.pid
                for process in psutil.process_iter()
                if self.user.uid in _uids(process) and process.pid not in spared
            ]
            found += [popen.pid for popen in self.started if popen.poll() is None]
            if not found:
                return
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        raise RuntimeError(f"cannot end {found}")

    # -- looking -------------------------------------------------------------------------

    def roots_processes(self, popen: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Those of root's that `sudo` and energyctl have started, `sudo` itself aside."""
        found: list[psutil.Process] = []
        layer = [psutil.Process(popen.pid)]
        with contextlib.suppress(psutil.NoSuchProcess):
            while layer:
                above = layer.pop()
                for child in above.children():
                    is_root = 0 in _uids(child)
                    if is_root and child.name() != "sudo":
                        found.append(child)
                    if is_root or 0 in _uids(above):  # not into what energyctl starts as the user
                        layer.append(child)
        return found

    def fingerprint(self) -> dict[str, tuple[Any, ...]]:
        """All that is root's or the stranger's, and has to stay as it is."""
        places = [self.folder / "vault", self.folder / "open", self.stranger.home]
        paths = [*self.of_others, *places]
        paths += [path for place in places for path in place.rglob("*")]
        found: dict[str, tuple[Any, ...]] = {}
        for path in paths:
            status = path.lstat()
            text = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            whose = status.st_uid, status.st_gid, status.st_mode, status.st_mtime_ns
            found[str(path)] = (*whose, hashlib.sha256(text).hexdigest())
        return found

    def users_files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """All where the user may write."""
        for place in (self.user.home, self.drop):
            for at, folders, names in os.walk(place):
                for name in (*folders, *names):
                    with contextlib.suppress(OSError):
                        yield Path(at, name), Path(at, name).lstat()

    def leaks(self) -> list[str]:
        """Where a secret stands that the user can read."""
        found = []
        for path, status in self.users_files():
            if stat.S_ISREG(status.st_mode):
                text = path.read_bytes()
                found += [
                    f"{path}: {whose} secret"
                    for whose, s in self.secrets.items()
                    if s.encode() in text
                ]
        return found

    def roots_files(self) -> list[str]:
        """Files of root's where the user may write."""
        return [
            str(path)
            for path, status in self.users_files()
            if status.st_uid == 0 and path not in self.of_others
        ]


def _uids(process: psutil.Process) -> tuple[int, ...]:
    try:
        return tuple(process.uids())
    except psutil.NoSuchProcess:
        return ()


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
