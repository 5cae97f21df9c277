"""Opening an experiment file: a JSON object with a list `experiments`."""

from __future__ import annotations

from pathlib import Path

from energyctl.config.jsonfile import reader as jsonfile
from energyctl.config.jsonfile.reader import Document
from energyctl.errors import SettingsError


def read(path: Path) -> Document:
    """Opens an experiment file. Raises SettingsError, naming the file and the place."""
    return _with_experiments(jsonfile.read(path))


def parse(text: str, name: str) -> Document:
    """The same from text; `name` stands for the file in messages and as the default name."""
    return _with_experiments(jsonfile.parse(text, name))


def _with_experiments(document: Document) -> Document:
    if "experiments" not in document.data:
        meant = next((key for key in document.data if key.casefold() in _MEANT), None)
        found = f'; "{meant}" should be "experiments"' if meant else ""
        raise SettingsError(f'{document.path}: has no list "experiments"{found}')
    if not isinstance(document.data["experiments"], list):
        line, _ = document.locate("experiments")
        raise SettingsError(
            f'{document.path}: line {line}: experiments: must be a list: "experiments": [{{ … }}]'
        )
    return document


_MEANT = ("experiment", "experiments", "experiements", "expriments", "experimets", "runs")
