"""What an attack consists of, and what all of them use. Standard library only."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

Facts = SimpleNamespace
Act = Callable[[Facts], None]
ESCAPE = "\x1b]0;HOSTILE\x07\x1b[31mHOSTILE\nenergyctl: FORGED\r"
NONCE = "ab" * 16
"""A secret of a campaign that there never was; processes of others carry it in their markers."""

DEEP = "[" * 100_000
GRACE_SECONDS = 12.0
"""What a training that ignores TERM may take to be ended: seven seconds of grace, then KILL."""


@dataclass(frozen=True)
class Attack:
    """*shell*: what the user's shell does before `sudo`. *then*: further commands. *codes*: exit
    codes of `run` beside 0, 1 and 3, and of `stop` beside 0. *grace_seconds*: what an interrupted
    run may take besides.
    """

    what: str
    before: Act | None = None
    stranger: Act | None = None
    train: Act | None = None
    load: Act | None = None
    after: Act | None = None
    registry: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    shell: str = ""
    arguments: tuple[str, ...] = ("run", "x.json")
    then: tuple[tuple[str, ...], ...] = ()
    codes: tuple[int, ...] = ()
    grace_seconds: float = 0.0


def gained(f: Facts, what: str) -> None:
    with open(f"{f.home}/gained", "a") as file:
        file.write(f"{what}\n")


def must_fail(f: Facts, what: str, attempt: Callable[[], Any]) -> None:
    with contextlib.suppress(OSError):
        attempt()
        gained(f, what)


def replace(path: str, target: str) -> None:
    """*path* becomes a link to *target*."""
    remove(path)
    os.symlink(target, path)


def remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with open(path, "w") as file:
        file.write(text)


def lab(f: Facts, name: str) -> str:
    return f"{f.workspace}/{name}"


def log() -> str:
    """Where our own output goes."""
    return os.readlink("/proc/self/fd/1")


def private(f: Facts) -> str:
    """The workspace's private folder, made as energyctl makes it."""
    for folder in (os.path.dirname(f.runtime), f.runtime):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
    return str(f.runtime)


def for_a_while(f: Facts, every: float = 0.01) -> Iterator[None]:
    end = time.monotonic() + f.seconds
    while time.monotonic() < end:
        yield
        time.sleep(every)
