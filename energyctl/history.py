"""Edge: opens the tables of earlier runs that ``historical_csvs`` names."""

from __future__ import annotations

import csv
from pathlib import Path

from energyctl.plan import History, history_from_rows
from energyctl.settings import Problem, Settings


def read_history(settings: Settings, root: Path) -> tuple[History | None, list[Problem]]:
    """Combinations already run, and a warning per table that cannot be read.

    None where the settings do not ask for deduplication.
    """
    if not settings.use_deduplication:
        return None, []
    rows: list[dict[str, str]] = []
    problems = []
    for number, name in enumerate(settings.historical_csvs):
        path = root / name
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                rows += list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            problems.append(
                Problem(
                    where=f"historical_csvs[{number}]",
                    message=f"{path} cannot be read ({reason}): nothing is left out for it",
                    suggestion=None,
                    severity="warning",
                )
            )
    return history_from_rows(rows), problems
