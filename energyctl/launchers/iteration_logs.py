"""The logs of one job, ``run_N.log``: which of them are kept, and how much of them.

Standard library only. Of a job that has run 10,000 times the folder is not listed at each start:
the ledger says which number is next, and a small file which logs there are.
"""

from __future__ import annotations

import fcntl
import os

from energyctl.launchers.regular_files import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:  # its core alone, see subreaper
    import _signal as signal

KEEP = "5,20,50"
"""``FIRST,LAST,FAILED``, or ``all``; with ``,MEBIBYTES`` behind it."""

MEBIBYTES = 256
"""Of all the logs that are kept of a job."""

LOGS_OF_FULL_SIZE = 16
"""So many logs of the size that one may have are as much as all may have together."""

CUT = b"\nenergyctl: the output went on here; of a long one the beginning and the end are kept\n"
END_BYTES = 1 << 20
LOOKS_AT_END = 3
SHORTEST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.05, 1.0


def parse_keep(text: str) -> tuple[tuple[int, int, int] | None, int]:
    """How many first, last and failed iterations keep their logs (None: all do), and how many
    bytes these may have together. Raises ValueError."""
    which, _, rest = text.partition(",")
    numbers = [int(part) for part in (rest if which == "all" else text).split(",") if part]
    counts = None
    if which != "all":
        first, last, failed, *numbers = numbers
        counts = first, last, failed
    mebibytes, *more = numbers or [MEBIBYTES]
    if more or mebibytes < 1 or min(counts or (0,)) < 0:
        raise ValueError
    return counts, mebibytes << 20


def open_next(folder: str, rows: list[list[str]]) -> tuple[int, int]:
    """Creates the next ``run_N.log`` in *folder*; returns N and the open descriptor.

    *rows*: the job's last rows in the ledger. No number is used twice, also where its log is gone.
    The log is locked (shared) until it is closed by all that write to it. Raises OSError.
    """
    os.makedirs(folder, exist_ok=True)
    run = next_number(rows) if rows else _highest(folder) + 1
    while True:
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
            log = open_regular(os.path.join(folder, f"run_{run}.log"), flags)
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


def keep_within(log: int, most: int) -> None:
    """Has the open *log* looked at from now on, by timer: beyond *most* bytes it is cut.

    What is written must append. A log that grows fast is looked at often, a quiet one each second.
    """
    before, pause = 0, SHORTEST_LOOK_SECONDS

    def look(signum: int, frame: object) -> None:
        nonlocal before, pause
        try:
            size = os.fstat(log).st_size
            if size > most:
                cut(log, most)
            pause = SHORTEST_LOOK_SECONDS if size - before > most // 16 else pause * 2
            before = min(size, most)
        except OSError:
            pause *= 2  # a full disk
        pause = min(pause, LONGEST_LOOK_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, pause)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, pause)


def close(log: int, most: int) -> None:
    """Ends that, and closes the log."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        if os.fstat(log).st_size > most:
            cut(log, most)
    finally:
        os.close(log)


def cut(log: int, most: int) -> None:
    """Leaves the first half of *most* bytes, and the last lines. Raises OSError.

    What is written between the last look and the cut is lost: lines of a load that never pauses.
    """
    end = min(most // 4, END_BYTES)
    position = os.fstat(log).st_size - end
    lines = b""
    for _ in range(LOOKS_AT_END):
        lines += os.pread(log, end, position + len(lines))
    os.ftruncate(log, most // 2)
    os.write(log, CUT + lines[-end:].partition(b"\n")[2])


def prune(
    notes: str, folder: str, keep: tuple[int, int, int], most: int, run: int, failed: bool
) -> None:
    """Removes the logs that are not kept any more now that iteration *run* has ended.

    Kept are the logs of the first, the last and the newest failed ones, and every log that was
    there before the first call; beyond *most* bytes, the oldest of the others go, too. The file
    *notes* is what one call tells the next: the first and the newest run it was told of, and the
    failed ones; how many bytes are kept. Where it is lost, logs of before are kept. Raises OSError.
    """
    first, last, most_failed = keep
    (since, newest, *failures), size = _read(notes) or ([run, run - 1], 0)
    failed_runs = {*failures, run} if failed else set(failures)
    kept = set(sorted(failed_runs)[max(0, len(failed_runs) - most_failed) :])
    before, newest = newest, max(newest, run)
    end = newest - last + 1  # before the last ones
    left = range(max(since, before - last + 1), end)
    size += _size(folder, run)
    for number in sorted({*left, *failed_runs, run} - kept):
        if first < number < end:
            size -= _remove(folder, number)
    if size > most:
        others = {*range(since, min(first, newest) + 1), *kept, *range(max(end, since), newest + 1)}
        size = _shrink(folder, others - {run}, _size(folder, run), most)
    # Only now: what a crash or a full disk keeps from being removed or noted is seen again.
    _write(notes, [since, newest, *sorted(kept)], max(0, size))


def _shrink(folder: str, numbers: set[int], size: int, most: int) -> int:
    """Removes the oldest of these logs until all have *most* bytes, with the *size* of another;
    returns how many they have."""
    sizes = {number: _size(folder, number) for number in sorted(numbers)}
    size += sum(sizes.values())
    for number in sizes:
        if size <= most:
            break
        size -= _remove(folder, number)
    return size


def _size(folder: str, number: int) -> int:
    """Bytes of a log; 0 where it is gone."""
    try:
        return os.lstat(_path(folder, number)).st_size
    except FileNotFoundError:
        return 0


def _path(folder: str, number: int) -> str:
    return os.path.join(folder, f"run_{number}.log")


def _read(notes: str) -> tuple[list[int], int] | None:
    """The numbers and the bytes in *notes*; None where they are missing or torn."""
    try:
        with open(notes, encoding="utf-8", opener=open_regular) as file:
            line, _, rest = file.read().partition("\n")
        numbers = [int(word) for word in line.split()]
        size = int(rest) if rest.endswith("\n") else -1
    except (OSError, ValueError):
        return None
    return (numbers, size) if size >= 0 and len(numbers) >= 2 else None


def _write(notes: str, numbers: list[int], size: int) -> None:
    """Two lines in place: a new file in its stead would take 20 times as long."""
    text = f"{' '.join(map(str, numbers))}\n{size}\n".encode()
    descriptor = open_regular(notes, os.O_WRONLY | os.O_CREAT)
    try:
        os.write(descriptor, text)
        os.ftruncate(descriptor, len(text))
    finally:
        os.close(descriptor)


def _remove(folder: str, number: int) -> int:
    """Removes a log, unless an iteration writes to it; that one will see to it at its own end.

    Returns how many bytes it had.
    """
    log = _path(folder, number)
    try:
        descriptor = open_regular(log)
    except FileNotFoundError:
        return 0
    except OSError:
        os.unlink(log)  # a link, or what else is no log
        return 0
    try:
        if not _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return 0
        os.unlink(log)
        return os.fstat(descriptor).st_size
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
        with open(fresh, "w", encoding="utf-8", opener=open_regular) as file:
            file.write(text)
        os.replace(fresh, path)
    except OSError:
        if os.path.exists(fresh):
            os.unlink(fresh)
        raise
