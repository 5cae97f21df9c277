"""The launcher of an iteration without a new interpreter.

A Python takes 10 to 30 ms to start, in each gap between two iterations. The child that
supervisord forks is one already, with the launcher's modules imported: where its command is the
launcher, word for word as energyctl renders it, the child goes on as the launcher instead of
executing Python once more. Any other command, one that an operator edited included, is executed
as ever. The launcher's arguments, environment, folder and descriptors are those that it would
have had.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource  # noqa: F401  (the launcher imports it late, which here costs each child its time)
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from energyctl.background.protocol import launcher_command
from energyctl.launchers import iteration

_PR_SET_NAME = 15  # prctl(2)
NAME = b"energyctl-job"
"""What top(1) shows."""

HIGHEST_DESCRIPTOR = 1 << 20

HANDLED = (signal.SIGALRM, signal.SIGCHLD, signal.SIGUSR2)
"""What supervisord and its guard handle, beside what the launcher handles itself."""


def install(options: Any) -> None:
    """Has *options*, those of supervisord, execute launchers so. Once, a reload included."""
    if getattr(options.execve, "by_energyctl", False):
        return
    execute, daemon = options.execve, os.getpid()
    launcher = launcher_command(sys.executable)
    title = _Title()

    def execve(filename: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        if list(argv[: len(launcher)]) == launcher:
            title.show(argv)
            _become(list(argv[len(launcher) :]), env, daemon)
        execute(filename, argv, env)

    execve.by_energyctl = True  # type: ignore[attr-defined]
    options.execve = execve


class _Title:
    """What ps(1) shows of this process: its arguments, where the kernel finds them."""

    def __init__(self) -> None:
        try:
            with open("/proc/self/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            with open("/proc/self/cmdline", "rb") as file:
                shown = file.read()
        except OSError:
            self._room = 0
            return
        # arg_start and arg_end, the 48th and 49th field (proc(5)).
        self._start, self._room = int(fields[45]), int(fields[46]) - int(fields[45])
        if len(shown) != self._room or ctypes.string_at(self._start, self._room) != shown:
            self._room = 0  # not what was expected: it stays as it is

    def show(self, argv: Sequence[str]) -> None:
        """Shows *argv* instead, as far as there is room."""
        if self._room:
            text = b"\0".join(os.fsencode(word) for word in argv)[: self._room - 1]
            ctypes.memmove(self._start, text.ljust(self._room, b"\0"), self._room)


def _become(arguments: list[str], env: Mapping[str, str], daemon: int) -> NoReturn:
    """In the forked child: what an exec would have reset is reset, then the launcher runs."""
    code = 126
    gc.disable()  # what it would look through is the daemon's, and copied where it is touched
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.set_wakeup_fd(-1)
        for signum in HANDLED:
            signal.signal(signum, signal.SIG_DFL)
        os.closerange(3, HIGHEST_DESCRIPTOR)
        os.environ.clear()
        os.environ.update(env)
        ctypes.CDLL(None).prctl(_PR_SET_NAME, NAME, 0, 0, 0)
        code = iteration.main(arguments, parent=daemon)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)
