"""What tells of earlier runs: the tables of ``historical_csvs``, and results."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from energyctl.config.plan import History, history_from_results, history_from_rows, joined
from energyctl.config.settings import Problem, Settings
from energyctl.results.reader import read_result
from energyctl.results.schema import Result
from energyctl.results.tables.part import NoResult, NotOurs, UnknownSchema
from energyctl.system.files import regular

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
            with open(path, encoding="utf-8-sig", newline="", opener=regular) as file:
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


def _results(root: Path, folder: Path, unreadable: list[str]) -> Iterator[tuple[str, Result]]:
    """Every result of the folder with its file's name; of what is none, why is noted."""
    for path in sorted(folder.glob("*.json")):
        name = str(path.relative_to(root) if path.is_relative_to(root) else path)
        try:
            result = read_result(path)
        except NotOurs:
            continue
        except UnknownSchema as error:
            unreadable.append(f"{name} is of the unknown schema {error.schema!r}")
        except NoResult as error:
            unreadable.append(f"{name}: {error}")
        else:
            if _is_whole(result):
                yield name, result
            else:
                unreadable.append(f"{name} does not say what was run")


def _is_whole(result: Result) -> bool:
    training = result.get("foreground_result")
    if not isinstance(training, dict) or not {"status", "mode"} <= result.keys():
        return False
    names = isinstance(training.get("repo"), str) and isinstance(training.get("model"), str)
    return names and isinstance(training.get("hyperparameters"), dict)
