"""Values that the shell completes. Imports little: it is asked for each press of Tab."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from energyctl.text import printable

_Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def _completer(
    names_of: Callable[[click.Context], Iterable[str]], *, or_files: bool = False
) -> _Completer:
    """What click asks for the values that begin like what is typed; none that does more to a
    terminal than stand there.

    or_files: any file, where none of the names is meant.
    """

    def complete(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        shown = sorted(name for name in {*names_of(context)} if printable(name) == name)
        names = [name for name in shown if name.startswith(begun)]
        files = [CompletionItem(begun, type="file")] if or_files else []
        return [CompletionItem(name) for name in names] or files

    return complete


def _root(context: click.Context) -> Path:
    return Path(context.find_root().params.get("folder") or ".")


@functools.partial(_completer, or_files=True)
def settings_files(context: click.Context) -> Iterator[str]:
    root = _root(context)
    for path in (root / "settings").glob("**/*.json"):
        others = path.name == "meters.json" or path.name.startswith(("models_config", "."))
        if not others and ".schema." not in path.name:
            yield str(path.relative_to(root))


@functools.partial(_completer, or_files=True)
def runs(context: click.Context) -> list[str]:
    """Result files of the workspace."""
    return _runs(context)


@_completer
def campaigns(context: click.Context) -> list[str]:
    return _campaigns(context)


@functools.partial(_completer, or_files=True)
def runs_and_campaigns(context: click.Context) -> list[str]:
    return [*_campaigns(context), *_runs(context)]


@_completer
def repositories(context: click.Context) -> Iterable[str]:
    return _registry(context)


@_completer
def models(context: click.Context) -> list[str]:
    """Those of --repo, where that is given."""
    only = context.params.get("repo")
    registry = _registry(context)
    return [model for repo in registry if only in (None, repo) for model in registry[repo]]


@_completer
def trainings(context: click.Context) -> list[str]:
    """REPO/MODEL."""
    return [f"{repo}/{model}" for repo, names in _registry(context).items() for model in names]


@_completer
def hyperparameters(context: click.Context) -> set[str]:
    """NAME=; those of --repo or --test, where that is given."""
    repo, training = context.params.get("repo"), context.params.get("test") or ""
    return {
        f"{name}="
        for known, entry in _entries(context).items()
        if (known == repo if repo else not training or training.startswith(f"{known}/"))
        for name in _names(entry, "supported_hyperparams")
    }


@_completer
def node_meters(context: click.Context) -> list[str]:
    """Those that the workspace declares."""
    meters = _document(_root(context) / "settings/meters.json").items()
    return [name for name, meter in meters if isinstance(meter, dict)]


def _runs(context: click.Context) -> list[str]:
    paths = (_root(context) / "results").glob("[!.]*.json")
    names = [f"results/{path.name}" for path in paths]
    return [*names, "results"] if names else []


def _campaigns(context: click.Context) -> list[str]:
    return [path.stem for path in (_root(context) / "results/campaigns").glob("*.jsonl")]


def _registry(context: click.Context) -> dict[str, list[str]]:
    """Repository → models."""
    return {repo: list(_names(entry)) for repo, entry in _entries(context).items()}


def _entries(context: click.Context) -> dict[str, Any]:
    """Repository → its entry, as far as the file can be read."""
    from energyctl.system.workspace import packaged

    name = "settings/models_config.json"
    given = context.params.get("models") or name
    for path in (Path(given), _root(context) / name, packaged() / name):
        models = _document(path).get("models") if path.suffix == ".json" else None
        if isinstance(models, dict):
            return models
    return {}


def _document(path: Path) -> dict[str, Any]:
    """Nothing where it is no file, or holds no object."""
    try:
        document = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _names(entry: Any, part: str = "models") -> Iterator[str]:
    names = entry.get(part, ()) if isinstance(entry, dict) else ()
    yield from (str(name) for name in names)
