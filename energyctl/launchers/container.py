"""A training in a container: the program that starts it, and its end by name.

    python -I -S launchers/container.py RUNTIME NAME [OPTION]… -- IMAGE [ARGUMENT]…

The work of a container is no descendant of the client that starts it, and does not end with it.
So its name is noted before the client is started, in a file that only this training's launcher
has (``ENERGYCTL_CONTAINERS`` is the beginning of its path). The launcher ends what is noted there,
and asks the runtime by name until it is gone. Standard library only.
"""

from __future__ import annotations

import os
import sys
import time

NOTES = "ENERGYCTL_CONTAINERS"
"""Variable: the folder of the notes for a launcher, the beginning of their paths for a training."""

FOLDER = "containers"
"""Holds the notes, in the private folder."""

MARKER = "ENERGYCTL_RUN"  # as in energyctl.system.processes
SOCKET = "ENERGYCTL_SOCKET"  # as in energyctl.marks
LABEL = "energyctl"
STOP_SECONDS = 1
"""From TERM to KILL; the training had its time for TERM when the launcher passed it on."""

Environment = dict[str, str] | dict[bytes, bytes] | None

CALL_SECONDS = 10.0
END_SECONDS = 10.0
CANNOT_START = 125  # as docker-run(1), "Exit Status"


def label_of(nonce: str) -> str:
    """By which the containers of a campaign are known; its secret stays one."""
    import hashlib  # here, for the start's sake

    return f"{LABEL}={hashlib.sha256(nonce.encode()).hexdigest()[:16]}"


# -- starting ------------------------------------------------------------------------------


def start(runtime: str, name: str, options: list[str], rest: list[str]) -> None:
    """Becomes the client of a new container of the name ``NAME-PID``, noted before."""
    name = f"{name}-{os.getpid()}"
    nonce, _, run = os.environ.get(MARKER, "").partition("/")
    labels = [label_of(nonce)] if nonce else [LABEL]
    labels += [f"{LABEL}.run={run}"] if run else []
    argv = [runtime, "run", "--rm", "--name", name]
    argv += [word for label in labels for word in ("--label", label)]
    if runtime == "docker" and not _names_user(options):
        argv += ["--user", f"{os.getuid()}:{os.getgid()}"]
    if marks := os.environ.get(SOCKET):
        argv += ["--env", SOCKET, "--mount", f"type=bind,source={marks},target={marks}"]
    path = os.environ.pop(NOTES, None)
    if path is not None:
        _note(f"{path}{os.getpid()}", runtime, name)
    os.execvp(runtime, [*argv, *options, *rest])


def _names_user(options: list[str]) -> bool:
    return any(item in ("-u", "--user") or item.startswith("--user=") for item in options)


def _note(path: str, runtime: str, name: str) -> None:
    """Whole or not at all: who looks while it is written finds nothing."""
    new = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}")
    with open(new, "w", encoding="utf-8") as file:
        file.write(f"{runtime}\n{name}\n")
    os.rename(new, path)


def main(arguments: list[str]) -> int:
    runtime, name, *options = arguments
    mark = options.index("--")
    try:
        start(runtime, name, options[:mark], options[mark + 1 :])
    except OSError as error:
        sys.stderr.write(f"energyctl: cannot start {runtime}: {error}\n")
    return CANNOT_START


# -- ending --------------------------------------------------------------------------------


def notes_of_launcher(folder: str) -> str:
    """The beginning of the paths of this launcher's notes."""
    return f"{folder}/{os.getpid()}."


def noted(beginning: str) -> list[str]:
    """The notes whose paths begin so."""
    folder, start = os.path.split(beginning)
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [os.path.join(folder, n) for n in sorted(names) if n.startswith(start) and n[0] != "."]


def read_note(path: str) -> tuple[str, str] | None:
    """Runtime and name; None where it is gone."""
    try:
        with open(path, encoding="utf-8") as file:
            runtime, name = file.read().splitlines()
        return runtime, name
    except (OSError, ValueError):
        return None


def forget(beginning: str | None) -> None:
    """Of clients that have ended with exit code 0: so has what they had started."""
    for path in noted(beginning) if beginning else ():
        _remove(path)


def end_noted(beginning: str | None, environment: Environment, hurry: bool) -> None:
    """Ends each container that is noted; a note stays where it cannot be proved gone."""
    for path in noted(beginning) if beginning else ():
        note = read_note(path)
        if note is None or end(note[0], f"name=^{note[1]}$", environment, hurry):
            _remove(path)


def end(runtime: str, which: str, environment: Environment = None, hurry: bool = True) -> bool:
    """Ends the containers that the filter *which* finds, and asks until there are none.

    Whether that is so; a runtime that does not answer does not say it.
    """
    deadline = time.monotonic() + END_SECONDS
    while (there := find(runtime, which, environment)) or there is None:
        if time.monotonic() > deadline:
            return False
        if there and not hurry:
            ask([runtime, "stop", "-t", str(STOP_SECONDS), *there], environment)
        elif there:
            ask([runtime, "rm", "--force", *there], environment)
        hurry = True
        time.sleep(0.02)
    return True


def find(runtime: str, which: str, environment: Environment = None) -> list[str] | None:
    """Names of the containers, running or not, that a filter finds; None: no answer."""
    words = [runtime, "ps", "--all", "--filter", which, "--format", "{{.Names}}"]
    answer = ask(words, environment)
    return None if answer is None else answer.split()


def ask(words: list[str], environment: Environment = None) -> str | None:
    """What the runtime says; None where it fails, or takes too long."""
    import subprocess  # here, for the start's sake

    try:
        done = subprocess.run(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=CALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
