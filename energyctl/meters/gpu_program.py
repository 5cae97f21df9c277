"""Launchers that work on GPUs, in processes of their own: started, and ended whatever they do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

END_SECONDS = 10.0
"""A process that hangs in the driver does not even end by SIGKILL."""


def start(program: str, gpus: Sequence[str]) -> subprocess.Popen[bytes]:
    """Starts the file *program* on the GPUs of these UUIDs; it is told and answers by pipes.

    In a session of its own: a Ctrl-C is for us, and we end it.
    """
    return subprocess.Popen(
        [sys.executable, "-I", "-S", program],
        cwd="/",
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(gpus)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """What runs on the GPUs ends with the process; waits for that, but not without end."""
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
