"""The command ``validate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from energyctl.cli import completers, options
from energyctl.cli.output.lines import say, show
from energyctl.cli.problems import show_problems
from energyctl.errors import SettingsError
from energyctl.system.workspace import Workspace
from energyctl.text import count

if TYPE_CHECKING:
    from energyctl.config.jsonfile.reader import Document

PROBLEMS = SettingsError.exit_code


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", shell_complete=completers.settings_files)
@options.models
@click.option(
    "--static",
    is_flag=True,
    help="Judge the files alone: look for no clone, interpreter or data.",
)
@click.pass_obj
def validate(workspace: Workspace, files: tuple[str, ...], models: str | None, static: bool) -> int:
    """Name all problems of settings files and of the registry.

    Each is named with its place and a suggestion. A FILE may be a registry itself. Without FILE,
    the registry alone is validated, and settings/meters.json where there is one. For settings, what
    their trainings need is looked for, too: clones, interpreters, data, imports.
    """
    from energyctl.config import settings

    path = workspace.registry if models is None else workspace.given(models)
    worst, checked = _registry(_opened(path), announce=not files), {path.resolve()}
    usable = worst == 0
    if workspace.node_meters is not None:
        worst = max(worst, _node_meters(workspace.node_meters, announce=not files))
    for file in files:
        path = workspace.settings_file(file)
        if workspace.node_meters is not None and path.resolve() == workspace.node_meters.resolve():
            continue
        document = _opened(path)
        if document is None:
            worst = PROBLEMS
        elif is_registry(document.data):
            if path.resolve() not in checked or usable:
                worst = max(worst, _registry(document, announce=True))
        elif usable:
            worst = max(worst, _planned(workspace, file, models, static))
        else:
            show_problems(str(path), settings.check(document).problems)
    return worst


def is_registry(data: Any) -> bool:
    """Whether a JSON object is a registry, and no settings file."""
    return isinstance(data.get("models"), dict) and "experiments" not in data


def _opened(path: Path) -> Document | None:
    """The file; None where it is none, which is said."""
    from energyctl.config.jsonfile import reader

    try:
        return reader.read(path)
    except SettingsError as error:
        say(str(error))
        return None


def _registry(document: Document | None, *, announce: bool) -> int:
    """The exit code for a registry; what is wrong is said, and with *announce* that it is fine."""
    from energyctl.config import registry

    if document is None:
        return PROBLEMS
    name, problems = str(document.path), registry.problems(document.data, document)
    show_problems(name, problems)
    if problems:
        return PROBLEMS
    show_problems(name, registry.warnings(document.data, document))
    if announce:
        entries = registry.parse(document.data, name).repositories.values()
        repositories = "repository" if len(entries) == 1 else "repositories"
        models = count(sum(len(one.models) for one in entries), "model")
        show(f"{name}: {len(entries)} {repositories}, {models}")
    return 0


def _node_meters(path: Path, *, announce: bool) -> int:
    """The exit code for the meters outside of the machine, as for a registry."""
    from energyctl.config import node_meters

    document = _opened(path)
    problems = () if document is None else node_meters.problems(document)
    show_problems(str(path), problems)
    if document is None or problems:
        return PROBLEMS
    if announce:
        show(f"{path}: {count(len(node_meters.read(path)), 'meter')}")
    return 0


def _planned(workspace: Workspace, file: str, models: str | None, static: bool) -> int:
    """The exit code for a settings file, judged with a registry that is fine."""
    from energyctl.campaign.prepare import prepare_file
    from energyctl.campaign.training import preflight
    from energyctl.campaign.training.invocations import Trainings
    from energyctl.integrations.log_to import missing_tracker

    try:
        prepared = prepare_file(workspace, file, models, 0)
    except SettingsError as error:
        say(str(error))
        return PROBLEMS
    show_problems(prepared.name, prepared.problems)
    if prepared.plan is None:
        return PROBLEMS
    runs, invalid = prepared.plan.runs, len(prepared.plan.invalid_experiments)
    trainings = Trainings.here(prepared.registry, workspace.root, os.environ)
    missing = [] if static else preflight.check(runs, trainings)
    if not static and prepared.settings is not None:
        missing += missing_tracker(prepared.settings)
    for line in missing:
        show(f"{prepared.name}: error: {line}", err=True)
    unseen = "; clones, interpreters and data were not looked for" if static else ""
    figures = f"{count(len(runs), 'run')}, {count(invalid, 'invalid experiment')}"
    show(f"{prepared.name}: {figures}{unseen}")
    return PROBLEMS if missing else int(prepared.invalid)
