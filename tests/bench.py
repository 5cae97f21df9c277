"""Workspaces with stand-in clones, and the real command line in processes of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import energyctl
import own_records
from energyctl import cli
from energyctl.system import processes, workspace
from energyctl.system.owner import Owner, pids_of
from energyctl.system.private_folder import inode_of, runtime_path
from energyctl.system.user import invoking_user

DEADLINE_SECONDS = 120.0

TRAIN = """#!{python} -S
import json, os, signal, subprocess, sys, time
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open(os.environ["TRIALS"], "a") as file:
    row = {{"argv": sys.argv[1:], "role": os.environ.get("ENERGYCTL_RUN", "").rpartition("/")[2]}}
    row |= {{"cwd": os.getcwd(), "pid": os.getpid(), "uid": os.getuid()}}
    file.write(json.dumps(row) + "\\n")
print("training with", sys.argv[1:], flush=True)
behaviour = flags.get("--behaviour", "")
if behaviour == "fails":
    sys.exit(3)
if behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if behaviour == "daemon":
    subprocess.Popen(["sleep", "1000"], start_new_session=True)
if behaviour == "once":
    marker = os.environ["TRIALS"] + ".once"
    if not os.path.exists(marker):
        open(marker, "w").close()
        sys.exit(1)
end = time.monotonic() + float(flags.get("--seconds", "0.3"))
while time.monotonic() < end and not os.path.exists(os.environ["TRIALS"] + ".enough"):
    time.sleep(0.01)
print("loss: 1.25e-05")
print("Accuracy: 91.5", flush=True)
"""

REGISTRY: dict[str, Any] = {
    "models": {
        name: {
            "path": f"repos/{name}",
            "train_script": "./train.sh",
            "models": ["small", "large"],
            "model_flag": "-n",
            "supported_hyperparams": {
                "seconds": {"flag": "--seconds", "type": "float", "default": 0.3},
                "behaviour": {"flag": "--behaviour", "type": "str", "default": ""},
                "learning_rate": {
                    "flag": "--lr",
                    "type": "float",
                    "default": 0.1,
                    "range": [0.05, 0.15],
                    "distribution": "log_uniform",
                },
            },
            "performance_metrics": {
                "log_patterns": {"loss": "loss: ([0-9.]+)", "accuracy": "Accuracy: ([0-9.]+)"}
            },
        }
        for name in ("front", "back")
    }
}


def wait_for(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """The first truthy value of *condition*; fails the test after *seconds*."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


@contextlib.contextmanager
def deadline(what: str) -> Iterator[None]:
    """Fails the test after DEADLINE_SECONDS, wherever it hangs; in the main thread alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(*_: object) -> None:
        pytest.fail(f"{what} has not ended within {DEADLINE_SECONDS:g} s")

    before, began = signal.signal(signal.SIGALRM, give_up), time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, DEADLINE_SECONDS)  # of the limit of all tests
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
        left = left and max(0.01, left - (time.monotonic() - began))
        signal.setitimer(signal.ITIMER_REAL, left)


SHADOWS = (
    "queue", "random", "types", "re", "typing", "json", "click", "jinja2", "psutil", "pydantic",
    "signal", "subprocess", "socket", "gzip", "math", "site", "sitecustomize", "__future__",
    "energyctl/__init__", "supervisor/__init__", "encodings/__init__",
)  # fmt: skip


def shadow_modules(folder: Path, seen: Path) -> None:
    """Files in *folder* named as modules that we import; each notes in *seen* that it was."""
    for name in SHADOWS:
        path = folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"open({str(seen)!r}, 'a').write({name!r} + '\\n')\nraise ImportError\n")


DEAD = 2**22 + 1  # above pid_max (proc(5))
NONCE = processes.new_nonce()


def write_owner(runtime: Path, workspace: Path, **fields: Any) -> None:
    """The record of an energyctl that is dead, of a campaign with the secret NONCE."""
    boot, namespace = pids_of()
    owner = Owner(
        pid=DEAD,
        ticks=1,
        user="me",
        workspace=str(workspace),
        inode=inode_of(workspace),
        campaign="night",
        since=0.0,
        cgroup=None,
        nonce=NONCE,
        boot=boot,
        namespace=namespace,
    )
    (runtime / "owner.json").write_text(json.dumps({**asdict(owner), **fields}))


def open_way(folder: Path) -> None:
    """Lets every user reach *folder*, which lies in the folder for temporary files."""
    end = Path(tempfile.gettempdir())
    for inside in (folder, *folder.parents):
        if inside == end or end not in inside.parents:
            return
        inside.chmod(0o755)


@dataclass
class Bench:
    """A workspace in a folder of its own, with a registry, two stand-in clones and a lock.

    prefix: what energyctl is started by.
    """

    root: Path
    env: dict[str, str]
    python: str = sys.executable
    prefix: tuple[str, ...] = ()
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def settings(self, name: str = "x.json", **fields: Any) -> str:
        """Writes a settings file with quick phases; returns its name."""
        quick = {
            "experiment_name": "trial",
            "idle_seconds": 0,
            "cooldown_seconds": 0,
            "max_retries": 0,
            "sample_interval_seconds": 0.1,
            "settle": {"seconds": 0.1, "timeout_seconds": 30},
        }
        (self.root / "settings" / name).write_text(json.dumps({**quick, **fields}))
        return name

    def parallel(self, name: str = "x.json", **fields: Any) -> str:
        """A settings file with one parallel experiment: ``front`` before ``back``."""
        foreground = {"repo": "front", "model": "small", "hyperparameters": {"seconds": 1.0}}
        background = {"repo": "back", "model": "large", "hyperparameters": {"seconds": 0.2}}
        foreground |= fields.pop("foreground", {})
        background = fields.pop("background", None) or background
        experiment = {"mode": "parallel", "foreground": foreground, "background": background}
        return self.settings(name, experiments=[experiment], **fields)

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Starts ``energyctl …`` in the workspace."""
        popen = subprocess.Popen(
            [*self.prefix, self.python, "-m", "energyctl", *arguments],
            cwd=self.root,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(popen)
        return popen

    def run(
        self, *arguments: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs ``energyctl …`` to its end."""
        popen = self.start(*arguments, env=env)
        out, err = popen.communicate(timeout=DEADLINE_SECONDS)
        return subprocess.CompletedProcess(arguments, popen.returncode, out, err)

    def look(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``energyctl …`` in this process, which is quicker: for what starts and ends nothing."""
        out, err = io.StringIO(), io.StringIO()
        here = mock.patch.dict(os.environ, self.env, clear=True)
        streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
        with here, streams[0], streams[1], deadline(f"energyctl {' '.join(arguments)}"):
            code = cli.run(["-C", str(self.root), *arguments])
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def end_trainings(self) -> None:
        """The stand-in trainings of now and later succeed without waiting for their time."""
        Path(self.env["TRIALS"] + ".enough").touch()

    @property
    def trials(self) -> list[dict[str, Any]]:
        """What the stand-in trainings noted at their start, oldest first."""
        path = Path(self.env["TRIALS"])
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def results(self, folder: str = "results") -> list[dict[str, Any]]:
        """Every result, in the order in which they were written."""
        paths = (self.root / folder).glob("*.json")
        ordered = sorted(paths, key=lambda path: path.stat().st_mtime_ns)
        return [json.loads(path.read_text()) for path in ordered]

    @property
    def runtime(self) -> Path:
        return runtime_path(self.root, invoking_user())

    def alive(self) -> list[str]:
        """Every process that belongs to this workspace: daemon, launchers, trainings."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    environ = (entry / "environ").read_bytes()
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:
                    continue
                if f"TRIALS={self.env['TRIALS']}".encode() in environ.split(b"\0"):
                    found.append(f"{entry.name} {command}")
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A workspace; the test fails if it leaves a process, a socket or a private folder behind."""
    with bench_in(tmp_path) as made:
        yield made


@contextlib.contextmanager
def bench_in(tmp_path: Path) -> Iterator[Bench]:
    root = tmp_path / "workspace"
    workspace.init(root)
    (root / "settings" / "models_config.json").write_text(json.dumps(REGISTRY))
    for name in REGISTRY["models"]:
        script = root / "repos" / name / "train.sh"
        script.parent.mkdir(parents=True)
        script.write_text(TRAIN.format(python=sys.executable))
        script.chmod(0o755)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ENERGYCTL_", "SUDO_", "CUDA_"))
    }
    env = {
        **kept,
        "ENERGYCTL_LOCK": str(tmp_path / "lock"),
        "ENERGYCTL_PRIVATE": os.environ["ENERGYCTL_PRIVATE"],
        "ENERGYCTL_ACCEPTANCE": own_records.NOWHERE,
        "ENERGYCTL_POWERCAP": str(tmp_path / "no-powercap"),
        "ENERGYCTL_PERF": str(tmp_path / "no-perf"),
        "TRIALS": str(tmp_path / "trials.jsonl"),
        "COLUMNS": "200",
    }
    made = Bench(root, env)
    yield made
    for popen in made.started:
        if popen.poll() is None:
            popen.send_signal(signal.SIGTERM)
            popen.communicate(timeout=DEADLINE_SECONDS)
        for stream in (popen.stdout, popen.stderr):
            if stream is not None:
                stream.close()
    left = made.alive()
    for line in left:
        os.kill(int(line.split()[0]), signal.SIGKILL)
    assert not left
    assert not made.runtime.exists()


def python_for(user: pwd.struct_passwd, env: dict[str, str]) -> str:
    """An interpreter with energyctl that *user* may start too; skips the test without one."""
    paths = [path for path in sys.path if path.endswith("site-packages")]
    env["PYTHONPATH"] = os.pathsep.join([str(Path(energyctl.__file__).parents[1]), *paths])
    for python in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            tried = subprocess.run(
                [python, "-c", "import energyctl.campaign.campaign"],
                user=user.pw_uid,
                group=user.pw_gid,
                env=env,
                cwd="/",
                capture_output=True,
                check=False,
            )
            if tried.returncode == 0:
                return python
    pytest.skip("no interpreter with energyctl can be started by another user here")
