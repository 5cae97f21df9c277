"""The logs of one job, ``run_N.log``, and which of them are kept.

Standard library only. Of a job that has run 10,000 times the folder is not listed at each start:
the ledger says which number is next, and a small file which logs there are.
"""

from __future__ import annotations

import fcntl
import os

KEEP = "5,20,50"
"""``FIRST,LAST,FAILED``; or ``all``."""


def parse_keep(text: str) -> tuple[int, int, int] | None:
    """How many first, last and failed iterations keep their logs; None: all. Raises ValueError."""
    if text == "all":
        return None
    first, last, failed = (int(part) for part in text.split(","))
    if min(first, last, failed) < 0:
        raise ValueError
    return first, last, failed


def open_next(folder: str, rows: list[list[str]]) -> tuple[int, int]:
    """Creates the next ``run_N.log`` in *folder*; returns N and the open descriptor.

    *rows*: the job's last rows in the ledger. No number is used twice, also where its log is gone.
    The log is locked (shared) until it is closed by all that write to it. Raises OSError.
    """
    os.makedirs(folder, exist_ok=True)
    run = next_number(rows) if rows else _highest(folder) + 1
    while True:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            log = os.open(os.path.join(folder, f"run_{run}.log"), flags, 0o644)
        except FileExistsError:
            run = max(run, _highest(folder)) + 1
            continue
        _lock(log, fcntl.LOCK_SH)
        return run, log


def next_number(rows: list[list[str]]) -> int:
    """The number that follows those of the job's last rows in the ledger."""
    return max((int(row[1]) for row in rows), default=0) + 1


def _highest(folder: str) -> int:
    taken = [0]
    for name in os.listdir(folder):
        number = name[4:-4]
        if name.startswith("run_") and name.endswith(".log") and number.isdecimal():
            taken.append(int(number))
    return max(taken)


def link(tail: str, log: str) -> None:
    """Makes *tail*, what ``supervisorctl tail`` reads, a link to the log of this iteration."""
    fresh = f"{tail}.{os.getpid()}"
    try:
        os.symlink(log, fresh)
        os.replace(fresh, tail)
    except OSError:
        pass  # a trial by hand: there is no daemon, and nobody to read it


def prune(notes: str, folder: str, keep: tuple[int, int, int], run: int, failed: bool) -> None:
    """Removes the logs that are not kept any more now that iteration *run* has ended.

    Kept are the logs of the first, the last and the newest failed ones, and every log that was
    there before the first call. The file *notes* is what one call tells the next: the first and
    the newest run it was told of, and the failed ones. Where it is lost, logs of before are kept.
    Raises OSError.
    """
    first, last, most = keep
    since, newest, *failures = _read(notes) or [run, run - 1]
    failed_runs = {*failures, run} if failed else set(failures)
    kept = set(sorted(failed_runs)[max(0, len(failed_runs) - most) :])
    end = max(newest, run) - last + 1  # before the last ones
    left = range(max(since, newest - last + 1), end)
    for number in sorted({*left, *failed_runs, run} - kept):
        if first < number < end:
            _remove(os.path.join(folder, f"run_{number}.log"))
    # Only now: what a crash or a full disk keeps from being removed or noted is seen again.
    _write(notes, [since, max(newest, run), *sorted(kept)])


def _read(notes: str) -> list[int] | None:
    """The numbers in *notes*; None where it is missing or torn."""
    try:
        with open(notes) as file:
            line, end, _ = file.read().partition("\n")
        numbers = [int(word) for word in line.split()]
    except (OSError, ValueError):
        return None
    return numbers if end and len(numbers) >= 2 else None


def _write(notes: str, numbers: list[int]) -> None:
    """A line in place: a new file in its stead would take 20 times as long."""
    line = (" ".join(map(str, numbers)) + "\n").encode()
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line)
        os.ftruncate(descriptor, len(line))
    finally:
        os.close(descriptor)


def _remove(log: str) -> None:
    """Removes a log, unless an iteration writes to it; that one will see to it at its own end."""
    try:
        descriptor = os.open(log, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        if _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            os.unlink(log)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int) -> bool:
    """False where another holds the lock; some file systems have none."""
    try:
        fcntl.flock(descriptor, how)
    except OSError as error:
        return not isinstance(error, BlockingIOError)
    return True


def write_whole(path: str, text: str) -> None:
    """A small file that is either as before or whole. Raises OSError."""
    fresh = f"{path}.{os.getpid()}"
    try:
        with open(fresh, "w") as file:
            file.write(text)
        os.replace(fresh, path)
    except OSError:
        if os.path.exists(fresh):
            os.unlink(fresh)
        raise
