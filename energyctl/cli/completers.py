"""Values that the shell completes. Imports little: it is asked for each press of Tab."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem


def _root(context: click.Context) -> Path:
    return Path(context.find_root().params.get("folder") or ".")


def _matching(names: Iterable[str], begun: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted({*names}) if name.startswith(begun)]


def _or_files(names: Iterable[str], begun: str) -> list[CompletionItem]:
    """The names, or any file where none of them is meant."""
    return _matching(names, begun) or [CompletionItem(begun, type="file")]


def settings_files(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    root = _root(context)
    found = [path.relative_to(root) for path in (root / "settings").glob("**/*.json")]
    wanted = [str(path) for path in found if not path.name.startswith(("models_config", "."))]
    return _or_files([name for name in wanted if ".schema." not in name], begun)


def runs(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Result files of the workspace."""
    root = _root(context)
    found = [f"results/{path.name}" for path in (root / "results").glob("[!.]*.json")]
    return _or_files([*found, "results"] if found else [], begun)


def campaigns(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    return _matching(
        [p.stem for p in (_root(context) / "results/campaigns").glob("*.jsonl")], begun
    )


def repositories(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    return _matching(_registry(context), begun)


def models(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Those of --repo, where that is given."""
    wanted = context.params.get("repo")
    known = _registry(context)
    return _matching(
        [m for repo, models in known.items() if wanted in (None, repo) for m in models], begun
    )


def trainings(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """REPO/MODEL."""
    known = _registry(context)
    return _matching([f"{repo}/{m}" for repo, models in known.items() for m in models], begun)


def _registry(context: click.Context) -> dict[str, list[str]]:
    """Repository → models, as far as the file can be read."""
    from energyctl.system.workspace import packaged

    name = "settings/models_config.json"
    given = context.params.get("models") or name
    for path in (Path(given), _root(context) / name, packaged() / name):
        if path.is_file() and path.suffix == ".json":
            try:
                known: Any = json.loads(path.read_text(encoding="utf-8"))["models"]
                return {str(repo): list(_names(entry)) for repo, entry in known.items()}
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
    return {}


def _names(entry: Any) -> Iterator[str]:
    models = entry.get("models", ()) if isinstance(entry, dict) else ()
    yield from (str(model) for model in models)
