"""The user's own command that is told how a campaign ended: `notify` of the settings.

It is run without a shell, by the user (root has been given up by then), and changes nothing of how
energyctl ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from energyctl.config.registry.placeholders import filled
from energyctl.system.processes import MARKER
from energyctl.system.programs import last_line
from energyctl.text import json_text, one_line, printable, short_duration

LIMIT_SECONDS = 30.0
"""After that the command is killed, with its process group."""

OUTPUT_BYTES = 65536

Status = Literal["succeeded", "failed", "interrupted", "paused"]


@dataclass(frozen=True)
class Ending:
    """How a campaign ended; the command gets it as JSON on its standard input.

    text: the summary, in one line, under the name by which chats take it. runs: how many by status.
    joules: of the trainings; None: not known. resume: the command that goes on with it, where there
    is something to go on with.
    """

    text: str
    campaign: str
    status: Status
    exit_code: int
    host: str
    results: str
    runs: dict[str, int]
    joules: float | None = None
    uncertainty_joules: float | None = None
    measured: bool | None = None
    error: str | None = None
    resume: str | None = None

    @property
    def placeholders(self) -> dict[str, str]:
        """What stands for them in the command, as a terminal may show it."""
        values = {
            "summary": self.text,
            "campaign": self.campaign,
            "status": self.status,
            "results": self.results,
            "exit_code": str(self.exit_code),
        }
        return {name: printable(value) for name, value in values.items()}


def missing(command: Sequence[str], folder: Path) -> str | None:
    """Why nobody will be told, where that can be seen beforehand."""
    program = command[0]
    path = str(folder / program) if os.sep in program else program
    if shutil.which(path) is not None:
        return None
    where = f"in {folder}" if os.sep in program else "on PATH"
    return f"notify: there is no program {printable(program)} {where}: nobody will be told"


def notify(
    command: Sequence[str], ending: Ending, folder: Path, limit_seconds: float = LIMIT_SECONDS
) -> str | None:
    """Runs the command in *folder*; what went wrong, in one line, or None."""
    words = [filled(word, ending.placeholders) for word in command]
    environment = {name: value for name, value in os.environ.items() if name != MARKER}
    with tempfile.TemporaryFile() as facts, tempfile.TemporaryFile() as output:
        facts.write(json_text(asdict(ending)).encode() + b"\n")
        facts.seek(0)
        try:
            process = subprocess.Popen(
                words,
                stdin=facts,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return f"notify: {printable(words[0])} cannot be started: {error.strerror}"
        ended = _ended(process, limit_seconds)
        if ended is None:
            return None
        output.seek(0)
        said = last_line(output.read(OUTPUT_BYTES).decode(errors="replace"))
        return one_line(f"notify: {words[0]} {ended}: {said}", 300)


def _ended(process: subprocess.Popen[bytes], limit_seconds: float) -> str | None:
    """Waits for it; how it ended, in words, or None where it succeeded."""
    try:
        code = process.wait(limit_seconds)
    except subprocess.TimeoutExpired:
        return f"was killed after {short_duration(limit_seconds)}"
    finally:
        if process.returncode is None:  # also where we are interrupted meanwhile
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code == 0:
        return None
    return f"exited with {code}" if code > 0 else f"was ended by signal {-code}"
