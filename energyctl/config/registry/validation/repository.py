"""Checks of a repository as a whole: environment, folders, models, what is needed and kept."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from energyctl.config.jsonfile.validation import shown
from energyctl.config.registry.schema import RepositoryFields
from energyctl.config.registry.validation.faults import (
    Fault,
    Path,
    inside,
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
    yield from _container(path, fields)
    yield from _same_place(path, fields)
    yield from _seed_parameter((*path, "seed_parameter"), fields)


def _environment(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    parts: list[tuple[Path, Mapping[str, str]]] = [
        ((*path, "env"), fields.env),
        ((*path, "role_env", "foreground"), fields.role_env.foreground),
        ((*path, "role_env", "background"), fields.role_env.background),
    ]
    own = fields.per_model.items()
    parts += [((*path, "per_model", model, "env"), options.env) for model, options in own]
    for place, values in parts:
        for name in values:
            yield from variable((*place, name), name)


def _workspace(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    kind, writes = fields.folder.kind, fields.folder.writes
    place = (*path, "workspace")
    yield from inside_folder((*place, "writes"), writes)
    for number, name in enumerate(writes):
        if posixpath.normpath(name) == ".":
            hint = 'name a folder in it, or use the kind "empty" or "copy"'
            yield (*place, "writes", number), "is the whole folder", hint
    for number, name in enumerate(fields.folder.shared):
        yield from _shared((*place, "shared", number), name, writes)
    if kind == "in_place" and fields.folder.shared:
        yield (*place, "shared"), "has no effect in_place", "leave it out: the clone has them"
    if kind == "in_place" and writes:
        yield (*place, "writes"), "has no effect in_place", 'use the kind "links"'
    if kind in ("links", "copy") and posixpath.normpath(fields.path or ".") == ".":
        message = f"{kind} needs a clone of its own, not the whole workspace"
        yield place, message, 'add "path"'
    if kind != "in_place" and fields.cwd is not None and not fields.cwd.startswith("/"):
        yield from inside((*path, "cwd"), fields.cwd)
    cwd = posixpath.normpath(fields.cwd or ".")
    made = {posixpath.normpath(name) for name in writes}
    absolute = cwd.startswith("/") or cwd == "."
    if kind == "empty" and not absolute and not any(f"{n}/".startswith(f"{cwd}/") for n in made):
        yield (*path, "cwd"), "is not there in an empty folder", 'add it to "writes" of workspace'


def _shared(path: Path, name: str, writes: Iterable[str]) -> Iterator[Fault]:
    """In the clone, or right beside it: further out is what belongs to the results."""
    first, *rest = posixpath.normpath(name).split("/")
    if first in ("", "~", ".") or ".." in rest or (first == ".." and not rest):
        hint = 'name a folder in the clone, or one beside it as "../data"'
        yield path, f"{shown(name)} is no folder in or beside the clone", hint
    elif posixpath.normpath(name) in map(posixpath.normpath, writes):
        yield path, f"{shown(name)} is in writes, too", "keep one of them"


def _preflight(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    for number, name in enumerate(fields.preflight.imports):
        if not _MODULE.fullmatch(name):
            yield (*path, "imports", number), f"{shown(name)} is no name of a module", None


_OWN_OPTIONS = ("--name", "--rm", "-d", "--detach", "-t", "--tty", "-i", "--interactive", "-it",
                "-ti", "--restart", "--cidfile")  # fmt: skip
"""Of `docker run`: they are energyctl's, or would have the client return before the work ends."""


def _container(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    own, place = fields.container, (*path, "container")
    if own is None:
        return
    for number, word in enumerate(own.args):
        if word.partition("=")[0] in _OWN_OPTIONS:
            message = f"{shown(word)} has no place here: energyctl starts, names and ends it"
            yield (*place, "args", number), message, "leave it out"
    for number, text in enumerate(own.mounts):
        source, _, rest = text.partition(":")
        target, _, mode = rest.partition(":")
        if "," in text or not source or mode not in ("", "ro", "rw") or target[:1] not in ("", "/"):
            hint = 'write "SOURCE", "SOURCE:/TARGET" or "SOURCE:/TARGET:ro"'
            yield (*place, "mounts", number), f"{shown(text)} is no mount", hint
    if fields.preflight.imports:
        message = "are not looked for in a container"
        yield (*path, "preflight", "imports"), message, "leave them out"
    if (fields.interpreter or "").startswith("conda:"):
        hint = "name a command of the image"
        yield (*path, "interpreter"), "is no environment of the image", hint


def _seed_parameter(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    name, parameters = fields.seed_parameter, fields.supported_hyperparams
    if name is None:
        return
    parameter = parameters.get(name)
    if parameter is None:
        hint = written_as(name, parameters)
        yield path, f"{shown(name)} is none of the supported_hyperparams", hint
    elif parameter.type != "int":
        message = f"{shown(name)} is of type {parameter.type}, and a seed is an int"
        yield path, message, 'give it "type": "int", or remove this'
    elif parameter.unsupported:
        yield path, f"{shown(name)} is unsupported: no seed reaches the program", "remove this"
    elif parameter.value is not None:
        yield path, f"{shown(name)} is computed from others", 'remove this, or its "value"'


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
