"""What a crash left running is named before a command is carried out, whichever it is."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import click

from energyctl.cli.output.lines import say
from energyctl.system.workspace import Workspace

ENDING = ("run", "resume", "stop")
"""End what is left in their workspace, and say so themselves."""

MOST_LINES = 20


def naming_leftovers(command: click.Command) -> Callable[..., Any]:
    """The callback of *command*, with a line on standard error before it for each leftover."""
    callback = command.callback
    assert callback is not None

    @functools.wraps(callback)
    def named(*arguments: Any, **options: Any) -> Any:
        workspace: Workspace = click.get_current_context().obj
        _name_leftovers(str(workspace.root) if command.name in ENDING else None)
        return callback(*arguments, **options)

    return named


def _name_leftovers(except_of: str | None) -> None:
    """Costs next to nothing where there is no private folder; never fails."""
    if os.getuid() == 0 and "SUDO_UID" in os.environ:
        return  # `meter` stays root, which opens no file of the user's
    place = os.environ.get("ENERGYCTL_PRIVATE") or "/tmp"
    try:
        folders = (f"{place}/energyctl-{os.getuid()}", "/run/energyctl")
        if not any(os.path.isdir(folder) and os.listdir(folder) for folder in folders):
            return
        from energyctl.campaign import leftovers
        from energyctl.system.user import invoking_user

        processes = leftovers.find_leftovers(invoking_user())
        if except_of:
            processes = [p for p in processes if p.pid and p.workspace != except_of]
        lines = [process.sentence() for process in processes]
        if len(lines) > MOST_LINES:
            lines[MOST_LINES:] = [f"… and {len(lines) - MOST_LINES} more"]
        for line in lines:
            say(line)
    except Exception:  # a look aside must not spoil what the user asked for
        return
