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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from energyctl.atomic import write_atomic
from energyctl.energy import Energy, Recording
from energyctl.errors import MachineError, SettingsError
from energyctl.machine import User, invoking_user
from energyctl.meters import open_meters, why_null, write_cpu_energy
from energyctl.meters.sampler import Sampler

NOTE = "Energies are of whole domains: the command and everything else on the machine together."
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


def run(
    argv: Sequence[str],
    *,
    interval_seconds: float = 1.0,
    out: Path | None = None,
    json_path: Path | None = None,
    stderr: TextIO | None,
) -> int:
    """Runs `argv` and meters it from just before its start to just after its exit.

    Returns its exit code; 128 + n where signal n ended it, 127 where there is no such program,
    126 where it cannot be executed. SettingsError for arguments that cannot work; MachineError
    where a result cannot be written and the command did not fail. Call it in the main thread.
    """
    code = 0
    if not argv:
        raise SettingsError("no command: energyctl meter [options] -- COMMAND [ARGUMENT…]")
    if json_path is not None:
        _check_target(json_path)
    meters, warnings = open_meters()
    try:
        with _Signals() as signals:
            sampler = Sampler(meters, interval_seconds=interval_seconds)
            code, start, end, recording = _metered(argv, sampler, out, signals)
            energy = recording.energy(start, end)
            warnings += [w for w in (*energy.warnings, *recording.warnings) if w not in warnings]
            user = invoking_user()
            if out is not None:
                write_cpu_energy(out / "cpu_energy.txt", energy)
                user.own_all(out)
            if json_path is not None:
                data = document(argv, code, energy, warnings)
                data["energy"]["missing"] = why_null(data["energy"], meters)
                _write(json_path, json.dumps(data, indent=2) + "\n", user)
            _say(stderr, summary(energy, warnings))
    except _NotStarted as error:
        _say(stderr, f"energyctl: {error}\n")
        return error.code
    except MachineError as error:
        if not code:
            raise
        _say(stderr, f"energyctl: {error}\n")
    finally:
        for meter in meters:
            meter.close()
    return code


def _metered(
    argv: Sequence[str], sampler: Sampler, out: Path | None, signals: _Signals
) -> tuple[int, float, float, Recording]:
    """(exit code, start, end, samples). _NotStarted where the command cannot be started."""
    sampler.start()
    try:
        sampler.record_to(out)
        sampler.phase("command")
        start = sampler.now()
        process = signals.spawn(argv)
        signals.pass_on_until_exit(process)
        end = sampler.now()
        sampler.phase("after")
        _, status = os.waitpid(process, 0)
    finally:
        recording = sampler.stop()
    code = os.waitstatus_to_exitcode(status)
    return (code if code >= 0 else 128 - code), start, end, recording


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

    def pass_on_until_exit(self, process: int) -> None:
        """Returns once `process` has exited, leaving it to be waited for."""
        while os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            info = signal.sigtimedwait(self._held, LOOK_SECONDS)
            if info is None or info.si_signo == signal.SIGCHLD or info.si_code == SI_KERNEL:
                continue
            os.kill(process, info.si_signo)


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


def document(
    argv: Sequence[str], code: int, energy: Energy, warnings: Sequence[str]
) -> dict[str, Any]:
    """What `--json` writes."""
    return {
        "command": list(argv),
        "exit_code": code,
        "energy": energy.to_json(),
        "note": NOTE,
        "warnings": list(warnings),
    }


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


def summary(energy: Energy, warnings: Sequence[str]) -> str:
    """Lines for people: seconds, each domain, the total."""
    rows: list[tuple[str, str]] = [("time", f"{energy.seconds:.2f} s")]
    for entry in energy.domains:
        if entry.domain.in_total or entry.joules is not None:
            label = "" if entry.domain.measured else ", estimated"
            label += "" if entry.domain.in_total else ", not in the total"
            figure = _figure(entry.joules, entry.uncertainty_joules, energy.seconds)
            rows.append((entry.domain.name, figure + label))
    label = ""
    if not energy.measured and energy.total_joules is not None:
        sources = [d.domain.measured for d in energy.domains if d.domain.in_total]
        label = ", estimated in part" if any(sources) else ", estimated"
    total = _figure(energy.total_joules, energy.uncertainty_joules, energy.seconds)
    rows.append(("total", total + label))
    width = max(len(name) for name, _ in rows)
    lines = [f"energyctl: {name:<{width}}  {text}" for name, text in rows]
    lines += [f"energyctl: warning: {warning}" for warning in warnings]
    return "\n".join(lines) + "\n"


def _figure(joules: float | None, uncertainty: float | None, seconds: float) -> str:
    if joules is None:
        return "unknown"
    watts = f", {joules / seconds:.1f} W" if seconds > 0 else ""
    return f"{joules:.1f} J ± {uncertainty or 0.0:.1f} J{watts}"
