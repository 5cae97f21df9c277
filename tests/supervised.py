"""Real groups in a real supervisord, without a campaign around them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from bench import wait_for
from energyctl.background import daemon_lifecycle, entries, templates
from energyctl.background.daemon import Daemon
from energyctl.background.group import BackgroundGroup
from energyctl.config.plan import BackgroundJob, Run, Training
from energyctl.config.registry import Invocation
from energyctl.results.folder import ResultsFolder
from energyctl.results.paths import RunFiles
from energyctl.system import processes
from energyctl.system.private_folder import remove_runtime_folder, runtime_folder
from energyctl.system.user import invoking_user
from energyctl.system.workspace import Workspace

NONCE = processes.new_nonce()
"""The secret of the campaign."""

QUIET = Training("quiet", "model", {})


def make_run(*background: BackgroundJob) -> Run:
    return Run(1, 0, 1, "parallel", QUIET, background=background)


def job(model: str, **fields: float) -> BackgroundJob:
    """A background job ``back_{model}``."""
    return BackgroundJob(Training("back", model, {}), **fields)  # type: ignore[arg-type]


def files_of(folder: Path, experiment_id: str) -> RunFiles:
    return RunFiles(folder, experiment_id, experiment_id, "stamp", "quiet", "model")


def living(root: Path) -> list[processes.ProcessInfo]:
    """Every process that has *root* in its command, its environment or its working folder.

    A program may clear its environment, but hardly all three.
    """
    needle = os.fsencode(root)
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                texts = [(entry / name).read_bytes() for name in ("cmdline", "environ")]
                texts.append(os.fsencode(os.readlink(entry / "cwd")))
            except OSError:
                continue
            process = processes.identify(int(entry.name))
            if process is not None and any(needle in text for text in texts):
                found.append(process)
    return found


@dataclass
class World:
    """A workspace with a daemon of its own. ``notes`` is a file that trainings may write to."""

    root: Path
    runtime: Path
    commands: dict[str, Sequence[str]] = field(default_factory=dict)
    daemon: Daemon | None = None

    @property
    def notes(self) -> Path:
        return self.root / "notes"

    @property
    def configuration(self) -> Path:
        return self.root / "supervisord.conf"

    @property
    def results(self) -> ResultsFolder:
        return ResultsFolder(self.root / "results")

    def lines(self) -> list[str]:
        """The whole lines of ``notes``."""
        text = self.notes.read_text() if self.notes.exists() else ""
        return text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]

    def ensure(self) -> Daemon:
        """The daemon, started from the project's own configuration."""
        template = Workspace(self.root).daemon_template
        values = {"runtime": str(self.runtime)}
        self.configuration.write_text(templates.render_template(template, values, script=False))
        (self.runtime / "conf.d").mkdir(exist_ok=True)
        with patch.dict(os.environ, WORLD=str(self.root)):
            self.daemon = daemon_lifecycle.ensure(self.configuration, self.runtime, NONCE)
        return self.daemon

    def invocations_of(self, training: Training, *_: object) -> tuple[Invocation, ...]:
        return (Invocation(tuple(self.commands[training.model]), str(self.root), {}),)

    def background(
        self, experiment_id: str, *jobs: BackgroundJob, environment: Mapping[str, str] | None = None
    ) -> BackgroundGroup:
        """A group that is written, but not yet started."""
        daemon = self.daemon or self.ensure()
        files = files_of(self.results.root, experiment_id)
        marker = processes.marker(NONCE, experiment_id, "background")
        rendered = entries.render(
            make_run(*jobs),
            files,
            self.runtime,
            Workspace(self.root).templates,
            self.invocations_of,
            keep_logs="5,20,50",
        )
        made = BackgroundGroup(
            daemon=daemon,
            rendered=rendered,
            files=files,
            folder=self.results,
            environment=environment or {**os.environ, "WORLD": str(self.root)},
            marker=marker,
        )
        made.write(clock_offset=time.time() - time.monotonic())
        return made


@contextlib.contextmanager
def supervised(root: Path) -> Iterator[World]:
    """A world in *root*; fails the test where a process of it outlives its daemon."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "results").mkdir()
    world = World(root, runtime_folder(root, invoking_user()))
    try:
        yield world
        if world.daemon is not None:
            world.daemon.shut_down()
        wait_for(lambda: not living(root), f"{living(root)} to end", 5)
    finally:
        for process in living(root):
            process.signal(signal.SIGKILL)
        if world.daemon is not None and world.daemon.child is not None:
            world.daemon.child.wait(10)
        remove_runtime_folder(world.runtime)


# Programs that are hard to end. Each process notes its kind and its pid.
STUBBORN = """\
import os, signal, subprocess, sys
notes = "notes"
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def note(kind):
    with open(notes, "a") as file:
        file.write(f"{kind} {os.getpid()}\\n")
def sleeper(kind):
    return ["/bin/sh", "-c", f"echo {kind} $$ >> {notes}; exec /bin/sleep 1000"]
note("ignores-term")
subprocess.Popen(sleeper("setsid"), start_new_session=True)
subprocess.Popen(sleeper("empty-environment"), env={}, start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sh", sleeper("daemon"))
    os._exit(0)
os.wait()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sh", sleeper("daemon-empty-environment"), {})
    os._exit(0)
stopped = ["/bin/sh", "-c", f"echo stopped $$ >> {notes}; kill -STOP $$; exec /bin/sleep 1000"]
subprocess.Popen(stopped, start_new_session=True)
while True:
    signal.pause()
"""
FROZEN = """\
env -i /usr/bin/setsid /bin/sh -c 'echo below-frozen-empty-environment $$ >> notes; sleep 1000' &
echo below-frozen $$ >> notes
exec sleep 1000
"""
KINDS = 8
"""So many processes do STUBBORN and FROZEN start together."""
