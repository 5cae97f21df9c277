"""Checks of values that are written into files of a run: which files, and where they lie."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from energyctl.config.jsonfile.validation import shown
from energyctl.config.registry.schema import RepositoryFields
from energyctl.config.registry.validation.faults import Fault, Path, inside

KINDS = (".yaml", ".yml", ".json", ".toml", ".py")


def config_files(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    """What is wrong with the `config` of hyper-parameters."""
    taken: dict[tuple[str, str], str] = {}
    for name, parameter in fields.supported_hyperparams.items():
        if parameter.config is None:
            continue
        place = (*path, "supported_hyperparams", name, "config")
        file, key = posixpath.normpath(parameter.config.file), parameter.config.key
        if fields.folder.kind == "in_place":
            hint = 'add "workspace": "links", or "copy"'
            yield place, "needs a folder of the run's own: the clone is not written to", hint
        yield from inside((*place, "file"), parameter.config.file)
        if posixpath.splitext(file)[1].lower() not in KINDS:
            message = f"{shown(file)} is of no kind that can be written"
            yield (*place, "file"), message, f"kinds are {', '.join(KINDS)}"
        for shared in fields.folder.shared:
            if f"{file}/".startswith(f"{posixpath.normpath(shared)}/"):
                message = f"{shown(file)} lies in {shown(shared)}, which all runs share"
                yield (*place, "file"), message, "share another folder"
        if (file, key) in taken:
            yield (
                (*place, "key"),
                f"is that of {shown(taken[file, key])}, too",
                "change one of them",
            )
        taken.setdefault((file, key), name)
        yield from _of_the_clone(path, fields, file)


def _of_the_clone(path: Path, fields: RepositoryFields, file: str) -> Iterator[Fault]:
    """A command that reads the clone's file, in which the values are not."""
    commands = [((*path, "command"), fields.command or ())]
    for number, step in enumerate(fields.steps or ()):
        commands.append(((*path, "steps", number, "command"), step.command or ()))
    for place, command in commands:
        for number, element in enumerate(command):
            if f"{{repo}}/{file}" in element:
                message = f"reads the clone's {file}, in which the values are not"
                yield (*place, number), message, f"write {{workdir}}/{file}"
