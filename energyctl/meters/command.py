"""Meters any command: `energyctl meter [--json FILE] [--out DIR] [--interval S] -- CMD…`.

The command keeps standard input, output and error, its terminal and its process group. Signals
are waited for instead of handled: the kernel then says who sent one, so that a Ctrl-C, which the
terminal gives to the whole group, is not passed on a second time. Whoever else signals a whole
group cannot be told from one who signals us alone; the command then gets the signal twice. Until
the command is started, signals end us as they end any program.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from energyctl.energy import Energy
from energyctl.energy.schema import ToldEnergiesJson
from energyctl.errors import MachineError, SettingsError
from energyctl.meters.meter import Meter
from energyctl.system.files import replace_text
from energyctl.system.processes import EXIT_SECONDS
from energyctl.system.user import give_to_caller
from energyctl.text import json_text

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

Summary = Callable[[Energy, ToldEnergiesJson, Sequence[str], TextIO | None], str]
"""Figures, those of what was told, and warnings, in words for that standard error."""


def meter_command(
    argv: Sequence[str],
    *,
    interval_seconds: float = 1.0,
    gpus: Sequence[int | str] | None = None,
    require: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    total: str | None = None,
    node_meters: Path | None = None,
    out: Path | None = None,
    json_path: Path | None = None,
    stderr: TextIO | None,
    summary: Summary,
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
        _check_target(json_path, out)
    meter = Meter(
        interval_seconds,
        gpus=gpus,
        require=require,
        leave_out=leave_out,
        total=total,
        node_meters=node_meters,
        out=out,
    )
    failures: list[MachineError] = []
    try:
        _check_program(argv[0])
        code = _metered(meter, argv, json_path, failures)
    except _NotStarted as error:
        _say(stderr, f"energyctl: {error}\n")
        return error.code
    _say(stderr, summary(meter.energy, meter.told(), meter.warnings, stderr))
    if json_path is not None and _is_stream(json_path):
        # Whoever reads it may keep us waiting: no signal is held back any more.
        _write(json_path, _document(meter, argv, code), failures)
    for failure in failures:
        if not code:
            raise failure
        _say(stderr, f"energyctl: {failure}\n")
    return code


def _metered(
    meter: Meter, argv: Sequence[str], json_path: Path | None, failures: list[MachineError]
) -> int:
    """The command's exit code, once `meter` has stopped and the JSON file is written.

    _NotStarted, or a Ctrl-C before the start, leaves nothing of it in `out`.
    """
    meter.start()
    code: int | None = None
    try:
        with _Signals() as signals:
            began = time.monotonic()
            process = signals.spawn(argv, {**os.environ, **meter.listen()})
            meter.allow(time.monotonic() - began + EXIT_SECONDS)
            code = signals.wait_for(process)
            try:
                meter.stop()
            except MachineError as error:
                failures.append(error)
            if json_path is not None and not _is_stream(json_path):
                _write(json_path, _document(meter, argv, code), failures)
    except BaseException:
        if code is None:
            meter.discard()
        raise
    return code


def _document(meter: Meter, argv: Sequence[str], code: int) -> str:
    document = {"command": list(argv), "exit_code": code, **meter.to_json()}
    return json_text(document, ascii_only=True) + "\n"


class _Signals:
    """Holds back the signals that are passed on, in this thread; all others block them anyway."""

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

    def spawn(self, argv: Sequence[str], environment: Mapping[str, str]) -> int:
        """Process id of the command, which starts with our signal mask of before."""
        # What came before there was a command is for it too, wherever it came from.
        early = signal.sigpending() & set(PASSED_ON)
        try:
            process = os.posix_spawnp(
                argv[0], list(argv), environment, setsigmask=self._before, setsigdef=RESTORED
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
        super().__init__(f"{program or repr(program)}: {text}")


def _check_program(name: str) -> None:
    """Before sources are opened and earlier files written over: can it be started at all?

    Raises _NotStarted where it is sure that it cannot.
    """
    path = os.environ.get("PATH", os.confstr("CS_PATH") or os.defpath)
    if name and (not path or shutil.which(name, path=path) is not None):
        return
    folders = [""] if "/" in name else path.split(os.pathsep)
    there = bool(name) and any(os.path.lexists(os.path.join(folder, name)) for folder in folders)
    number = errno.EACCES if there else errno.ENOENT
    raise _NotStarted(name, OSError(number, os.strerror(number)))


def _check_target(path: Path, out: Path | None) -> None:
    """Before the command runs: is there a place for the JSON? Raises SettingsError."""
    target = Path(os.path.realpath(path))
    folder = target.parent
    if target.is_dir():
        raise SettingsError(f"--json: {path} is a folder")
    if path.exists():
        writable = os.access(path, os.W_OK)
    else:
        made = None if out is None else Path(os.path.realpath(out))
        if not folder.is_dir() and (made is None or folder not in (made, *made.parents)):
            raise SettingsError(f"--json: the folder {folder} does not exist")
        writable = not folder.exists() or os.access(folder, os.W_OK | os.X_OK)
    if not writable:
        raise SettingsError(f"--json: {path} cannot be written")


def _is_stream(path: Path) -> bool:
    """A pipe, a device, or what one of our own descriptors is: never replaced, and written on."""
    own = os.path.abspath(path)
    if own in ("/dev/stdout", "/dev/stderr") or own.startswith(("/dev/fd/", "/proc/self/fd/")):
        return True
    return path.exists() and not path.is_file()


def _say(stderr: TextIO | None, text: str) -> None:
    """A standard error that is closed or full must not cost the exit code of the command."""
    if stderr is not None:
        with contextlib.suppress(OSError):
            stderr.write(text)
            stderr.flush()


def _write(path: Path, text: str, failures: list[MachineError]) -> None:
    """A file whole or not at all, as the owner and the mode of the one before."""
    try:
        if _is_stream(path):
            with open(path, "a", encoding="utf-8") as file:
                file.write(text)
        else:
            target = Path(os.path.realpath(path))
            new = not target.exists()
            replace_text(target, text)
            if new:
                give_to_caller(target)
    except OSError as error:
        failures.append(MachineError(f"cannot write {path}: {error}"))
