"""Brings the supervisord of a workspace up, and up again where it was lost."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyctl import __version__
from energyctl.background import templates
from energyctl.background.daemon import CALL_SECONDS, STARTED, Daemon, find_daemon
from energyctl.background.protocol import STARTED_BY_ENERGYCTL, STOP_WAIT_SECONDS
from energyctl.errors import MachineError
from energyctl.system import processes
from energyctl.system.cgroups import Cgroup
from energyctl.system.files import write_atomic
from energyctl.system.user import User
from energyctl.system.workspace import Workspace

START_SECONDS = 15.0
START_TRIES = 3
"""Where it is killed while it comes up: by the kernel for memory, or by hand."""


@dataclass
class Daemons:
    """The campaign's daemon, started when first asked for and again if it was lost."""

    workspace: Workspace
    user: User
    runtime: Path
    cgroup: Cgroup | None
    configuration: Path
    daemon: Daemon | None = None

    def get(self) -> Daemon:
        """Raises MachineError where it does not come up, or is of another version."""
        if self.daemon is None or not self.daemon.answers_soon():
            if self.daemon is not None:
                self.daemon.kill()  # one that hangs
                self.daemon.shut_down()  # what is left of one that was killed
            template = self.workspace.daemon_template
            write_configuration(template, self.configuration, self.runtime, self.user)
            with self.user.acting():
                (self.runtime / "conf.d").mkdir(mode=0o700, exist_ok=True)
                self.daemon = ensure(
                    self.configuration,
                    self.runtime,
                    credentials=self.user.credentials,
                    env=self.user.environment(os.environ),
                )
            if self.cgroup is not None and self.daemon.child is not None:
                # Its children may enter cgroups only beside one that they were delegated with it.
                self.cgroup.part("daemon").add(self.daemon.child.pid)
        return self.daemon

    def close(self) -> None:
        if self.daemon is not None:
            with self.user.acting():
                self.daemon.shut_down()


def write_configuration(template: Path, configuration: Path, runtime: Path, user: User) -> None:
    """Renders ``supervisord.conf``. Raises Settings- or MachineError."""
    text = templates.render_template(template, {"runtime": str(runtime)}, script=False)
    try:
        with user.writing(configuration.parent):
            write_atomic(configuration, text, user.own)
    except OSError as error:
        raise MachineError(f"cannot write {configuration}: {error.strerror}") from error


def ensure(
    configuration: Path,
    runtime: Path,
    *,
    credentials: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> Daemon:
    """The daemon of this workspace: the one that runs, or a new one from *configuration*.

    It ends our groups when this process ends, however that happens; a new one ends with them.
    Raises MachineError with the end of its log when it does not come up, and where an operator
    started it before energyctl was upgraded: its launchers and its guard are still the old ones.
    """
    _wait_for_the_end_of_another(runtime)
    daemon = find_daemon(runtime) or _start(configuration, runtime, credentials or {}, env)
    _refuse_another_version(daemon, configuration)
    daemon.process()
    daemon.watch(os.getpid())
    return daemon


def _refuse_another_version(daemon: Daemon, configuration: Path) -> None:
    version = daemon.version()
    if version not in (None, __version__):
        end = shlex.join(["supervisorctl", "-c", str(configuration), "shutdown"])
        raise MachineError(
            f"the supervisord at {daemon.socket} was started with energyctl {version}, "
            f"this is {__version__}; end it with: {end}"
        )


def _wait_for_the_end_of_another(runtime: Path) -> None:
    """A daemon that is shutting down (after a crash of energyctl) still holds the socket."""
    deadline = time.monotonic() + STOP_WAIT_SECONDS + CALL_SECONDS
    while Daemon(runtime).state() not in (None, "RUNNING") and time.monotonic() < deadline:
        time.sleep(0.05)


def _start(
    configuration: Path,
    runtime: Path,
    credentials: Mapping[str, Any],
    env: Mapping[str, str] | None,
    tries: int = START_TRIES,
) -> Daemon:
    for stale in (runtime / "conf.d").glob("*.conf"):
        stale.unlink()
    output = runtime / "supervisord.start"
    command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(configuration)]
    with open(output, "wb") as log:
        try:
            child = subprocess.Popen(
                command,
                cwd=runtime,
                # Configuration files are UTF-8, whatever the caller's locale says.
                env={
                    **(os.environ if env is None else env),
                    "PYTHONUTF8": "1",
                    STARTED_BY_ENERGYCTL: "1",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=processes.with_parent(signal.SIGTERM),
                **credentials,
            )
        except OSError as error:
            who = f" as user {credentials['user']}" if credentials else ""
            raise MachineError(
                f"cannot start supervisord{who} with {sys.executable}: {error.strerror}"
            ) from error
    processes.own(child.pid)
    daemon = Daemon(runtime, child)
    deadline = time.monotonic() + START_SECONDS
    while not daemon.answers():
        if (code := child.poll()) is not None or time.monotonic() > deadline:
            child.kill()
            child.wait()
            processes.forget(child.pid)
            if code == -signal.SIGKILL and tries > 1:
                return _start(configuration, runtime, credentials, env, tries - 1)
            raise MachineError(_why_not(configuration, output))
        time.sleep(0.01)
    found = processes.identify(child.pid)
    if found is not None:
        (runtime / STARTED).write_text(f"{found.pid} {found.ticks}")
    return daemon


def _why_not(configuration: Path, output: Path) -> str:
    lines = output.read_text(errors="replace").strip().splitlines()
    lines = [line for line in lines if "running as root" not in line]
    said = [line for line in lines if "Error" in line or "CRIT" in line] or lines[-1:]
    reason = said[0].strip() if said else "it said nothing"
    return f"supervisord does not come up with {configuration}: {reason}"
