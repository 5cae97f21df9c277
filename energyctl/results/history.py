"""Edge: opens what tells of earlier runs: the tables of ``historical_csvs``, and results."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from energyctl.config.plan import History, history_from_results, history_from_rows, joined
from energyctl.config.settings import Problem, Settings
from energyctl.results.schema import SCHEMA

SHOWN_FILES = 5


def read_history(
    settings: Settings, root: Path, results: Path
) -> tuple[History | None, list[Problem]]:
    """Combinations already run, and warnings of what cannot be read.

    None where the settings do not ask for deduplication.
    """
    if not settings.use_deduplication:
        return None, []
    histories: list[History] = []
    problems = []
    for number, name in enumerate(settings.historical_csvs):
        path = root / name
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                histories.append(history_from_rows(csv.DictReader(file), name))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            message = f"{path} cannot be read ({reason}): nothing is left out for it"
            problems.append(_warning(f"historical_csvs[{number}]", message))
    unreadable: list[str] = []
    histories.append(history_from_results(_results(root, results, unreadable)))
    for text in unreadable[:SHOWN_FILES]:
        problems.append(_warning("use_deduplication", f"{text}: nothing is left out for it"))
    if len(unreadable) > SHOWN_FILES:
        more = f"{len(unreadable) - SHOWN_FILES} more files in {results} cannot be read"
        problems.append(_warning("use_deduplication", more))
    return joined(histories), problems


def _warning(where: str, message: str) -> Problem:
    return Problem(where, message, None, "warning")


def _results(
    root: Path, folder: Path, unreadable: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every result of the folder with its file's name; of what is none, why is noted."""
    for path in sorted(folder.glob("*.json")):
        name = str(path.relative_to(root) if path.is_relative_to(root) else path)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or f"not JSON in UTF-8: {error}"
            unreadable.append(f"{name} cannot be read ({reason})")
            continue
        if not isinstance(data, dict) or "experiment_id" not in data:
            continue  # not ours
        if data.get("schema") != SCHEMA:
            unreadable.append(f"{name} is of the unknown schema {data.get('schema')!r}")
        elif not _is_whole(data):
            unreadable.append(f"{name} does not say what was run")
        else:
            yield name, data


def _is_whole(data: dict[str, Any]) -> bool:
    training = data.get("foreground_result")
    if not isinstance(training, dict) or not {"status", "mode"} <= data.keys():
        return False
    names = isinstance(training.get("repo"), str) and isinstance(training.get("model"), str)
    return names and isinstance(training.get("hyperparameters"), dict)
