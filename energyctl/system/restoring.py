"""Changes of the machine by the helper, and how they are put back whatever crashes.

The helper writes down what was before it changes anything, and puts it back when energyctl is
gone. If it is killed, too, the next one does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from energyctl.errors import MachineError
from energyctl.launchers import privileged_helper
from energyctl.system import privileges
from energyctl.system.helper import Helper, cpu_root
from energyctl.system.user import invoking_user

CURE = "sudo energyctl stop"
"""Of what a crash has left changed: also without sudo where that was the user's own to change."""


@contextlib.contextmanager
def changing(say: Callable[[str], None]) -> Iterator[Helper]:
    """A helper to change the machine by; at the end everything is as before.

    Raises MachineError where there is none: nothing would put it back. *say* is told of a helper
    that was killed meanwhile, and whether another one could put everything back.
    """
    problem = privileges.problem()
    try:
        helper = None if problem else privileges.helper() or privileges.start_helper()
    except OSError as error:
        problem = str(error)
    if problem or helper is None:
        raise MachineError(f"nothing is set, as nothing would put it back: {problem}")
    try:
        yield helper
    finally:
        lost = helper.ask("restore")
        if helper is not privileges.helper():
            helper.close()
        if lost:
            say(f"warning: not put back at the end: {lost}")
            restore_abandoned(say, say)


# -- after a crash -------------------------------------------------------------------------


def abandoned() -> list[str]:
    """What crashes that also took the helper have left changed, by what was before."""
    names: set[str] = set()
    for folder in {privileges.ROOTS_RECORDS, privileges.records(invoking_user())}:
        for _, data in _records(folder):
            names |= {*map(str, data["governors"].values()), *data["limits"], *data["clocks"]}
    return _words(names)


def _words(names: Iterable[str]) -> list[str]:
    """Of governors, and UUIDs of GPUs."""
    return [
        f"power limit and clock of {name}" if name.startswith("GPU-") else f"governor {name}"
        for name in sorted(names)
    ]


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
                say(f"put back as before a crash: {', '.join(_words(helper.restored))}")
                helper.restored = ()
            if helper.problem:
                complain(f"not put back as before a crash: {helper.problem}")
    if os.geteuid() != 0 and _records(privileges.ROOTS_RECORDS):
        complain(f"not put back as before a crash: {', '.join(abandoned())}; use sudo")
