"""``/proc/PID/stat`` (proc(5)), and the other files that the kernel has of a process.

Standard library only, and little of it: launchers start in milliseconds (``typing.NamedTuple``
alone would add a third to that).
"""

from __future__ import annotations

import os


class ProcStat:
    """One process, or zombie. Times are in clock ticks (``SC_CLK_TCK`` a second).

    start_ticks: since boot; a pid alone may be another's by now. cpu_ticks: its own user and system
    time; reaped_cpu_ticks: that of the children that it waited for. flags: the kernel's PF_….
    """

    __slots__ = (
        "cpu_ticks", "flags", "group", "parent", "pid", "reaped_cpu_ticks", "session",
        "start_ticks", "state", "threads",
    )  # fmt: skip

    def __init__(self, pid: int, text: bytes) -> None:
        # The name, which may hold spaces, parentheses and line ends, stands in parentheses.
        fields = text[text.rindex(b")") + 1 :].split(None, 20)
        self.pid = pid
        self.state = fields[0].decode()
        self.parent, self.group, self.session = int(fields[1]), int(fields[2]), int(fields[3])
        self.flags, self.threads = int(fields[6]), int(fields[17])
        self.start_ticks = int(fields[19])
        self.cpu_ticks = int(fields[11]) + int(fields[12])
        self.reaped_cpu_ticks = int(fields[13]) + int(fields[14])

    @property
    def is_alive(self) -> bool:
        """A zombie with further threads is, too: its first one has ended."""
        return self.state not in "ZX" or self.threads > 1


def read_stat(pid: int) -> ProcStat | None:
    """None where there is no such process."""
    text = read_file(f"/proc/{pid}/stat")
    return ProcStat(pid, text) if text else None


def read_file(path: str) -> bytes | None:
    """A file of the kernel; None where it is gone or may not be read. A third of open()'s time."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = piece = os.read(descriptor, 65536)
        while piece:
            text += (piece := os.read(descriptor, 65536))
        return text
    except OSError:
        return None
    finally:
        os.close(descriptor)


def command_of(pid: int) -> str:
    """The command line of a process, its beginning; "" of a zombie, and of one that is gone."""
    text = (read_file(f"/proc/{pid}/cmdline") or b"")[:4096]
    return text.replace(b"\0", b" ").decode(errors="replace").strip()


def pids() -> list[int]:
    """Of every process that can be seen. Raises OSError without /proc."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]
