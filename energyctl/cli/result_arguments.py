"""What RESULTS and --results on a command line mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from energyctl.campaign.journal import find_journal
from energyctl.cli.output.lines import say, say_once
from energyctl.cli.progress import ProgressBar
from energyctl.errors import SettingsError
from energyctl.results import api, reader
from energyctl.results.api import Runs
from energyctl.results.folder import ResultsFolder
from energyctl.system.workspace import Workspace


def results_folder(workspace: Workspace, name: str | None) -> ResultsFolder:
    """The folder that results are written to; it belongs to whoever called us."""
    root = workspace.results if name is None else workspace.given(name)
    return ResultsFolder(root, say_once)


def result_paths(
    workspace: Workspace, results: Sequence[str], folder: str | None = None
) -> list[Path]:
    """The result files that are meant: of *results* and *folder*, else those of the workspace.

    Raises SettingsError where there is none.
    """
    names = [*results, *([] if folder is None else [folder])]
    places = [_place(workspace, name) for name in names] or [workspace.results]
    return [path for place in places for path in reader.result_files(place)]


def load_runs(workspace: Workspace, results: Sequence[str], folder: str | None = None) -> Runs:
    """The runs of those files; what cannot be read is said, and is in their ``problems``."""
    with ProgressBar("reading results") as steps:
        return api.load_files(result_paths(workspace, results, folder), say, steps)


def load_campaigns(workspace: Workspace, results: Sequence[str]) -> Runs:
    """The runs of files, folders, experiment ids and campaigns; without any, of the newest one.

    Raises SettingsError where nothing is meant by a name.
    """
    folder = results_folder(workspace, None)
    names = [name for name in results if not _place(workspace, name).exists()]
    places = [name for name in results if name not in names]
    wanted: list[str | None] = [*names] if results else [None]
    journals = {_journal(folder, name) for name in wanted}
    if not journals - {None}:
        return load_runs(workspace, places)
    loaded = load_runs(workspace, [*places, str(folder.root)])
    paths = {path.resolve() for path in result_paths(workspace, places)} if places else set()
    chosen = [
        run for run in loaded if run.path in paths or run.environment.get("journal") in journals
    ]
    return Runs(chosen, loaded.problems)


def _journal(folder: ResultsFolder, name: str | None) -> str | None:
    """That of a campaign; of the newest one, which may not be, as beside imported results."""
    try:
        return find_journal(folder, name).name
    except SettingsError as error:
        if name is None:
            return None
        raise SettingsError(f"{name}: no file, folder or run of that name, and {error}") from error


def _place(workspace: Workspace, name: str) -> Path:
    """A file or folder; else the result of the run of that experiment id."""
    place = workspace.given(name)
    of_run = workspace.results / f"{name}.json"
    return of_run if not place.exists() and of_run.is_file() else place
