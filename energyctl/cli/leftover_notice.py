"""What a crash left running is named before a command is carried out, whichever it is."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

import click

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
    uids = {str(os.getuid()), os.environ.get("SUDO_UID", "0")}
    place = os.environ.get("ENERGYCTL_PRIVATE") or "/tmp"
    if not any(os.path.lexists(f"{place}/energyctl-{uid}") for uid in uids):
        return
    try:
        from energyctl.campaign import leftovers
        from energyctl.system.user import invoking_user

        processes = leftovers.find_leftovers(invoking_user())
        lines = [p.sentence() for p in processes if p.workspace != except_of or not except_of]
        if len(lines) > MOST_LINES:
            lines[MOST_LINES:] = [f"… and {len(lines) - MOST_LINES} more"]
        for line in lines:
            print(f"energyctl: {line}", file=sys.stderr)
    except Exception:  # a look aside must not spoil what the user asked for
        return
