"""Names in an experiment file that are no field where they stand: old, mistyped or misplaced."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from energyctl.config.jsonfile.reader import Duplicate
from energyctl.config.jsonfile.validation import intended_field, same_spelling, shown
from energyctl.config.places import Place
from energyctl.config.settings.control import Control
from energyctl.config.settings.footprint import Co2e, Price
from energyctl.config.settings.log_to import LogTo
from energyctl.config.settings.references import References
from energyctl.config.settings.schema import (
    MODES,
    OLD_NAMES,
    BackgroundSpec,
    ExperimentFields,
    File,
    ForegroundFields,
    KeepLogs,
    Mode,
    Settle,
)
from energyctl.config.settings.search import Search
from energyctl.config.settings.slurm import Slurm

# Old names that change nothing of what is run.
OLD_LABELS = {"session_name": "experiment_name"}
# Words of older dialects for a mode, without case and punctuation.
OLD_MODES: dict[str, Mode] = {
    "nonparallel": "mutation",
    "sequential": "default",
    "single": "default",
}
# Free text, however near it comes to a field.
FREE_TEXT = {
    *("comment", "comments", "note", "notes", "description", "version", "created", "updated"),
    *("author", "date", "title", "type", "tags", "label", "name", "reason", "node", "code"),
    *("more", "made", "need", "speed", "experiment_id", "$schema", "first", "last", "failed"),
}
# Words that people use for a field, but also in notes: a warning, nothing more.
LOOKALIKES = {
    "params": "hyperparameters",
    "parameters": "hyperparameters",
    "mutation": "mutate",
    "mutations": "mutate",
    "runs": "runs_per_config",
    "num_runs": "runs_per_config",
    "repeats": "runs_per_config",
    "repetitions": "runs_per_config",
}


class Level(enum.Enum):
    """The objects of a file: what a message calls them, and the names with a meaning there."""

    TOP = "the file itself", frozenset(File.model_fields) - {"description"}
    EXPERIMENT = "an experiment", frozenset(ExperimentFields.model_fields)
    FOREGROUND = "foreground", frozenset(ForegroundFields.model_fields)
    BACKGROUND = "background", frozenset(BackgroundSpec.model_fields)
    PLACE = "place", frozenset(Place.model_fields)
    CONTROL = "control", frozenset(Control.model_fields)
    REFERENCES = "references", frozenset(References.model_fields)
    SETTLE = "settle", frozenset(Settle.model_fields)
    KEEP_LOGS = "keep_logs", frozenset(KeepLogs.model_fields)
    CO2E = "co2e_grams_per_kwh", frozenset(Co2e.model_fields)
    PRICE = "price_per_kwh", frozenset(Price.model_fields)
    LOG_TO = "log_to", frozenset(LogTo.model_fields)
    SLURM = "slurm", frozenset(Slurm.model_fields)
    SEARCH = "search", frozenset(Search.model_fields)

    def __init__(self, title: str, fields: frozenset[str]) -> None:
        self.title, self.fields = title, fields


EVERYDAY = (Level.SLURM, Level.SEARCH, Level.LOG_TO)
"""Their words, as time, experiment and energy, are everyday words elsewhere."""


@dataclass(frozen=True)
class NearMiss:
    """A name that its writer may take for a field; `field` is the one that was meant.

    `sure` where there is no other reading: an old name, or another spelling.
    """

    name: str
    message: str
    suggestion: str | None
    severity: Literal["invalid", "warning"]
    field: str | None = None
    sure: bool = False


def misread_names(level: Level, data: Mapping[str, Any]) -> Iterator[NearMiss]:
    """The names of the object that are neither a field of it nor plainly free text.

    "invalid" where ignoring the name would change what is run.
    """
    for name, value in data.items():
        if name in level.fields or name.startswith("_") or name.casefold() in FREE_TEXT:
            continue
        homes = [home for home in Level if home not in EVERYDAY and name in home.fields]
        if homes:
            # Users write the mode of a background; it is the only one that there is.
            if (level, name, value) != (Level.BACKGROUND, "mode", "default"):
                yield _misplaced(name, homes)
            continue
        misread = (
            _old(name, level)
            or _old_label(name, level, data)
            or _mistyped(name, level, data)
            or _lookalike(name, level)
        )
        if misread:
            yield misread


def _old(name: str, level: Level) -> NearMiss | None:
    old_names = [old for old, field in OLD_NAMES.items() if field in level.fields]
    old = intended_field(name, old_names, beginnings=False)
    if old is None:
        return None
    field = OLD_NAMES[old]
    return NearMiss(name, "is not a field", f'write "{field}"', "invalid", field, sure=True)


def _old_label(name: str, level: Level, data: Mapping[str, Any]) -> NearMiss | None:
    field = OLD_LABELS.get(name.casefold())
    if field not in level.fields or field in data:
        return None
    return NearMiss(name, "is not a field, and ignored", f'write "{field}"', "warning", field, True)


def intended_mode(word: str) -> Mode | None:
    """The mode that another spelling or a word of an older dialect stands for."""
    for mode in MODES:
        if same_spelling(word, mode):
            return mode
    return next((mode for old, mode in OLD_MODES.items() if same_spelling(word, old)), None)


def _mistyped(name: str, level: Level, data: Mapping[str, Any]) -> NearMiss | None:
    field = intended_field(name, level.fields)
    if field is None:
        return None
    doubt = field in data or field == "experiment_name"
    return NearMiss(
        name,
        "is not a field, and ignored" if doubt else "is not a field",
        f'write "{field}", or {shown(f"_{name}")} for free text',
        "warning" if doubt else "invalid",
        field,
        same_spelling(name, field),
    )


def _misplaced(name: str, homes: Iterable[Level]) -> NearMiss:
    of = " and of ".join(home.title for home in homes)
    return NearMiss(name, "has no effect here", f"it is a field of {of}", "warning")


def _lookalike(name: str, level: Level) -> NearMiss | None:
    field = LOOKALIKES.get(name.casefold())
    if field not in level.fields:
        return None
    return NearMiss(name, "has no effect", f'write "{field}" if that is meant', "warning", field)


def repeated_names(duplicates: Iterable[Duplicate]) -> Iterator[tuple[str | int, ...]]:
    """Those repeated keys that act, and whose values differ."""
    for duplicate in duplicates:
        if duplicate.differs and _acts(duplicate.path):
            yield duplicate.path


def _acts(path: tuple[str | int, ...]) -> bool:
    level = Level.TOP
    for depth, part in enumerate(path):
        if isinstance(part, int):
            continue
        if depth and path[depth - 1] == "conditions":  # a label
            level = Level.BACKGROUND
            continue
        if part not in level.fields:
            return False
        if part in ("hyperparameters", "grid"):
            return len(path) - depth <= 2
        if part == "experiments":
            level = Level.EXPERIMENT
        elif part == "conditions":
            continue
        elif part.upper() in Level.__members__:
            level = Level[part.upper()]
        else:
            return depth == len(path) - 1
    return True
