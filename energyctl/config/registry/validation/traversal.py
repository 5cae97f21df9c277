"""The way through a registry file: each part is looked at where its own types are right."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from energyctl.config.jsonfile.validation import intended_field, shown, validated
from energyctl.config.registry.schema import (
    HyperparameterFields,
    MetricFields,
    ModelFields,
    OutputFields,
    PatternFields,
    PreflightFields,
    RepositoryFields,
    RoleEnvironments,
    StepFields,
    WorkspaceFields,
)
from energyctl.config.registry.validation.commands import commands
from energyctl.config.registry.validation.faults import Fault, Path
from energyctl.config.registry.validation.metrics import metrics, progress, read_twice
from energyctl.config.registry.validation.parameters import one_parameter, per_model
from energyctl.config.registry.validation.repository import repository

_FREE_TEXT = {
    *("comment", "description", "note", "notes", "version", "name", "type", "title", "date"),
    *("author", "tags", "source", "url", "commit", "license", "upstream", "paper"),
}
# Names from settings files and other tools.
_MEANT = {
    "hyperparameters": "supported_hyperparams",
    "hyperparams": "supported_hyperparams",
    "script": "train_script",
    "model": "models",
    "metrics": "performance_metrics",
    "environment": "env",
    "timeout": "timeout_seconds",
    "exit_codes": "accepted_exit_codes",
    "regex": "pattern",
    "off_flag": "false_flag",
}


def is_free_text(name: str | int) -> bool:
    """Whether a key is a remark, however near it comes to a field."""
    return isinstance(name, str) and (name.startswith("_") or name.casefold() in _FREE_TEXT)


def faults_of(data: Any) -> Iterator[Fault]:
    """What types alone do not tell."""
    repositories = data.get("models") if isinstance(data, dict) else None
    for name, entry in repositories.items() if isinstance(repositories, dict) else ():
        if not isinstance(entry, dict):
            continue
        path: Path = ("models", name)
        yield from _misread_in_repository(path, entry)
        fields, _ = validated(RepositoryFields, entry)
        if fields is not None:
            yield from repository(path, fields)
            yield from commands(path, fields)
            yield from per_model(path, fields)
            yield from read_twice(path, fields)
            yield from progress((*path, "progress"), fields.progress)
        yield from _metrics_in((*path, "performance_metrics"), entry.get("performance_metrics"))
        for number, step in enumerate(_list(entry.get("steps"))):
            inside = (*path, "steps", number, "performance_metrics")
            yield from _metrics_in(inside, _object(step).get("performance_metrics"))
        for inner, value in _object(entry.get("supported_hyperparams")).items():
            if isinstance(value, dict):
                yield from _parameter((*path, "supported_hyperparams", inner), inner, value)


def _parameter(path: Path, name: str, data: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _misread(path, data, HyperparameterFields)
    fields, _ = validated(HyperparameterFields, data)
    if fields is not None:
        yield from one_parameter(path, name, fields)


def _metrics_in(path: Path, data: Any) -> Iterator[Fault]:
    if not isinstance(data, dict):
        return
    yield from _misread(path, data, MetricFields)
    for name, pattern in _object(data.get("log_patterns")).items():
        yield from _misread((*path, "log_patterns", name), _object(pattern), PatternFields)
    yield from metrics(path, data)


def _misread_in_repository(path: Path, entry: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _misread(path, entry, RepositoryFields)
    parts: dict[str, type[BaseModel]] = {
        "workspace": WorkspaceFields,
        "outputs": OutputFields,
        "preflight": PreflightFields,
    }
    for name, model in parts.items():
        yield from _misread((*path, name), _object(entry.get(name)), model)
    for number, step in enumerate(_list(entry.get("steps"))):
        yield from _misread((*path, "steps", number), _object(step), StepFields)
        yield from _misplaced((*path, "steps", number), _object(step), StepFields)
    for name, own in _object(entry.get("per_model")).items():
        yield from _misread((*path, "per_model", name), _object(own), ModelFields)
        yield from _misplaced((*path, "per_model", name), _object(own), ModelFields)
    for name in _object(entry.get("role_env")):
        if name not in RoleEnvironments.model_fields and not is_free_text(name):
            inside = (*path, "role_env", name)
            yield inside, "is no role", 'roles are "foreground" and "background"'


def _misread(path: Path, data: Mapping[str, Any], model: type[BaseModel]) -> Iterator[Fault]:
    """Near misses of a field's name."""
    known: Collection[str] = model.model_fields
    for name in data:
        if name in known or is_free_text(name):
            continue
        meant = _MEANT.get(name)
        field = meant if meant in known else intended_field(name, known)
        if field is not None and field not in data:
            hint = f'write "{field}", or {shown(f"_{name}")} for free text'
            yield (*path, name), "is not a field", hint


def _misplaced(path: Path, data: Mapping[str, Any], model: type[BaseModel]) -> Iterator[Fault]:
    """Fields of the repository that have no effect in a part of it."""
    for name in data:
        if name in RepositoryFields.model_fields and name not in model.model_fields:
            yield (*path, name), "has no effect here", "write it into the repository's entry"


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
