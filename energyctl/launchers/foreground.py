"""The launcher of one measured training, a process of its own between energyctl and it.

    python -I -S launchers/foreground.py      < request, then "go"      > answers

It is up before the measurement begins, and starts the training when it is told to: what is
metered begins with a fork. It stands above all that the training starts, and ends it: what is left
after the training's exit, everything when it is asked to (see subreaper), and everything when
energyctl is gone, however that ended.

The request is a line of JSON: ``argv``, ``cwd``, ``env``, ``cpus`` (those that the training may
use, as ``0-7``; null: all). Each answer is a line:

    ready                  waiting for the line "go"
    started PID            the program runs
    failed ERRNO           it could not be executed
    exited CODE            its exit code, -n for signal n
    left PID TICKS COMMAND what it had left running, and was ended then; started TICKS after boot
    gone                   nothing of it is left

Standard error is the training's log. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

if __name__ == "__main__":  # as a script in isolated mode it finds only the standard library
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path.append(os.path.dirname(package))

from energyctl.launchers import container, proc_stat, subreaper


def answer(text: str) -> None:
    try:
        os.write(1, text.encode(errors="replace") + b"\n")
    except OSError:
        return  # energyctl is gone; what it started is ended all the same


def read_line() -> bytes:
    """One line of standard input; shorter than that where its writer is gone."""
    parts: list[bytes] = []
    while not parts or not parts[-1].endswith(b"\n"):
        part = os.read(0, 65536)
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def start(request: dict[str, Any]) -> tuple[int, int]:
    """Forks the training; (pid, errno of a program that could not be executed, else 0)."""
    parent = os.getpid()
    reading, writing = os.pipe()  # closed by a successful exec, like all that Python opens
    environment = {os.fsencode(k): os.fsencode(v) for k, v in request["env"].items()}
    argv = [os.fsencode(item) for item in request["argv"]]
    pid = os.fork()
    if pid == 0:
        try:
            subreaper.in_child(parent)
            subreaper.pin(request["cpus"])
            os.setsid()
            os.dup2(2, 1)
            os.chdir(os.fsencode(request["cwd"]))
            os.execvpe(argv[0], argv, environment)
        except OSError as error:
            os.write(writing, str(error.errno).encode())
        finally:
            os._exit(126)
    os.close(writing)
    answer_text = os.read(reading, 32)
    os.close(reading)
    return pid, int(answer_text or b"0")


def end_leftovers() -> None:
    """Names and ends what the training left running."""
    for pid in subreaper.descendants():
        stat = proc_stat.read_stat(pid)
        if stat is not None and stat.is_alive:
            command = " ".join(proc_stat.command_of(pid).split())
            answer(f"left {pid} {stat.start_ticks} {command}")
    subreaper.end_all(subreaper.LEFTOVER_GRACE_SECONDS)
    answer("gone")


def run(request: dict[str, Any], parent: int) -> None:
    """Starts the training, waits for it, ends what it leaves."""
    environment: dict[str, str] = request["env"]
    notes = None
    if folder := environment.get(container.NOTES):
        notes = environment[container.NOTES] = container.notes_of_launcher(folder)
    # A signal between the fork and the answer must not lose the pid.
    signal.pthread_sigmask(signal.SIG_BLOCK, subreaper.STOP_SIGNALS)
    pid, error = start(request)
    if error:
        answer(f"failed {error}")
        subreaper.end_all(0.0)
        return
    try:
        answer(f"started {pid}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, subreaper.STOP_SIGNALS)
        status = subreaper.wait_for(pid)
        signal.pthread_sigmask(signal.SIG_BLOCK, subreaper.STOP_SIGNALS)
        answer(f"exited {os.waitstatus_to_exitcode(status)}")
        if status:
            container.end_noted(notes, environment, hurry=False)
        else:
            container.forget(notes)
        end_leftovers()
    except subreaper.Stop:
        subreaper.end_all(subreaper.grace(parent))
        container.end_noted(notes, environment, subreaper.in_a_hurry())
        code = os.waitstatus_to_exitcode(subreaper.reaped.get(pid, signal.SIGKILL))
        answer(f"exited {code}")
        answer("gone")


def main() -> int:
    parent = os.getppid()
    try:
        subreaper.stand_above()
        request = read_line()
        answer("ready")
        if read_line() == b"go\n":
            run(json.loads(request), parent)
    except subreaper.Stop:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
