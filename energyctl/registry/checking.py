"""Checking registry data: all that is wrong, with its place, or the typed fields."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from energyctl.documents import Document, Problem, intended_field, nearest, place, shown, validated
from energyctl.registry.commands import PLACEHOLDERS, placed, placeholders
from energyctl.registry.fields import File, HyperparameterFields, MetricFields, RepositoryFields
from energyctl.registry.metrics import compiled
from energyctl.registry.repositories import Hyperparameter

Path = tuple[str | int, ...]
Fault = tuple[Path, str, str | None]

_FREE_TEXT = {"comment", "description", "note", "notes", "version", "name", "type", "title"}
# Names from settings files and other tools.
_MEANT = {
    "hyperparameters": "supported_hyperparams",
    "hyperparams": "supported_hyperparams",
    "script": "train_script",
    "model": "models",
    "metrics": "performance_metrics",
}


def checked(data: Any, document: Document | None) -> tuple[File | None, tuple[Problem, ...]]:
    """The typed fields of the data, or None and all that is wrong; places as in the document."""
    faults = list(_faults(data))
    file, wrong = validated(File, data)
    faults = wrong + [fault for fault in faults if fault[0] not in {path for path, _, _ in wrong}]
    if document is not None:
        faults += [
            (duplicate.path, "is given more than once, with different values", "keep one of them")
            for duplicate in document.duplicates
            if duplicate.differs and not _is_free_text(duplicate.path[-1])
        ]
    found = [_problem(fault, document) for fault in faults]
    if found:
        return None, tuple(sorted(found, key=lambda problem: problem.line or 0))
    return file, ()


def _problem(fault: Fault, document: Document | None) -> Problem:
    path, message, suggestion = fault
    line, column = document.locate(*path) if document else (None, None)
    return Problem(place(*path), message, suggestion, "error", None, line, column)


def _is_free_text(name: str | int) -> bool:
    return isinstance(name, str) and (name.startswith("_") or name.casefold() in _FREE_TEXT)


def _faults(data: Any) -> Iterator[Fault]:
    """What types alone do not tell; each part is looked at only where its own types are right."""
    repositories = data.get("models") if isinstance(data, dict) else None
    if not isinstance(repositories, dict):
        return
    for name, entry in repositories.items():
        path: Path = ("models", name)
        if not isinstance(entry, dict):
            continue
        yield from _misread(path, entry, RepositoryFields.model_fields)
        fields, _ = validated(RepositoryFields, entry)
        if fields is not None:
            yield from _repository(path, fields)
        metrics = entry.get("performance_metrics")
        if isinstance(metrics, dict):
            path_in = (*path, "performance_metrics")
            yield from _misread(path_in, metrics, MetricFields.model_fields)
            typed, _ = validated(MetricFields, metrics)
            if typed is not None:
                yield from _metrics(path_in, typed)
        parameters = entry.get("supported_hyperparams")
        for inner, value in parameters.items() if isinstance(parameters, dict) else ():
            if isinstance(value, dict):
                yield from _parameter((*path, "supported_hyperparams", inner), inner, value)


def _misread(path: Path, data: Mapping[str, Any], known: Collection[str]) -> Iterator[Fault]:
    for name in data:
        if name in known or _is_free_text(name):
            continue
        field = _MEANT.get(name) or intended_field(name, known)
        if field in known and field not in data:
            hint = f'write "{field}", or {shown(f"_{name}")} for free text'
            yield (*path, name), "is not a field", hint


def _repository(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    if (fields.train_script is None) == (fields.command is None):
        yield path, 'needs either "train_script" or "command"', None
    elif fields.command is not None:
        yield from _command((*path, "command"), fields, fields.command)
    else:
        yield from _script(path, fields)
    for model, count in Counter(fields.models).items():
        if count > 1:
            yield (*path, "models"), f"names {shown(model)} more than once", None
    for name in fields.env:
        if "=" in name:
            yield (*path, "env", name), "is no name of an environment variable", None
    if isinstance(fields.duration_seconds, dict):
        for model in fields.duration_seconds.keys() - set(fields.models):
            yield (*path, "duration_seconds", model), "is none of the models", _like(model, fields)


def _like(model: str, fields: RepositoryFields) -> str | None:
    like = nearest(model, fields.models)
    return f"write {shown(like)}" if like else None


def _script(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    if fields.model_flag is None and len(fields.models) > 1:
        yield path, "has several models, but no option that names one", 'add "model_flag"'
    for name, value in fields.required_args.items():
        try:
            shlex.split(value) if isinstance(value, str) else None
        except ValueError as error:
            reason = str(error).lower()
            yield (*path, "required_args", name), f"cannot be split into arguments: {reason}", None
    for name, parameter in fields.supported_hyperparams.items():
        if parameter.flag is None:
            yield (*path, "supported_hyperparams", name), '"flag" is missing', None


def _command(path: Path, fields: RepositoryFields, command: tuple[str, ...]) -> Iterator[Fault]:
    parameters = fields.supported_hyperparams
    for name in ("model_flag", "required_args"):
        if getattr(fields, name):
            yield (*path[:-1], name), 'has no effect beside "command"', "write it into the command"
    try:
        names = placed(command)
    except ValueError:
        for number, element in enumerate(command):
            try:
                placeholders(element)
            except ValueError:
                yield (*path, number), "has a wrong placeholder", "literal braces are {{ and }}"
        return
    for number, element in enumerate(command):
        for name in placeholders(element):
            if name not in PLACEHOLDERS and name not in parameters:
                like = nearest(name, [*PLACEHOLDERS, *parameters])
                hint = f"write {{{like}}}; " if like else ""
                message = f"has an unknown placeholder {shown(f'{{{name}}}')}"
                yield (*path, number), message, f"{hint}literal braces are {{{{ and }}}}"
            elif name == "params" and element != "{params}":
                yield (*path, number), "{params} must be an element of its own", None
    if "model" not in names and len(fields.models) > 1:
        yield path, "is the same for all models", "write {model} where the model belongs"
    for name, parameter in parameters.items():
        inside = (*path[:-1], "supported_hyperparams", name)
        if name in PLACEHOLDERS:
            yield inside, f"cannot be told from the placeholder {{{name}}}", "rename it"
        elif name not in names and "params" not in names:
            yield inside, "never reaches the command", f"add {{params}} or {{{name}}} to it"
        elif name not in names and parameter.flag is None:
            yield inside, '"flag" is missing', None


def _metrics(path: Path, fields: MetricFields) -> Iterator[Fault]:
    for name, source in fields.log_patterns.items():
        inside = (*path, "log_patterns", name)
        try:
            if compiled(source).groups == 0:
                yield inside, "has no group for the number", "write ([0-9.]+) where it stands"
        except (re.error, OverflowError, RecursionError) as error:
            yield inside, f"is no regular expression: {error}", None
    for number, name in enumerate(fields.required):
        if name not in fields.log_patterns:
            like = nearest(name, fields.log_patterns)
            hint = f"write {shown(like)}" if like else None
            yield (*path, "required", number), f"{shown(name)} has no pattern in log_patterns", hint


def _parameter(path: Path, name: str, data: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _misread(path, data, HyperparameterFields.model_fields)
    fields, _ = validated(HyperparameterFields, data)
    if fields is None:
        return
    accept = Hyperparameter(name, fields.flag, fields.type).accept
    values: list[tuple[Path, Any]] = [(("default",), fields.default)]
    values += [(("range", number), bound) for number, bound in enumerate(fields.range or ())]
    values += [(("choices", number), value) for number, value in enumerate(fields.choices or ())]
    numeric = fields.type in ("int", "float")
    for inside, value in values:
        if value is None or (inside[0] == "range" and not numeric):
            continue
        try:
            accept(value)
        except ValueError as error:
            yield (*path, *inside), f"{error}, as its type says, not {shown(value)}", None
    if fields.type == "bool" and (fields.flag or "").endswith("="):
        yield (*path, "flag"), "of a bool is passed alone", 'remove the "=" at its end'
    if fields.zero_probability and not numeric:
        yield (*path, "zero_probability"), f"has no meaning for type {fields.type}", None
    yield from _range(path, fields, numeric)


def _range(path: Path, fields: HyperparameterFields, numeric: bool) -> Iterator[Fault]:
    if fields.range is None:
        return
    low, high = fields.range
    inside = (*path, "range")
    if not numeric:
        yield inside, f"has no meaning for type {fields.type}", 'write "choices"'
    elif fields.choices:
        yield inside, 'stands beside "choices"', "keep one of them"
    elif low > high:
        yield inside, f"starts above its end: {low} > {high}", f"write [{high}, {low}]"
    elif fields.distribution == "log_uniform" and low <= 0:
        hint = 'raise the lower end, or use "uniform"; for zeros, add "zero_probability"'
        yield inside, f"must be above 0 for log_uniform, not {low}", hint
