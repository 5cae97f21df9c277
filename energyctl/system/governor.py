"""The governor of the CPUs, set for a campaign and put back whatever crashes.

The helper writes down what each CPU had before it changes anything, and puts it back when
energyctl is gone. If it is killed, too, the next one does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from energyctl.errors import MachineError
from energyctl.launchers import privileged_helper
from energyctl.system import privileges
from energyctl.system.helper import cpu_root
from energyctl.system.user import invoking_user

CURE = "sudo energyctl stop"
"""Of what a crash has left changed: also without sudo where that was the user's own to change."""


def governors() -> dict[Path, str]:
    """The scaling governor of each CPU by its file; empty where the kernel offers none."""
    names = {}
    for path in sorted(cpu_root().glob("cpu[0-9]*/cpufreq/scaling_governor")):
        with contextlib.suppress(OSError):
            names[path] = path.read_text(encoding="utf-8").strip()
    return names


def governor_problem(name: str) -> str | None:
    """Why the governor cannot be set to *name* on this machine; None where it can."""
    now = governors()
    if not now:
        return f"the governor {name!r} cannot be set: this machine has no CPU frequency control"
    for path in now:
        available = path.with_name("scaling_available_governors")
        with contextlib.suppress(OSError):
            names = available.read_text(encoding="utf-8").split()
            if name not in names:
                return f"the governor {name!r} is not offered here; there are {', '.join(names)}"
        if now[path] != name and not privileges.given_up() and not os.access(path, os.W_OK):
            return f"the governor {name!r} cannot be set without root; use sudo"
    return None


def require_governor(name: str | None) -> None:
    """Raises MachineError where it cannot be set."""
    if name is not None and (problem := governor_problem(name)):
        raise _refusal(problem)


def _refusal(problem: str) -> MachineError:
    return MachineError(f'{problem}; to measure with what is set, leave "governor" out')


@contextlib.contextmanager
def governor(name: str | None, say: Callable[[str], None]) -> Iterator[None]:
    """Sets the governor of all CPUs, and puts back what each had.

    Raises MachineError where it cannot be set: then none is changed. *say* is told of a helper
    that was killed meanwhile, and whether another one could put everything back.
    """
    if name is None:
        yield
        return
    require_governor(name)
    if problem := privileges.problem():
        raise _refusal(f"the governor could not be set: {problem}")
    try:
        helper = privileges.helper() or privileges.start_helper()
    except OSError as error:
        raise _refusal(f"the governor is not set: nothing would put it back: {error}") from error
    try:
        if problem := helper.ask("governor", name):
            raise _refusal(f"the governor could not be set: {problem}")
        yield
    finally:
        lost = helper.ask("restore")
        if helper is not privileges.helper():
            helper.close()
        if lost:
            say(f"warning: {lost}")
            restore_abandoned(say, say)


# -- after a crash -------------------------------------------------------------------------


def abandoned() -> list[str]:
    """What crashes that also took the helper have left changed: the names of what was before."""
    names: set[str] = set()
    for folder in {privileges.ROOTS_RECORDS, privileges.records(invoking_user())}:
        for _, data in _records(folder):
            names |= {*map(str, data["governors"].values()), *data["limits"], *data["clocks"]}
    return sorted(names)


def _records(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return []
    try:
        return privileged_helper.abandoned(descriptor, str(cpu_root()))
    finally:
        os.close(descriptor)


def restore_abandoned(say: Callable[[str], None], complain: Callable[[str], None]) -> None:
    """Puts back what crashes left, and says so; where it cannot, complains, and it stays."""
    kept = privileges.helper()
    helpers = [kept] if kept is not None and kept.child.poll() is None else []
    with contextlib.ExitStack() as stack:
        if _records(privileges.records(invoking_user())):
            with contextlib.suppress(OSError):
                helpers.append(started := privileges.start_helper())
                stack.callback(started.close)
        for helper in helpers:
            if helper.restored:
                say(f"the governor of the CPUs was put back: {', '.join(helper.restored)}")
                helper.restored = ()
            if helper.problem:
                complain(f"the governor of the CPUs cannot be put back: {helper.problem}")
    if _records(privileges.ROOTS_RECORDS):
        left = ", ".join(abandoned())
        complain(f"the governor of the CPUs is not put back to {left}; use sudo")
