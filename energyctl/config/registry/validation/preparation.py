"""Checks of the command that prepares a repository: it knows nothing of single runs."""

from __future__ import annotations

from collections.abc import Iterator

from energyctl.config.registry.placeholders import PLACEHOLDERS, names_in_command
from energyctl.config.registry.schema import RepositoryFields
from energyctl.config.registry.validation.faults import Fault, Path
from energyctl.config.registry.validation.placeholders import unknown, without_data

OF_A_RUN = ("model", "params", "args", "run_id", "role")
"""Placeholders that a command has only in a run."""


def preparation(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    """What is wrong with `prepare` of a repository."""
    given = fields.preparation
    place: Path = (*path, "prepare")
    if not isinstance(fields.prepare, tuple):
        place = (*place, "command")
    for number, element in enumerate(given.command if given else ()):
        try:
            names = names_in_command(element)
        except ValueError:
            yield (*place, number), "has a wrong placeholder", "literal braces are {{ and }}"
            continue
        for name in dict.fromkeys(names):
            yield from _placeholder((*place, number), name, fields)


def _placeholder(path: Path, name: str, fields: RepositoryFields) -> Iterator[Fault]:
    known = [one for one in PLACEHOLDERS if one not in OF_A_RUN]
    if name in OF_A_RUN or (name not in known and name in fields.supported_hyperparams):
        message = f"{{{name}}} has no value: it is run once, for all models and values"
        yield path, message, "leave it out"
    elif name not in known:
        yield unknown(path, name, known)
    elif name == "data" and fields.data is None:
        yield without_data(path)
