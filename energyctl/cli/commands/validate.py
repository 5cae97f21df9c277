"""What `validate` does: names all that is wrong with settings files and with the registry."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from energyctl import text as words
from energyctl.cli.commands.run import PROBLEMS, prepare, show_problems
from energyctl.config import jsonfile as documents
from energyctl.config import registry, settings
from energyctl.config.jsonfile import Document
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace


def validate(root: Path, files: Sequence[str], models: str | None) -> int:
    """``energyctl validate``: all problems of the registry and of all files; the worst exit code.

    A file that holds "models" is validated as a registry. Without files, the registry alone is.
    """
    workspace = Workspace(root)
    path = workspace.registry if models is None else workspace.given(models)
    worst, checked = _registry(_opened(path), said=not files), {path.resolve()}
    usable = worst == 0
    for file in files:
        path = workspace.settings_file(file)
        document = _opened(path)
        if document is None:
            worst = PROBLEMS
        elif is_registry(document.data):
            if path.resolve() not in checked or usable:
                worst = max(worst, _registry(document, said=True))
        elif usable:
            worst = max(worst, _planned(workspace, file, models))
        else:
            show_problems(str(path), settings.check(document).problems)
    return worst


def is_registry(data: Any) -> bool:
    """Whether a JSON object is a registry, and no settings file."""
    return isinstance(data.get("models"), dict) and "experiments" not in data


def _opened(path: Path) -> Document | None:
    """The file; None where it is none, which is said."""
    try:
        return documents.read(path)
    except SettingsError as error:
        print(f"energyctl: {error}", file=sys.stderr)
        return None


def _registry(document: Document | None, *, said: bool) -> int:
    """The exit code for a registry; that it is fine is *said*, what is wrong in any case."""
    if document is None:
        return PROBLEMS
    name, found = str(document.path), registry.problems(document.data, document)
    show_problems(name, found)
    if found:
        return PROBLEMS
    if said:
        known = registry.parse(document.data, name).repositories.values()
        repositories = "repository" if len(known) == 1 else "repositories"
        trained = words.count(sum(len(one.models) for one in known), "model")
        click.echo(f"{name}: {len(known)} {repositories}, {trained}")
    return 0


def _planned(workspace: Workspace, file: str, models: str | None) -> int:
    """The exit code for a settings file, judged with a registry that is fine."""
    try:
        prepared = prepare(workspace, file, 0, models)
    except SettingsError as error:
        print(f"energyctl: {error}", file=sys.stderr)
        return PROBLEMS
    show_problems(prepared.name, prepared.problems)
    if prepared.plan is None:
        return PROBLEMS
    runs, invalid = prepared.plan.runs, len(prepared.plan.invalid_experiments)
    click.echo(
        f"{prepared.name}: {words.count(len(runs), 'run')}, "
        f"{words.count(invalid, 'invalid experiment')}"
    )
    return int(prepared.invalid)
