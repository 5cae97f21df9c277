"""Meters any command: `energyctl meter [--json FILE] [--out DIR] [--interval S] -- CMD…`.

The command keeps standard input, output and error, its terminal and its process group. Signals
are waited for instead of handled: the kernel then says who sent one, so that a Ctrl-C, which the
terminal gives to the whole group, is not passed on a second time.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from energyctl.atomic import write_atomic
from energyctl.energy import Energy
from energyctl.errors import MachineError, SettingsError
from energyctl.machine import User, invoking_user
from energyctl.meter import Meter
from energyctl.processes import EXIT_SECONDS

PASSED_ON = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
# Python ignores these; a command expects the system's way.
RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)
NOT_FOUND, NOT_EXECUTABLE = 127, 126
# siginfo si_code of a signal from the kernel, as the terminal's own are (sigaction(2), SI_KERNEL).
SI_KERNEL = 0x80
LOOK_SECONDS = 1.0
WIDTH = 120  # of the summary where it goes to no terminal


def run(
    argv: Sequence[str],
    *,
    interval_seconds: float = 1.0,
    gpus: Sequence[int | str] | None = None,
    require: Sequence[str] = (),
    out: Path | None = None,
    json_path: Path | None = None,
    stderr: TextIO | None,
) -> int:
    """Runs `argv` and meters it from just before its start to just after its exit.

    Returns its exit code; 128 + n where signal n ended it, 127 where there is no such program,
    126 where it cannot be executed. SettingsError for arguments that cannot work; MachineError
    where something required cannot be measured, and where a result cannot be written and the
    command did not fail. Call it in the main thread.
    """
    if not argv:
        raise SettingsError("no command: energyctl meter [options] -- COMMAND [ARGUMENT…]")
    if json_path is not None:
        _check_target(json_path)
    meter = Meter(interval_seconds, gpus=gpus, require=require, out=out)
    code: int | None = None
    failures: list[MachineError] = []
    with _Signals() as signals:
        try:
            with meter:
                began = time.monotonic()
                process = signals.spawn(argv)
                meter.allow(time.monotonic() - began + EXIT_SECONDS)
                code = signals.wait_for(process)
        except _NotStarted as error:
            _say(stderr, f"energyctl: {error}\n")
            return error.code
        except MachineError as error:
            if code is None:
                raise
            failures.append(error)
        document = {"command": list(argv), "exit_code": code, **meter.to_json()}
        if json_path is not None:
            try:
                _write(json_path, json.dumps(document, indent=2) + "\n", invoking_user())
            except MachineError as error:
                failures.append(error)
        _say(stderr, summary(meter.energy, meter.warnings, stderr))
    for failure in failures:
        if not code:
            raise failure
        _say(stderr, f"energyctl: {failure}\n")
    return code


class _Signals:
    """Holds back the signals that are passed on, for this thread and those that it starts."""

    def __enter__(self) -> _Signals:
        # Where SIGCHLD was ignored, there would be no exit code to wait for.
        self._child_handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._held = {*PASSED_ON, signal.SIGCHLD}
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self._held)
        return self

    def __exit__(self, *_: object) -> None:
        # A signal for a command that is gone would end us before its result is written.
        while signal.sigtimedwait(self._held, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
        signal.signal(signal.SIGCHLD, self._child_handler or signal.SIG_DFL)

    def spawn(self, argv: Sequence[str]) -> int:
        """Process id of the command, which starts with our signal mask of before."""
        # What came before there was a command is for it too, wherever it came from.
        early = signal.sigpending() & set(PASSED_ON)
        try:
            process = os.posix_spawnp(
                argv[0], list(argv), os.environ, setsigmask=self._before, setsigdef=RESTORED
            )
        except OSError as error:
            raise _NotStarted(argv[0], error) from error
        for signum in early:
            signal.sigtimedwait({signum}, 0)
            os.kill(process, signum)
        return process

    def wait_for(self, process: int) -> int:
        """Passes signals on until `process` exits; returns its exit code, as a shell would."""
        while (end := os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG)) is None:
            info = signal.sigtimedwait(self._held, LOOK_SECONDS)
            if info is None or info.si_signo == signal.SIGCHLD or info.si_code == SI_KERNEL:
                continue
            os.kill(process, info.si_signo)
        return end.si_status if end.si_code == os.CLD_EXITED else 128 + end.si_status


class _NotStarted(Exception):
    """The command cannot be started; `code` as a shell would exit."""

    def __init__(self, program: str, error: OSError) -> None:
        self.code = NOT_FOUND if error.errno == errno.ENOENT else NOT_EXECUTABLE
        if error.errno == errno.ENOENT:
            text = "no such program (or its #! names none); is it spelled right, and on the PATH?"
        elif error.errno == errno.ENOEXEC:
            text = "not executable: it needs a first line such as #!/bin/sh"
        else:
            text = f"cannot be executed: {error.strerror}"
        super().__init__(f"{program}: {text}")


def _check_target(path: Path) -> None:
    """Before the command runs: is there a place for the JSON? Raises SettingsError."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise SettingsError(f"--json: the folder {folder} does not exist")
    if path.is_dir():
        raise SettingsError(f"--json: {path} is a folder")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise SettingsError(f"--json: {path} cannot be written")


def _say(stderr: TextIO | None, text: str) -> None:
    """A standard error that is closed or full must not cost the exit code of the command."""
    if stderr is not None:
        with contextlib.suppress(OSError):
            stderr.write(text)
            stderr.flush()


def _write(path: Path, text: str, user: User) -> None:
    """A file whole or not at all; a device or a pipe is written to, and never replaced."""
    target = path.resolve()
    try:
        if target.exists() and not target.is_file():
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        else:
            write_atomic(target, text, user.own)
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error}") from error


def summary(energy: Energy, warnings: Sequence[str], stderr: TextIO | None) -> str:
    """For people: a table of the domains, and the warnings. Coloured where `stderr` shows colours.

    Nothing is imported for it before the command has ended.
    """
    from rich.console import Console

    from energyctl.reports.metering import energy_table

    terminal = stderr is not None and stderr.isatty()
    console = Console(file=stderr, highlight=False, width=None if terminal else WIDTH)
    with console.capture() as captured:
        console.print()
        console.print(energy_table(energy))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    lines += [f"energyctl: warning: {warning}" for warning in warnings]
    return "\n".join(lines) + "\n"
