"""The foreground training, started and ended through its launcher (``measured``)."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from energyctl import launchers
from energyctl.config.registry import Invocation
from energyctl.system import processes
from energyctl.system.cgroups import Cgroup
from energyctl.system.logs import OutputLog

LAUNCHER = Path(launchers.__file__).with_name("foreground.py")
READY_SECONDS = 30.0
TERM_GRACE_SECONDS = 7.0
LEFTOVER_SECONDS = 5.0
"""What the launcher may take for what a training left running: its grace is 2 s."""


class CannotStart(Exception):
    """The program could not be started; the text says why."""


@dataclass
class ForegroundProcess:
    """The foreground training below its launcher; output straight to its log."""

    launcher: subprocess.Popen[bytes]
    marker: str
    invocation: Invocation
    cgroup: Cgroup | None = None
    background: processes.Kin | None = None
    """What runs beside it."""

    pid: int | None = None
    returncode: int | None = None
    left: list[processes.ProcessInfo] = field(default_factory=list)
    """What the training had left running when it ended by itself; complete after :meth:`end`."""

    _buffer: bytes = b""
    _ended: bool = False

    def __post_init__(self) -> None:
        self._kin = processes.Kin(lambda marker: marker == self.marker)

    def go(self) -> None:
        """Starts the training; returns once it runs. Raises CannotStart."""
        assert self.launcher.stdin is not None
        try:
            self.launcher.stdin.write(b"go\n")
            self.launcher.stdin.flush()
        except OSError as error:
            raise CannotStart(f"the launcher of the training ended: {error.strerror}") from error
        word = self._next(READY_SECONDS)
        if word.startswith("started "):
            self.pid = int(word.split()[1])
            return
        self.end()
        if word.startswith("failed "):
            raise CannotStart(_why(int(word.split()[1]), self.invocation))
        raise CannotStart("the launcher of the training ended")

    def wait(self, seconds: float, wake: Sequence[int] = ()) -> int | None:
        """Waits for the end, at most *seconds*, or until a descriptor of *wake* is readable.

        Returns the exit code (-n for signal n) or None; reacts at once.
        """
        deadline = time.monotonic() + seconds
        while self.returncode is None:
            more = self._read(deadline - time.monotonic(), wake)
            if self._take_answers() or not more:
                break
        return self.returncode

    def look(self) -> list[processes.ProcessInfo]:
        """What is alive of the foreground: its tree, its marker, its cgroup, orphans of it."""
        members = self.cgroup.members() if self.cgroup else []
        orphans = [one.pid for one in processes.orphans() if not self._of_background(one)]
        unreaped = self.launcher.returncode is None
        tree = [self.launcher.pid] if unreaped else []
        found = self._kin.look([*tree, *members, *orphans])
        return [process for process in found if process.pid != self.launcher.pid]

    def _of_background(self, orphan: processes.ProcessInfo) -> bool:
        """Whether an orphan is one of the background's, whose launcher or supervisord was lost."""
        if self.background is not None and self.background.knows(orphan):
            return True
        role = processes.environment_value(orphan.pid, processes.MARKER) or ""
        return role.endswith("/background")

    def end(self, grace_seconds: float = TERM_GRACE_SECONDS) -> processes.EndReport:
        """Ends all of it and returns when a look finds nothing: TERM, *grace_seconds*, KILL.

        Where the training has ended already: what it left running.
        """
        began = time.monotonic()
        found = self.look()
        if self.returncode is None:
            self._signal(signal.SIGTERM)
            if not self._wait_for_end(grace_seconds):
                self._signal(signal.SIGQUIT)
        if not self._wait_for_end(LEFTOVER_SECONDS):
            self._signal(signal.SIGKILL)
        self._close()
        rest = processes.end(self.look, grace_seconds=0.5, kill=self._kill)
        met = {p.pid: p for p in (*self.left, *found, *rest.found)}
        return processes.EndReport(time.monotonic() - began, tuple(met.values()), rest.left)

    def _signal(self, signum: int) -> None:
        """To the launcher, which passes it on."""
        self.launcher.send_signal(signum)
        self.launcher.send_signal(signal.SIGCONT)

    def _kill(self) -> None:
        if self.cgroup is not None:
            self.cgroup.kill()

    def _wait_for_end(self, seconds: float) -> bool:
        """Whether the launcher has ended all of it and itself."""
        deadline = time.monotonic() + seconds
        while not self._ended and (left := deadline - time.monotonic()) > 0:
            self._read(left, ())
        self._take_answers()
        return self._ended

    def _close(self) -> None:
        self._take_answers()
        self.launcher.wait()
        processes.forget(self.launcher.pid)
        for pipe in (self.launcher.stdin, self.launcher.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        if self.pid is not None and self.returncode is None:
            # The launcher was killed, and its training with it (PR_SET_PDEATHSIG).
            self.returncode = -signal.SIGKILL

    # -- answers -------------------------------------------------------------------------

    def _read(self, seconds: float, wake: Sequence[int]) -> bool:
        """Reads what the launcher says; False after *seconds*, or where *wake* is readable."""
        assert self.launcher.stdout is not None
        descriptor = self.launcher.stdout.fileno()
        poll = select.poll()
        for number in (descriptor, *wake):
            poll.register(number, select.POLLIN)
        ready = {number for number, _ in poll.poll(max(0, seconds) * 1000)}
        if descriptor in ready:
            data = os.read(descriptor, 65536)
            self._buffer += data
            self._ended = not data
        return bool(ready) and not ready & set(wake) and not self._ended

    def _take_answers(self) -> bool:
        """Whether the exit of the training is known; everything that was said is taken in."""
        while b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "exited":
                self.returncode = int(rest)
            elif word == "left":
                pid, ticks, command = rest.split(" ", 2)
                self.left.append(processes.ProcessInfo(int(pid), int(ticks), command))
        if self._ended and self.pid is not None and self.returncode is None:
            self.returncode = -signal.SIGKILL
        return self.returncode is not None

    def _next(self, seconds: float) -> str:
        """The next answer; empty where none comes."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer and not self._ended and time.monotonic() < deadline:
            self._read(deadline - time.monotonic(), ())
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace")


def prepare(
    invocation: Invocation,
    environment: Mapping[str, str],
    marker: str,
    log: OutputLog,
    cgroup: Cgroup | None = None,
    background: processes.Kin | None = None,
    launched: Callable[[int], None] = lambda pid: None,
) -> ForegroundProcess:
    """A launcher that waits for :meth:`ForegroundProcess.go`; all output goes to *log*.

    It runs in a session of its own, and ends its training when energyctl dies. The training reads
    nothing on standard input. launched: is told the launcher's pid. Raises CannotStart.
    """
    argv, cwd = invocation.argv, invocation.cwd
    env = {**environment, **invocation.env, processes.MARKER: marker}
    if any("\0" in item for item in (*argv, *env, *env.values(), cwd)):
        raise CannotStart(f"cannot start {argv[0]}: a NUL character in an argument")
    command = [sys.executable, "-I", "-S", str(LAUNCHER)]
    try:
        launcher = subprocess.Popen(
            command,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), processes.MARKER: marker},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.descriptor,
            start_new_session=True,
        )
    except OSError as error:
        raise CannotStart(f"cannot start {command[0]}: {error.strerror}") from error
    processes.own(launcher.pid)
    launched(launcher.pid)
    foreground = ForegroundProcess(launcher, marker, invocation, cgroup, background)
    if cgroup is not None:
        cgroup.add(launcher.pid)
    cpus = invocation.placed.cpus
    request = json.dumps({"argv": argv, "cwd": os.path.abspath(cwd), "env": env, "cpus": cpus})
    assert launcher.stdin is not None
    with contextlib.suppress(OSError):  # the answer, or its lack, says so
        launcher.stdin.write(request.encode() + b"\n")
        launcher.stdin.flush()
    if foreground._next(READY_SECONDS) != "ready":
        foreground.end()
        raise CannotStart(f"the launcher of the training does not start; see {log.path}")
    return foreground


def _why(number: int, invocation: Invocation) -> str:
    program, cwd = invocation.argv[0], invocation.cwd
    if number == errno.ENOENT and not os.path.isdir(cwd):
        return f"{cwd}: no such folder"
    if number == errno.ENOENT:
        return f"{program}: not found in {cwd} (or its first line names a missing interpreter)"
    if number == errno.EINVAL and invocation.placed.cpus:
        return f"cannot start {program}: it may not use the CPUs {invocation.placed.cpus}"
    if number in (errno.EACCES, errno.ENOEXEC):
        return f"{program}: not executable; `chmod +x` it, and give it a first line like #!/bin/sh"
    return f"cannot start {program}: {os.strerror(number)}"
