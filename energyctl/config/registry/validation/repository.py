"""Checks of a repository as a whole: environment, folders, models, what is needed and kept."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from energyctl.config.jsonfile.validation import shown
from energyctl.config.registry.schema import RepositoryFields
from energyctl.config.registry.validation.faults import (
    Fault,
    Path,
    inside_folder,
    variable,
    written_as,
)

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def repository(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    """What is wrong with an entry, but for its programs, parameters and metrics."""
    for model, count in Counter(fields.models).items():
        if count > 1:
            yield (*path, "models"), f"names {shown(model)} more than once", None
    if isinstance(fields.duration_seconds, dict):
        for model in fields.duration_seconds.keys() - set(fields.models):
            hint = written_as(model, fields.models)
            yield (*path, "duration_seconds", model), "is none of the models", hint
    if fields.interpreter is not None and not fields.interpreter.removeprefix("conda:").strip():
        yield (*path, "interpreter"), "names no conda environment", 'write "conda:NAME"'
    yield from _environment(path, fields)
    yield from _workspace(path, fields)
    yield from inside_folder((*path, "outputs", "keep"), fields.outputs.keep)
    yield from inside_folder((*path, "outputs", "delete"), fields.outputs.delete)
    yield from _preflight((*path, "preflight"), fields)
    yield from _same_place(path, fields)


def _environment(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    parts: list[tuple[Path, Mapping[str, str]]] = [
        ((*path, "env"), fields.env),
        ((*path, "role_env", "foreground"), fields.role_env.foreground),
        ((*path, "role_env", "background"), fields.role_env.background),
    ]
    own = fields.per_model.items()
    parts += [((*path, "per_model", model, "env"), options.env) for model, options in own]
    for place, values in parts:
        for name, text in values.items():
            yield from variable((*place, name), name)
            if fields.data is None and re.search(r"(?<!\{)\{data\}", text):
                yield (*place, name), "{data} has no value", 'add "data" to the repository'


def _workspace(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    kind, writes = fields.folder.kind, fields.folder.writes
    place = (*path, "workspace")
    yield from inside_folder((*place, "writes"), writes)
    for number, name in enumerate(writes):
        if posixpath.normpath(name) == ".":
            hint = 'name a folder in it, or use the kind "empty" or "copy"'
            yield (*place, "writes", number), "is the whole folder", hint
    if kind == "in_place" and writes:
        yield (*place, "writes"), "has no effect in_place", 'use the kind "links"'
    if kind in ("links", "copy") and posixpath.normpath(fields.path or ".") == ".":
        message = f"{kind} needs a clone of its own, not the whole workspace"
        yield place, message, 'add "path"'
    cwd = posixpath.normpath(fields.cwd or ".")
    made = {posixpath.normpath(name) for name in writes}
    absolute = cwd.startswith("/") or cwd == "."
    if kind == "empty" and not absolute and not any(f"{n}/".startswith(f"{cwd}/") for n in made):
        yield (*path, "cwd"), "is not there in an empty folder", 'add it to "writes" of workspace'


def _preflight(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    for number, name in enumerate(fields.preflight.files):
        if name.startswith("{data}") and fields.data is None:
            message = "{data} has no value"
            yield (*path, "files", number), message, 'add "data" to the repository'
    for number, name in enumerate(fields.preflight.imports):
        if not _MODULE.fullmatch(name):
            yield (*path, "imports", number), f"{shown(name)} is no name of a module", None


def _same_place(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    """Two parameters that reach the program at one place: one of them would be lost."""
    for way in ("env_var", "position"):
        taken: dict[object, str] = {}
        for name, parameter in fields.supported_hyperparams.items():
            value = getattr(parameter, way)
            if value is not None and value in taken:
                place = (*path, "supported_hyperparams", name, way)
                yield place, f"is that of {shown(taken[value])}, too", "change one of them"
            taken.setdefault(value, name)
