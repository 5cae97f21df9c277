"""What RESULTS on a command line mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from energyctl.system.workspace import Workspace


def result_paths(
    workspace: Workspace, results: Sequence[str], folder: str | None = None
) -> list[Path]:
    """The result files that are meant: of *results* and *folder*, else those of the workspace.

    Raises SettingsError where there is none.
    """
    from energyctl.results import reader as stored

    given = [*results, *([] if folder is None else [folder])]
    places = [_place(workspace, name) for name in given] or [workspace.results]
    return [path for place in places for path in stored.result_files(place)]


def _place(workspace: Workspace, name: str) -> Path:
    """A file or folder; else the result of the run of that experiment id."""
    found = workspace.given(name)
    of_run = workspace.results / f"{name}.json"
    return of_run if not found.exists() and of_run.is_file() else found
