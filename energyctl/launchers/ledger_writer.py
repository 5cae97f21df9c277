"""The ledger as it is written, and how long a job's past delays its start.

Standard library only. A row is ``job,run,pid,started,ended,exit_code,signal``, here the list of
these fields. A note ``.JOB.PID.running`` beside the ledger is the beginning of the row of an
iteration that runs, and the start of its launcher PID in clock ticks since boot.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from energyctl.launchers.proc_stat import read_stat
from energyctl.launchers.regular_files import open_regular

HEADER = "job,run,pid,started,ended,exit_code,signal\n"

FAST_FAILURE_SECONDS = 10.0
"""A failure within this time counts as a fast one and delays the next start (doubling)."""

FIRST_BACKOFF_SECONDS = 2.0
LONGEST_BACKOFF_SECONDS = 60.0
LOCK_SECONDS = 0.5

ENOUGH_FAILURES = 6
"""So many in a row lead to the longest backoff."""

SIGTERM, SIGKILL = "15", "9"  # signal(7)


def append_row(ledger: str, row: str) -> None:
    """Appends one line to the ledger, under a lock: several jobs share the file. Raises OSError."""
    descriptor = os.open(ledger, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        _lock(descriptor)
        size = os.fstat(descriptor).st_size
        # A full disk or a crash may have torn the row before; it must not take this one along.
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        before = "\n" if torn else "" if size else HEADER
        data = (before + row).encode()
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Waits for the lock, but for no holder that was halted with it (SIGSTOP): it serves torn rows
    alone, a row is written at once."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.001)


def note_path(ledger: str, job: str, launcher: int) -> str:
    return os.path.join(os.path.dirname(ledger), f".{job}.{launcher}.running")


def note(path: str, begin: str) -> None:
    """Notes the beginning of a row of this launcher. Raises OSError."""
    with open(path, "w", encoding="utf-8", opener=open_regular) as file:
        stat = read_stat(os.getpid())
        file.write(f"{begin},{stat.start_ticks if stat else ''}")


def close_cut_off(ledger: str, job: str, now: float, logs: str = "") -> list[int]:
    """Writes the rows of iterations whose launcher was killed, and their training with it.

    They ended *now*, if nobody says otherwise: where their *logs* are named, with the last line
    that they wrote there, since nothing proves that they ran longer. Returns their runs. Raises
    OSError.
    """
    folder = os.path.dirname(ledger)
    os.makedirs(folder, exist_ok=True)
    closed = []
    for name in [name for name in os.listdir(folder) if name.endswith(".running")]:
        noted, _, pid = name[1:].rpartition(".")[0].rpartition(".")
        if noted != job or not pid.isdecimal():
            continue
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8", opener=open_regular) as file:
            fields = file.read().split(",")
        stat = read_stat(int(pid))
        if stat is not None and stat.is_alive and str(stat.start_ticks) == fields[-1]:
            continue
        if len(fields) == 5 and fields[1].isdecimal():
            # A launcher may have been killed between its row and the end of its note.
            if all(row[1] != fields[1] for row in own_rows(ledger, job)):
                ended = _last_line_at(logs, fields, now) if logs else now
                append_row(ledger, f"{','.join(fields[:4])},{ended:.6f},,{SIGKILL}\n")
            closed.append(int(fields[1]))
        os.unlink(path)
    return closed


def _last_line_at(logs: str, fields: list[str], now: float) -> float:
    """When the iteration of a note wrote to its log last; its start where there is none."""
    started = float(fields[3])
    try:
        wrote = os.stat(os.path.join(logs, f"run_{fields[1]}.log")).st_mtime
    except OSError:
        return started
    return min(max(started, wrote), max(started, now))


def own_rows(ledger: str, job: str) -> list[list[str]]:
    """The last rows of *job*, oldest first: as many as the next start depends on, and more.

    Read from the end, in growing pieces: jobs share the ledger, and a fast one may write
    thousands of rows during one iteration of another.
    """
    try:
        with open(ledger, "rb", opener=open_regular) as file:
            size, reach = os.fstat(file.fileno()).st_size, 4096
            while True:
                start = max(0, size - reach)
                file.seek(start)
                rows = rows_of(job, file.read(size - start))
                if start == 0 or _decided(rows):
                    return rows
                reach *= 4
    except OSError:
        return []


def rows_of(job: str, data: bytes) -> list[list[str]]:
    """The whole rows of *job* in *data*, but for its first line: that is the header, or torn."""
    rows = []
    begin = f"\n{job},".encode()
    position = data.find(begin)
    while position >= 0 and (end := data.find(b"\n", position + 1)) >= 0:
        row = data[position + 1 : end].decode(errors="replace").split(",")
        if _is_whole(row):
            rows.append(row)
        position = data.find(begin, end)
    return rows


def _is_whole(row: list[str]) -> bool:
    try:
        int(row[1]), float(row[3]), float(row[4])
    except (ValueError, IndexError):
        return False
    return len(row) == 7


def is_good(row: list[str]) -> bool:
    """Whether it did useful work: it exited with 0, or lived long."""
    return row[5] == "0" or float(row[4]) - float(row[3]) >= FAST_FAILURE_SECONDS


def is_fast_failure(row: list[str]) -> bool:
    """Whether it counts for the backoff; what was asked to end (TERM) is neither good nor bad."""
    return not is_good(row) and row[6] != SIGTERM


def _decided(rows: list[list[str]]) -> bool:
    """Whether rows before these could not change the backoff."""
    return any(map(is_good, rows)) or sum(map(is_fast_failure, rows)) >= ENOUGH_FAILURES


def pause_before(rows: list[list[str]], restart_delay: float, now: float) -> float:
    """Seconds from *now* (Unix time) to the next start.

    The delay that the settings ask for, after the last iteration; or, after fast failures, a
    growing one after the last of them: 2 s, doubling to 60 s, back to none after a good iteration.
    """
    if not rows:
        return 0.0
    failed: list[list[str]] = []
    for row in reversed(rows):
        if is_good(row):
            break
        if is_fast_failure(row):
            failed.append(row)
    pause = restart_delay - _since(rows[-1], now)
    if failed:
        backoff = min(
            FIRST_BACKOFF_SECONDS * 2 ** min(len(failed) - 1, 10), LONGEST_BACKOFF_SECONDS
        )
        pause = max(pause, backoff - _since(failed[0], now))
    return max(0.0, pause)


def _since(row: list[str], now: float) -> float:
    """Seconds since the end of *row*; none where the clock was set back."""
    return max(0.0, now - float(row[4]))
