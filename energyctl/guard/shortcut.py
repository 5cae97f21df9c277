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

from energyctl import iteration
from energyctl.groups import launcher_command

_PR_SET_NAME = 15  # prctl(2)
NAME = b"energyctl-job"
"""What top(1) shows; the command line is that of supervisord."""

HIGHEST_DESCRIPTOR = 1 << 20

HANDLED = (signal.SIGALRM, signal.SIGCHLD, signal.SIGUSR2)
"""What supervisord and its guard handle, beside what the launcher handles itself."""


def install(options: Any) -> None:
    """Has *options*, those of supervisord, execute launchers so. Once, a reload included."""
    if getattr(options.execve, "by_energyctl", False):
        return
    execute, daemon = options.execve, os.getpid()
    launcher = launcher_command(sys.executable)

    def execve(filename: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        if list(argv[: len(launcher)]) == launcher:
            _become(list(argv[len(launcher) :]), env, daemon)
        execute(filename, argv, env)

    execve.by_energyctl = True  # type: ignore[attr-defined]
    options.execve = execve


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
