"""Checks of placeholders: each must be one, have a value, and have a meaning where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from energyctl.config.jsonfile.validation import nearest, shown
from energyctl.config.registry.placeholders import (
    LISTS,
    PATHS,
    PLACEHOLDERS,
    names_in,
    names_in_pattern,
)
from energyctl.config.registry.schema import MetricFields, RepositoryFields
from energyctl.config.registry.validation.faults import Fault, Path

BEFORE_A_RUN = ("repo", "workspace", "data", "model")
"""What is known of a training before there is a run."""

_BRACES = "literal braces are {{ and }}"

Kind = Literal["argument", "variable", "glob", "needed", "pattern", "template", "fixed"]


@dataclass(frozen=True)
class PlacedText:
    """A text of an entry, but for commands, with its place and what becomes of it."""

    path: Path
    text: str
    kind: Kind

    @property
    def names(self) -> list[str]:
        if self.kind == "pattern":
            return names_in_pattern(self.text)
        return names_in(self.text, variables=self.kind == "variable")


def placeholders(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    """What is wrong with the placeholders of an entry, but for those of its commands."""
    for text in _texts(path, fields):
        for name in dict.fromkeys(text.names):
            yield from _placeholder(text, name, fields)


def unknown(path: Path, name: str, known: Iterable[str], otherwise: str = _BRACES) -> Fault:
    """A placeholder that is none, with the one that was probably meant."""
    like = nearest(name.strip(), known)
    hint = f"write {{{like}}}; " if like else ""
    return path, f"has an unknown placeholder {shown(f'{{{name}}}')}", hint + otherwise


def without_data(path: Path) -> Fault:
    return path, "{data} has no value", 'add "data" to the repository'


def unsupported(path: Path, name: str) -> Fault:
    message = f"passes {shown(name)}, which is unsupported"
    return path, message, 'remove it here, or "unsupported" there'


def _placeholder(text: PlacedText, name: str, fields: RepositoryFields) -> Iterator[Fault]:
    path, kind, parameters = text.path, text.kind, fields.supported_hyperparams
    known = [name for name in PLACEHOLDERS if f"{{{name}}}" not in LISTS]
    if kind == "template":
        if name != "value":
            yield unknown(path, name, ("value",), "only {value} is filled in here")
    elif kind == "fixed":
        if name in known:
            yield path, f"holds {{{name}}}, which is not filled in here", "write it out"
    elif f"{{{name}}}" in LISTS or any(name in step.values for step in fields.steps or ()):
        yield path, f"holds {{{name}}}, which is filled in in commands alone", "remove it"
    elif name not in known and name not in parameters:
        braces = "a literal brace is \\{" if kind == "pattern" else _BRACES
        yield unknown(path, name, [*known, *parameters], braces)
    elif kind == "needed" and name not in BEFORE_A_RUN:
        hint = "known are " + ", ".join(f"{{{one}}}" for one in BEFORE_A_RUN)
        yield path, f"holds {{{name}}}, which is not known before a run", hint
    elif kind == "glob" and name in PATHS:
        hint = "write it relative to the folder that the run works in"
        yield path, f"holds {{{name}}}, an absolute path", hint
    elif name == "data" and fields.data is None:
        yield without_data(path)
    elif name not in known and parameters[name].unsupported is not None:
        yield unsupported(path, name)


def _texts(path: Path, fields: RepositoryFields) -> Iterator[PlacedText]:
    yield from _arguments(path, fields)
    yield from _variables(path, fields)
    for part in ("keep", "delete"):
        for number, text in enumerate(getattr(fields.outputs, part)):
            yield PlacedText((*path, "outputs", part, number), text, "glob")
    for number, text in enumerate(fields.preflight.files):
        yield PlacedText((*path, "preflight", "files", number), text, "needed")
    yield from _metrics((*path, "performance_metrics"), fields.performance_metrics)
    for number, step in enumerate(fields.steps or ()):
        place = (*path, "steps", number)
        yield from _metrics((*place, "performance_metrics"), step.performance_metrics)
        for name, text in step.values.items():
            yield PlacedText((*place, "values", name), text, "glob")
        yield from _fixed((*place, "train_script"), step.train_script)
    if fields.progress is not None:
        yield PlacedText((*path, "progress"), fields.progress, "pattern")
    if fields.work is not None:
        yield PlacedText((*path, "work", "pattern"), fields.work.pattern, "pattern")
    for name in ("path", "train_script", "interpreter", "cwd", "data"):
        yield from _fixed((*path, name), getattr(fields, name))
    for part in ("writes", "shared"):
        for number, text in enumerate(getattr(fields.folder, part)):
            yield from _fixed((*path, "workspace", part, number), text)


def _fixed(path: Path, text: str | None) -> Iterator[PlacedText]:
    if text is not None:
        yield PlacedText(path, text, "fixed")


def _arguments(path: Path, fields: RepositoryFields) -> Iterator[PlacedText]:
    for name, value in fields.required_args.items():
        place = (*path, "required_args", name)
        if isinstance(value, str):
            yield PlacedText(place, value, "argument")
        else:
            for number, text in enumerate(value):
                yield PlacedText((*place, number), text, "argument")
    for model, own in fields.per_model.items():
        for number, text in enumerate(own.args):
            yield PlacedText((*path, "per_model", model, "args", number), text, "argument")
    for name, parameter in fields.supported_hyperparams.items():
        place = (*path, "supported_hyperparams", name, "template")
        for number, text in enumerate(parameter.template or ()):
            yield PlacedText((*place, number), text, "template")


def _variables(path: Path, fields: RepositoryFields) -> Iterator[PlacedText]:
    parts = [((*path, "env"), fields.env)]
    parts += [
        ((*path, "role_env", "foreground"), fields.role_env.foreground),
        ((*path, "role_env", "background"), fields.role_env.background),
    ]
    own = fields.per_model.items()
    parts += [((*path, "per_model", model, "env"), options.env) for model, options in own]
    for place, values in parts:
        for name, text in values.items():
            yield PlacedText((*place, name), text, "variable")


def _metrics(path: Path, fields: MetricFields) -> Iterator[PlacedText]:
    for name, given in fields.log_patterns.items():
        place = (*path, "log_patterns", name)
        if isinstance(given, str):
            yield PlacedText(place, given, "pattern")
            continue
        if given.pattern is not None:
            yield PlacedText((*place, "pattern"), given.pattern, "pattern")
        if given.file is not None:
            yield PlacedText((*place, "file"), given.file, "glob")
