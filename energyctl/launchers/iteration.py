"""The launcher of one background iteration, a process of its own under supervisord.

    python -I -S iterate.py --job NAME --logs DIR --ledger FILE
        [--environment FILE] [--tail LINK] [--first-delay S] [--restart-delay S]
        [--clock FILE] [--cpus 0-7,16] [--keep-logs FIRST,LAST,FAILED[,MEBIBYTES] | all[,MEBIBYTES]]
        -- PROGRAM [ARGUMENT]…

It opens the next free ``run_N.log``, starts the training with its output straight to that log,
waits (and cuts that log where it grows too long), ends whatever the training left behind, appends
one row to the ledger, removes the logs that are not kept, and exits with the training's own code
(128 + n for signal n). supervisord is the one that starts it again.

Standard library only, and little of it: it starts in milliseconds. It outlives a crash of
energyctl, so the ledger is true without energyctl: a row is written when an iteration ends.
Beside the ledger:

    .JOB.PID.running    while one runs: the beginning of its row, and the start of the launcher
                        (PID) in clock ticks since boot
    .JOB.cpu            "SECONDS PID": CPU time of all that ended, and the last of their launchers
    .JOB.kept           which logs there are, see logs.prune
"""

from __future__ import annotations

import os
import sys
import time

from energyctl.launchers import container, iteration_logs, ledger_writer, subreaper
from energyctl.launchers.proc_stat import read_stat
from energyctl.launchers.regular_files import open_regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:  # its core alone: the module imports enum, a quarter of what a launcher takes to start
    import _signal as signal

LARGEST_ENVIRONMENT = 1 << 24
"""Bytes; the kernel takes less with a program (execve(2), "Limits on size of arguments")."""

SUPERVISORD = "ENERGYCTL_SUPERVISORD"
"""The variable in which the guard in supervisord tells its pid to each launcher."""


class Launch:
    """The command line of this launcher, parsed without argparse (6 ms of a 12 ms start)."""

    def __init__(self, arguments: list[str], parent: int) -> None:
        options: dict[str, str] = {}
        position = 0
        while position < len(arguments) and arguments[position] != "--":
            options[arguments[position]] = arguments[position + 1]
            position += 2
        self.argv = arguments[position + 1 :]
        self.job = options["--job"]
        self.logs = options["--logs"]
        self.ledger = options["--ledger"]
        self.environment_file = options.get("--environment")
        self.tail = options.get("--tail")
        private = os.path.dirname(self.environment_file or "")
        self.notes = container.notes_of_launcher(os.path.join(private, container.FOLDER))
        self.first_delay = float(options.get("--first-delay", "0"))
        self.restart_delay = float(options.get("--restart-delay", "0"))
        self.cpus = options.get("--cpus")
        self.offset, self.began = read_clock(options.get("--clock"))
        try:
            self.keep, self.most_bytes = iteration_logs.parse_keep(
                kept := options.get("--keep-logs", iteration_logs.KEEP)
            )
        except ValueError:
            sys.exit(f"energyctl: --keep-logs {kept}: must be FIRST,LAST,FAILED,MEBIBYTES or all")
        self.parent = parent
        beside = os.path.join(os.path.dirname(self.ledger), f".{self.job}.")
        self.running = ledger_writer.note_path(self.ledger, self.job, os.getpid())
        self.cpu, self.kept = f"{beside}cpu", f"{beside}kept"

    def now(self) -> float:
        """Unix time. The clock may be set meanwhile: spans stay true, on the run's time line."""
        return time.monotonic() + self.offset

    def environment(self) -> dict[bytes, bytes]:
        """The caller's environment, handed over in a private file; else this process's own.

        The daemon may have been started from another shell, with other paths: the training gets
        the environment of the ``energyctl run`` that asked for it, as the foreground does.
        """
        if self.environment_file is None or not os.path.exists(self.environment_file):
            return dict(os.environb)
        try:
            with open(self.environment_file, "rb", opener=open_regular) as file:
                items = file.read(LARGEST_ENVIRONMENT).split(b"\0")
        except OSError as error:
            sys.exit(f"energyctl: {self.environment_file}: {error.strerror}")
        pairs = [item.partition(b"=") for item in items if item]
        environment = {key: value for key, _, value in pairs}
        if container.NOTES.encode() in environment:
            environment[container.NOTES.encode()] = os.fsencode(self.notes)
        return environment


def read_clock(clock: str | None) -> tuple[float, float]:
    """What the file *clock* holds in a line: Unix time minus CLOCK_MONOTONIC, of the run's time
    line, and when the group was brought up; without it, or where it is not whole, the offset of
    this machine's clock now, and 0."""
    try:
        with open(clock or "", encoding="utf-8", opener=open_regular) as file:
            text = file.read(200)
        if text.endswith("\n"):
            offset, began, *_ = [*text.split(), "0"]
            return float(offset), float(began)
    except (OSError, ValueError):
        pass
    return time.time() - time.monotonic(), 0.0


def now(clock: str | None) -> float:
    """Unix time on the run's time line, see :func:`read_clock`."""
    return time.monotonic() + read_clock(clock)[0]


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
        subreaper.pin(launch.cpus)
        os.execvpe(launch.argv[0], launch.argv, launch.environment())
    except OSError as error:
        os.write(2, f"energyctl: cannot start {launch.argv[0]!r}: {error}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
    finally:
        os._exit(126)


class Complaining:
    """An error in the block goes to supervisord's log of the job: there is nowhere else to say it.

    A full disk must not end the load. (Not by contextlib, which takes milliseconds to import.)
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        if isinstance(error, OSError):
            sys.stderr.write(f"energyctl: cannot write {self.path}: {error}\n")
        return isinstance(error, OSError)


def past(launch: Launch) -> list[list[str]]:
    """The job's last rows, those of iterations that were cut off included."""
    with Complaining(launch.ledger):
        for run in ledger_writer.close_cut_off(
            launch.ledger, launch.job, launch.now(), launch.logs
        ):
            prune(launch, run, failed=True)
    return ledger_writer.own_rows(launch.ledger, launch.job)


def open_log(launch: Launch, before: list[list[str]]) -> tuple[int, int]:
    """The number and the log of this iteration. A load without a log is better than none."""
    with Complaining(launch.logs):
        number, log = iteration_logs.open_next(launch.logs, before)
        if launch.tail:
            iteration_logs.link(launch.tail, os.path.join(launch.logs, f"run_{number}.log"))
        return number, log
    return iteration_logs.next_number(before), os.open(os.devnull, os.O_WRONLY)


def add_cpu_time(path: str) -> None:
    """Adds what this launcher and all that it has reaped used to the job's sum so far."""
    import resource  # here, for the start's sake

    seconds = 0.0
    for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(whose)
        seconds += used.ru_utime + used.ru_stime
    try:
        with open(path, encoding="utf-8", opener=open_regular) as file:
            seconds += float(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        pass  # the first
    with Complaining(path):
        iteration_logs.write_whole(path, f"{seconds:.6f} {os.getpid()}\n")


def prune(launch: Launch, run: int, failed: bool) -> None:
    """Removes the logs that are not kept now that *run* has ended."""
    if launch.keep is not None:
        with Complaining(launch.kept):
            iteration_logs.prune(
                launch.kept, launch.logs, launch.keep, launch.most_bytes, run, failed
            )


def run(launch: Launch) -> int:
    """One iteration; returns the exit code that supervisord is to see."""
    before = past(launch)
    pause = ledger_writer.pause_before(before, launch.restart_delay, launch.now())
    # Copies keep apart also where the group was brought up anew, on the same ledger.
    first = not any(float(row[3]) >= launch.began for row in before)
    time.sleep(max(pause, launch.first_delay if first else 0.0))
    number, log = open_log(launch, before)
    started = launch.now()
    # A signal between the fork and the row must not lose the row.
    signal.pthread_sigmask(signal.SIG_BLOCK, subreaper.STOP_SIGNALS)
    pid = start(launch, log)
    most = launch.most_bytes // iteration_logs.LOGS_OF_FULL_SIZE
    iteration_logs.keep_within(log, most)
    subreaper.pass_on_to(pid)
    begin = f"{launch.job},{number},{pid},{started:.6f}"
    try:
        with Complaining(launch.running):
            ledger_writer.note(launch.running, begin)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, subreaper.STOP_SIGNALS)
        status = subreaper.wait_for(pid)
        ended = launch.now()
        signal.pthread_sigmask(signal.SIG_BLOCK, subreaper.STOP_SIGNALS)
        code = os.waitstatus_to_exitcode(status)
        if not subreaper.reap():
            subreaper.end_all(subreaper.LEFTOVER_GRACE_SECONDS)
        end_containers(launch, code)
    except subreaper.Stop:
        subreaper.end_all(subreaper.grace(launch.parent))
        end_containers(launch, -signal.SIGTERM)
        ended, code = launch.now(), -signal.SIGTERM
    write_end(launch, begin, ended, code)
    with Complaining(launch.logs):
        iteration_logs.close(log, most)
    prune(launch, number, failed=code not in (0, -signal.SIGTERM))
    return 128 - code if code < 0 else code


def end_containers(launch: Launch, code: int) -> None:
    """Those that the training has started, where its exit does not say that they have ended."""
    if code == 0:
        container.forget(launch.notes)
    elif container.noted(launch.notes):
        container.end_noted(launch.notes, launch.environment(), subreaper.in_a_hurry())


def write_end(launch: Launch, begin: str, ended: float, code: int) -> None:
    """The row of an iteration that began with *begin* and exited with *code*, -n for signal n."""
    add_cpu_time(launch.cpu)
    died_of = str(-code) if code < 0 else ""
    exit_code = "" if code < 0 else str(code)
    with Complaining(launch.ledger):
        ledger_writer.append_row(launch.ledger, f"{begin},{ended:.6f},{exit_code},{died_of}\n")
    with Complaining(launch.running):
        os.unlink(launch.running)  # also without a row: the next launcher would make up a false one


def supervisord_lives() -> bool:
    """Whether the supervisord that forked this process is still there.

    It may be killed while Python starts: whoever is asked for the parent then is already another.
    """
    pid = os.environ.pop(SUPERVISORD, "")
    if not pid.isdigit():
        return True  # a daemon without our guard tells nothing
    stat = read_stat(int(pid))
    return stat is not None and stat.is_alive


def main(arguments: list[str], parent: int) -> int:
    """Runs one iteration; returns its exit code. *parent*: the process that started this one."""
    try:
        subreaper.stand_above()
        launch = Launch(arguments, parent)
        if os.getppid() != parent or not supervisord_lives():
            return 128 + signal.SIGTERM
        return run(launch)
    except subreaper.Stop:
        return 128 + signal.SIGTERM
