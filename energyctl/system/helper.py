"""The one process of ours that is root under sudo, as energyctl sees it.

What it does, and what it refuses, is in one file: `energyctl.launchers.privileged_helper`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyctl.launchers import privileged_helper
from energyctl.system import processes

ANSWER_SECONDS = 60.0
"""A driver that is not kept loaded takes many seconds to begin, and so does putting back."""

LARGEST_BYTES = 65536


def cpu_root() -> Path:
    """Whose governors are set: ENERGYCTL_CPUFREQ takes the place of /sys/devices/system/cpu."""
    return Path(os.environ.get("ENERGYCTL_CPUFREQ") or "/sys/devices/system/cpu")


@dataclass
class Helper:
    """A helper that was started here; :meth:`close` has it put everything back.

    restored: what it found left by one that was killed, and put back. problem: why it could not.
    """

    child: subprocess.Popen[bytes]
    _socket: socket.socket
    restored: tuple[str, ...] = ()
    problem: str | None = None
    _lost: str | None = None
    """Why it is not asked any more: its next answer would be that to an earlier question."""

    @classmethod
    def start(cls, records: Path, cgroup: Path | None = None) -> Helper:
        """With our rights of now. *records*: see there. Raises OSError."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(ANSWER_SECONDS)
        arguments = [str(records), str(cpu_root()), *([str(cgroup)] if cgroup else [])]
        libraries = {k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"}
        with its:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", privileged_helper.__file__, *arguments],
                cwd="/",
                env=libraries,  # of the driver, where root named another place
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        processes.own(child.pid)
        helper = cls(child, ours)
        try:
            said = helper._answer()
            if said["error"]:
                raise OSError(said["error"])
        except BaseException:
            helper.close()
            raise
        helper.restored, helper.problem = tuple(said["restored"]), said["problem"]
        return helper

    def ask(self, *request: Any) -> str | None:
        """Why *request* was not done; None where it was.

        One that has not answered in time is asked no more, and puts everything back.
        """
        if self._lost is None:
            try:
                self._socket.send(json.dumps(request).encode())
                error = self._answer()["error"]
                return None if error is None else str(error)
            except OSError as failure:
                self._lost = f"the helper does not answer: {failure.strerror or failure}"
                self._socket.close()
        return self._lost

    @property
    def is_lost(self) -> bool:
        """Whether it has ended, or does not answer any more."""
        return self._lost is not None or self.child.poll() is not None

    def _answer(self) -> dict[str, Any]:
        data = self._socket.recv(LARGEST_BYTES)
        if not data:
            raise OSError("it has ended")
        said: dict[str, Any] = json.loads(data)
        return said

    def close(self) -> None:
        """Returns once everything is put back, and it has ended."""
        self._socket.close()
        try:
            self.child.wait(privileged_helper.END_SECONDS + ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(PermissionError):  # root's
                self.child.kill()
                self.child.wait()
        processes.forget(self.child.pid)
