"""The governor of the CPUs, put back whatever crashes.

A record of what each CPU had is on disk before anything is changed, and a keeper, a process of
its own, waits for the end of energyctl. If it is killed, too, the record is left for the next
``run``, ``resume`` or ``stop``.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from energyctl.launchers import governor_keeper
from energyctl.system import processes
from energyctl.system.files import write_atomic
from energyctl.system.user import invoking_user

NAME = "governor.json"
KEEPER_SECONDS = 10.0


def _cpu_root() -> Path:
    return Path(os.environ.get("ENERGYCTL_CPUFREQ", "/sys/devices/system/cpu"))


def governors() -> dict[Path, str]:
    """The scaling governor of each CPU by its file; empty where the kernel offers none."""
    names = {}
    for path in sorted(_cpu_root().glob("cpu[0-9]*/cpufreq/scaling_governor")):
        with contextlib.suppress(OSError):
            names[path] = path.read_text().strip()
    return names


def governor_problem(name: str) -> str | None:
    """Why the governor cannot be set to *name* on this machine; None where it can."""
    now = governors()
    if not now:
        return f"the governor {name!r} cannot be set: this machine has no CPU frequency control"
    for path in now:
        available = path.with_name("scaling_available_governors")
        with contextlib.suppress(OSError):
            names = available.read_text().split()
            if name not in names:
                return f"the governor {name!r} is not offered here; there are {', '.join(names)}"
        if now[path] != name and not os.access(path, os.W_OK):
            return f"the governor {name!r} cannot be set without root; use sudo"
    return None


@contextlib.contextmanager
def governor(name: str | None, runtime: Path) -> Iterator[str | None]:
    """Sets the governor of all CPUs, and puts back what each had; yields why it could not.

    *runtime*: the private folder, for the record.
    """
    problem = governor_problem(name) if name else None
    if name is None or problem is not None:
        yield problem
        return
    before = {path.parent.parent.name: now for path, now in governors().items()}
    try:
        kept = _Kept(runtime, before)
    except (OSError, subprocess.SubprocessError) as error:
        yield f"the governor could not be set, since nothing would put it back: {error}"
        return
    try:
        yield _set(name)
    finally:
        governor_keeper.put_back(before, str(_cpu_root()))
        kept.close()


def _set(name: str) -> str | None:
    for path in governors():
        try:
            governor_keeper.write(str(path), name)
        except OSError as error:
            return f"the governor could not be set: {path}: {error.strerror}"
    return None


class _Kept:
    """The record of *before* (CPU → governor), and a keeper that waits for our end."""

    def __init__(self, runtime: Path, before: Mapping[str, str]) -> None:
        us = processes.identify(os.getpid())
        assert us is not None
        self._path = runtime / NAME
        record = {"pid": us.pid, "ticks": us.ticks, "root": str(_cpu_root()), "governors": before}
        with invoking_user().acting():
            write_atomic(self._path, json.dumps(record) + "\n")
        arguments = [str(self._path), str(_cpu_root()), str(us.pid), str(us.ticks)]
        try:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(governor_keeper.__file__)), *arguments],
                cwd="/",
                env={},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            self._forget()
            raise
        processes.own(self._keeper.pid)
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self) -> None:
        assert self._keeper.stdout is not None
        ready = select.select([self._keeper.stdout], [], [], KEEPER_SECONDS)[0]
        if not ready or not self._keeper.stdout.readline():
            raise OSError(f"{governor_keeper.__file__} does not start with {sys.executable}")

    def close(self) -> None:
        """Takes both back; the governors are as they were."""
        self._forget()
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._keeper.wait(KEEPER_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        processes.forget(self._keeper.pid)

    def _forget(self) -> None:
        with invoking_user().acting(), contextlib.suppress(OSError):
            self._path.unlink()


# -- after a crash -------------------------------------------------------------------------


def abandoned_governors(runtime: Path) -> dict[str, str] | None:
    """What each CPU had before a crash that also took the keeper; None where there is no such."""
    with _abandoned(runtime) as left:
        return None if left is None else left[1]


def restore_abandoned(
    runtime: Path, say: Callable[[str], None], complain: Callable[[str], None]
) -> None:
    """Puts back what a crash left, and says so; where it cannot, complains and keeps the record."""
    with _abandoned(runtime) as left:
        if left is None:
            return
        record, before = left
        failed = governor_keeper.put_back(before, str(_cpu_root()))
        if failed:
            reason = next(iter(failed.values()))
            complain(f"the governor of {len(failed)} CPUs cannot be put back: {reason}; use sudo")
            return
        record.remove()
        say(f"the governor of the CPUs was put back: {governor_names(before)}")


def governor_names(before: Mapping[str, str]) -> str:
    """Governors by name alone."""
    return ", ".join(
        sorted({name for name in before.values() if governor_keeper.GOVERNOR.fullmatch(name)})
    )


@contextlib.contextmanager
def _abandoned(
    runtime: Path,
) -> Iterator[tuple[governor_keeper.GovernorRecord, dict[str, str]] | None]:
    """The record of a dead energyctl about the CPUs of this machine, locked in the block, and what
    each CPU had."""
    try:
        record = governor_keeper.GovernorRecord(str(runtime))
    except OSError:
        yield None
        return
    with contextlib.closing(record):
        data, descriptor = record.take() or ({}, None)
        try:
            yield (record, data["governors"]) if _is_abandoned(data) else None
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _is_abandoned(data: Mapping[str, Any]) -> bool:
    before, pid = data.get("governors"), data.get("pid")
    if data.get("root") != str(_cpu_root()) or not isinstance(before, dict):
        return False
    if not all(isinstance(name, str) for name in before.values()) or type(pid) is not int:
        return False
    return not processes.is_alive(pid, data.get("ticks"))
