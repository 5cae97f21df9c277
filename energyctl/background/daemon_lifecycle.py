"""Brings the supervisord of a workspace up, and up again where it was lost."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from energyctl import __version__
from energyctl.background import templates
from energyctl.background.daemon import CALL_SECONDS, NONCE, Daemon, find_daemon
from energyctl.background.protocol import STOP_WAIT_SECONDS
from energyctl.errors import EnergyctlError, MachineError
from energyctl.system import processes
from energyctl.system.cgroups import Cgroup
from energyctl.system.files import write_atomic
from energyctl.system.private_folder import if_full, node_local
from energyctl.system.workspace import Workspace

SUPERVISORD = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from supervisor.supervisord import main; main()"
)
"""As ``-m supervisor.supervisord``, but with no module from the current folder."""

START_SECONDS = 15.0
START_TRIES = 3
"""Where it is killed while it comes up: by the kernel for memory, or by hand."""


@dataclass
class Daemons:
    """The campaign's daemon, started when first asked for and again if it was lost."""

    workspace: Workspace
    runtime: Path
    cgroup: Cgroup | None
    configuration: Path
    nonce: str
    daemon: Daemon | None = None

    def get(self) -> Daemon:
        """Raises MachineError where it does not come up, or is of another version."""
        if self.daemon is None or not self.daemon.answers_soon():
            if self.daemon is not None:
                self.daemon.kill()  # one that hangs
                self.daemon.shut_down()  # what is left of one that was killed
            template = self.workspace.daemon_template
            write_configuration(template, self.configuration, self.runtime)
            (self.runtime / "conf.d").mkdir(mode=0o700, exist_ok=True)
            self.daemon = ensure(self.configuration, self.runtime, self.nonce)
            if self.cgroup is not None and self.daemon.child is not None:
                # Its children may enter cgroups only beside one that they were delegated with it.
                self.cgroup.part("daemon").add(self.daemon.child.pid)
        return self.daemon

    def close(self) -> None:
        if self.daemon is not None:
            self.daemon.shut_down()


def write_configuration(template: Path, configuration: Path, runtime: Path) -> None:
    """Renders ``supervisord.conf``. Raises Settings- or MachineError."""
    text = templates.render_template(template, {"runtime": str(runtime)}, script=False)
    try:
        write_atomic(configuration, text)
    except OSError as error:
        raise MachineError(f"cannot write {configuration}: {error.strerror}") from error


def ensure(
    configuration: Path,
    runtime: Path,
    nonce: str,
) -> Daemon:
    """The daemon of this workspace: the one that runs, or a new one from *configuration*.

    It ends our groups when this process ends, however that happens; a new one, which carries
    *nonce*, ends with them.
    Raises MachineError with the end of its log when it does not come up, and where an operator
    started it before energyctl was upgraded: its launchers and its guard are still the old ones.
    """
    _wait_for_the_end_of_another(runtime)
    daemon = find_daemon(runtime) or _start(configuration, runtime, nonce)
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


def try_supervisord(workspace: Workspace) -> str | None:
    """Starts one in a private folder, with the workspace's template, and ends it.

    Returns why it does not come up; None: it does.
    """
    folder: Path | None = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="ec-try-", dir=node_local()))
        configuration = folder / "supervisord.conf"
        write_configuration(workspace.daemon_template, configuration, folder)
        (folder / "conf.d").mkdir()
        _start(configuration, folder, processes.new_nonce()).shut_down()
    except (EnergyctlError, OSError) as error:
        return str(error)
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
    return None


def _start(
    configuration: Path,
    runtime: Path,
    nonce: str,
    tries: int = START_TRIES,
) -> Daemon:
    for stale in (runtime / "conf.d").glob("*.conf"):
        stale.unlink()
    write_atomic(runtime / NONCE, nonce)
    output = runtime / "supervisord.start"
    command = [sys.executable, "-c", SUPERVISORD, "-n", "-c", str(configuration)]
    with open(output, "wb") as log:
        try:
            child = subprocess.Popen(
                command,
                cwd=runtime,
                # Configuration files are UTF-8, whatever the caller's locale says.
                env={
                    **os.environ,
                    "PYTHONUTF8": "1",
                    processes.MARKER: processes.daemon_marker(nonce),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=processes.with_parent(signal.SIGTERM),
            )
        except OSError as error:
            raise MachineError(
                f"cannot start supervisord with {sys.executable}: {error.strerror}"
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
                return _start(configuration, runtime, nonce, tries - 1)
            raise MachineError(_why_not(configuration, output))
        time.sleep(0.01)
    return daemon


def _why_not(configuration: Path, output: Path) -> str:
    lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    lines = [line for line in lines if "running as root" not in line]
    said = [line for line in lines if "Error" in line or "CRIT" in line] or lines[-1:]
    reason = said[0].strip() if said else "it said nothing"
    return f"supervisord does not come up with {configuration}: {reason}{if_full(output.parent)}"
