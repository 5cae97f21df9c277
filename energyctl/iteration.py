"""The launcher of one background iteration, a process of its own under supervisord.

    python -I -S iteration.py --job NAME --logs DIR --ledger FILE --directory DIR
        [--environment FILE] [--set KEY=VALUE]… [--tail LINK] [--first-delay S]
        [--restart-delay S] [--cgroup FOLDER]
        -- PROGRAM [ARGUMENT]…

It opens the next free ``run_N.log``, starts the training with its output straight to that log,
waits, ends whatever the training left behind, appends one row to the ledger and exits with the
training's own code (128 + n for signal n). supervisord is the one that starts it again.

Standard library only, and little of it: it starts in milliseconds. It outlives a crash of
energyctl, so the ledger is true without energyctl: a row is written when an iteration ends, and
while one runs, ``.JOB.PID.running`` beside the ledger holds the beginning of its row (PID is the
launcher's).
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time

if __name__ == "__main__":  # as a script in isolated mode it finds only the standard library
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from energyctl import subreaper

HEADER = "job,run,pid,started,ended,exit_code,signal\n"

# A failure within this time counts as a fast one and delays the next start (doubling).
FAST_FAILURE_SECONDS = 10.0
FIRST_BACKOFF_SECONDS = 2.0
LONGEST_BACKOFF_SECONDS = 60.0
ENOUGH_ROWS = 6  # so many failures lead to the longest backoff


class Launch:
    """The command line of this launcher, parsed without argparse (6 ms of a 12 ms start)."""

    def __init__(self, arguments: list[str]) -> None:
        options: dict[str, str] = {}
        self.sets: list[tuple[str, str]] = []
        position = 0
        while position < len(arguments) and arguments[position] != "--":
            name, value = arguments[position], arguments[position + 1]
            if name == "--set":
                key, _, text = value.partition("=")
                self.sets.append((key, text))
            else:
                options[name] = value
            position += 2
        self.argv = arguments[position + 1 :]
        self.job = options["--job"]
        self.logs = options["--logs"]
        self.ledger = options["--ledger"]
        self.directory = options["--directory"]
        self.environment_file = options.get("--environment")
        self.tail = options.get("--tail")
        self.first_delay = float(options.get("--first-delay", "0"))
        self.restart_delay = float(options.get("--restart-delay", "0"))
        self.cgroup = options.get("--cgroup")
        self.parent = os.getppid()
        name = f".{self.job}.{os.getpid()}.running"
        self.running = os.path.join(os.path.dirname(self.ledger), name)

    def environment(self) -> dict[bytes, bytes]:
        """The caller's environment, handed over in a private file; else this process's own.

        The daemon may have been started from another shell, with other paths: the training gets
        the environment of the ``energyctl run`` that asked for it, as the foreground does.
        """
        env = dict(os.environb)
        if self.environment_file and os.path.exists(self.environment_file):
            with open(self.environment_file, "rb") as file:
                pairs = [item.partition(b"=") for item in file.read().split(b"\0") if item]
            env = {key: value for key, _, value in pairs}
        env.update({os.fsencode(key): os.fsencode(value) for key, value in self.sets})
        return env


def next_log(folder: str) -> tuple[int, int]:
    """Creates the next free ``run_N.log`` in *folder*; returns N and the open descriptor."""
    os.makedirs(folder, exist_ok=True)
    taken = [0]
    for name in os.listdir(folder):
        number = name[4:-4]
        if name.startswith("run_") and name.endswith(".log") and number.isdigit():
            taken.append(int(number))
    run = max(taken) + 1
    while True:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
            return run, os.open(os.path.join(folder, f"run_{run}.log"), flags, 0o644)
        except FileExistsError:
            run += 1


def link(tail: str, log: str) -> None:
    """Makes *tail*, what ``supervisorctl tail`` reads, a link to the log of this iteration."""
    fresh = f"{tail}.{os.getpid()}"
    try:
        os.symlink(log, fresh)
        os.replace(fresh, tail)
    except OSError:
        pass  # a trial by hand: there is no daemon, and nobody to read it


def append_row(ledger: str, row: str) -> None:
    """Appends one whole line to the ledger, under a lock: several jobs share the file."""
    descriptor = os.open(ledger, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        # A full disk or a crash may have torn the row before; it must not take this one along.
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        before = "\n" if torn else "" if size else HEADER
        os.write(descriptor, (before + row).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def own_rows(ledger: str, job: str) -> list[list[str]]:
    """The last rows of *job*, oldest first: as many as the backoff asks for, or all.

    Read from the end, in growing pieces: jobs share the ledger, and a fast one may write
    thousands of rows during one iteration of another.
    """
    try:
        with open(ledger, "rb") as file:
            size, reach = os.fstat(file.fileno()).st_size, 16384
            while True:
                start = max(0, size - reach)
                file.seek(start)
                lines = file.read(size - start).decode(errors="replace").split("\n")
                # The first is the header, or torn.
                rows = [row for line in lines[1:] if (row := own_row(line, job))]
                if start == 0 or len(rows) >= ENOUGH_ROWS:
                    return rows
                reach *= 4
    except OSError:
        return []


def own_row(line: str, job: str) -> list[str]:
    """The fields of a whole row of *job*; empty for any other line."""
    row = line.split(",")
    if len(row) != 7 or row[0] != job:
        return []
    try:
        float(row[3]), float(row[4])
    except ValueError:
        return []
    return row


def pause_before(rows: list[list[str]], restart_delay: float) -> float:
    """Seconds to wait before the next start.

    The delay that the settings ask for or, after fast failures, a growing one: 2 s, doubling to
    60 s, back to none after a good iteration, or one that was asked to end.
    """
    failures = 0
    for row in reversed(rows):
        lived = float(row[4]) - float(row[3])
        if row[5] == "0" or row[6] == str(int(signal.SIGTERM)) or lived >= FAST_FAILURE_SECONDS:
            break
        failures += 1
    backoff = 0.0
    if failures:
        backoff = min(FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 10), LONGEST_BACKOFF_SECONDS)
    since = time.time() - float(rows[-1][4]) if rows else 0.0
    return max(0.0, max(restart_delay, backoff) - max(since, 0.0)) if rows else 0.0


def start(launch: Launch, log: int) -> int:
    """Forks the training; returns its pid. Errors of the start go to the log, as a shell's do."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        subreaper.in_child(parent)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(launch.directory)
        os.execvpe(launch.argv[0], launch.argv, launch.environment())
    except OSError as error:
        os.write(2, f"energyctl: cannot start {launch.argv[0]!r}: {error}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
    finally:
        os._exit(126)


def note(path: str, begin: str) -> None:
    """Notes the beginning of a row. A full disk must not end the load."""
    try:
        with open(path, "w") as file:
            file.write(begin)
    except OSError as error:
        complain(path, error)


def complain(path: str, error: OSError) -> None:
    """Into supervisord's log of the job: there is nowhere else to say it."""
    sys.stderr.write(f"energyctl: cannot write {path}: {error}\n")


def close_cut_off(launch: Launch) -> None:
    """Writes the rows of iterations whose launcher was killed, and their training with it.

    When exactly one ended nobody saw: a restart ago, which is now but for some milliseconds.
    """
    folder = os.path.dirname(launch.ledger)
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        job, _, rest = name[1:].rpartition(".")[0].rpartition(".")
        if not name.endswith(".running") or job != launch.job or os.path.exists(f"/proc/{rest}"):
            continue
        with open(os.path.join(folder, name)) as file:
            begin = file.read()
        os.unlink(os.path.join(folder, name))
        if begin.count(",") == 3:
            append_row(launch.ledger, f"{begin},{time.time():.6f},,{int(signal.SIGKILL)}\n")


def run(launch: Launch) -> int:
    """One iteration; returns the exit code that supervisord is to see."""
    close_cut_off(launch)
    rows = own_rows(launch.ledger, launch.job)
    time.sleep(pause_before(rows, launch.restart_delay) if rows else launch.first_delay)
    number, log = next_log(launch.logs)
    if launch.tail:
        link(launch.tail, os.path.join(launch.logs, f"run_{number}.log"))
    started = time.time()
    # A signal between the fork and the row must not lose the row.
    signal.pthread_sigmask(signal.SIG_BLOCK, subreaper.STOP_SIGNALS)
    pid = start(launch, log)
    begin = f"{launch.job},{number},{pid},{started:.6f}"
    try:
        note(launch.running, begin)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, subreaper.STOP_SIGNALS)
        _, status = os.waitpid(pid, 0)
        ended = time.time()
        signal.pthread_sigmask(signal.SIG_BLOCK, subreaper.STOP_SIGNALS)
        code = os.waitstatus_to_exitcode(status)
        subreaper.end_all(subreaper.LEFTOVER_GRACE_SECONDS)
    except subreaper.Stop:
        subreaper.end_all(subreaper.grace(launch.parent))
        ended, code = time.time(), -signal.SIGTERM
    died_of = str(-code) if code < 0 else ""
    exit_code = "" if code < 0 else str(code)
    try:
        append_row(launch.ledger, f"{begin},{ended:.6f},{exit_code},{died_of}\n")
        os.unlink(launch.running)
    except OSError as error:
        complain(launch.ledger, error)
    return 128 - code if code < 0 else code


def main(arguments: list[str]) -> int:
    launch = Launch(arguments)
    subreaper.stand_above()
    subreaper.join_cgroup(launch.cgroup)
    try:
        return run(launch)
    except subreaper.Stop:
        return 128 + signal.SIGTERM


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
