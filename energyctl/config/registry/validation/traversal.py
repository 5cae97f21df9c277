"""The way through a registry file: each part is looked at where its own types are right."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from energyctl.config.jsonfile.validation import intended_field, shown, validated
from energyctl.config.places import Place
from energyctl.config.registry.schema import (
    ConfigFields,
    ContainerFields,
    HyperparameterFields,
    MetricFields,
    ModelFields,
    OutputFields,
    PatternFields,
    PreflightFields,
    PrepareFields,
    RepositoryFields,
    RoleEnvironments,
    RolePlaces,
    StepFields,
    WorkFields,
    WorkspaceFields,
)
from energyctl.config.registry.validation.commands import commands
from energyctl.config.registry.validation.config_files import config_files
from energyctl.config.registry.validation.expressions import expressions
from energyctl.config.registry.validation.faults import Fault, Path
from energyctl.config.registry.validation.metrics import metrics, progress, read_twice
from energyctl.config.registry.validation.parameters import one_parameter, per_model
from energyctl.config.registry.validation.placeholders import placeholders
from energyctl.config.registry.validation.preparation import preparation
from energyctl.config.registry.validation.repository import repository

_FREE_TEXT = {
    *("comment", "description", "note", "notes", "version", "name", "type", "title", "date"),
    *("author", "tags", "source", "url", "commit", "license", "upstream", "paper"),
}
# Names from settings files and other tools.
_MEANT = {
    "values": "choices",
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
_MEANT_IN_METRICS = {"metrics": "log_patterns", "patterns": "log_patterns"}
# The parts of a repository whose names are looked at with those of its entry.
_PARTS: dict[tuple[str, ...], type[BaseModel]] = {
    ("workspace",): WorkspaceFields,
    ("outputs",): OutputFields,
    ("preflight",): PreflightFields,
    ("prepare",): PrepareFields,
    ("container",): ContainerFields,
    ("work",): WorkFields,
    ("steps", "[]"): StepFields,
    ("per_model", "*"): ModelFields,
    ("supported_hyperparams", "*", "config"): ConfigFields,
    ("place", "*"): Place,
}
_BY_ROLE: dict[str, type[BaseModel]] = {"role_env": RoleEnvironments, "place": RolePlaces}


def is_free_text(name: str | int) -> bool:
    """Whether a key is a remark, however near it comes to a field."""
    return isinstance(name, str) and (name.startswith("_") or name.casefold() in _FREE_TEXT)


def faults_of(data: Any) -> Iterator[Fault]:
    """What types alone do not tell."""
    for path, entry in _objects((), data, "models", "*"):
        yield from _misread_in_repository(path, entry)
        fields, _ = validated(RepositoryFields, entry)
        if fields is not None:
            yield from repository(path, fields)
            yield from config_files(path, fields)
            yield from commands(path, fields)
            yield from placeholders(path, fields)
            yield from preparation(path, fields)
            yield from expressions(path, fields)
            yield from per_model(path, fields)
            yield from read_twice(path, fields)
            yield from progress((*path, "progress"), fields.progress)
            if fields.work is not None:
                yield from progress((*path, "work", "pattern"), fields.work.pattern)
        for keys in (("performance_metrics",), ("steps", "[]", "performance_metrics")):
            for place, part in _objects(path, entry, *keys):
                yield from _misread(place, part, MetricFields)
                for inside, pattern in _objects(place, part, "log_patterns", "*"):
                    yield from _misread(inside, pattern, PatternFields)
                yield from metrics(place, part)
        for place, part in _objects(path, entry, "supported_hyperparams", "*"):
            yield from _misread(place, part, HyperparameterFields)
            parameter, _ = validated(HyperparameterFields, part)
            if parameter is not None:
                yield from one_parameter(place, str(place[-1]), parameter)


def _misread_in_repository(path: Path, entry: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _misread(path, entry, RepositoryFields)
    for keys, model in _PARTS.items():
        for place, part in _objects(path, entry, *keys):
            yield from _misread(place, part, model)
            if model in (StepFields, ModelFields):
                yield from _misplaced(place, part, model)
    for key, model in _BY_ROLE.items():
        for place, roles in _objects(path, entry, key):
            for name in roles:
                if name not in model.model_fields and not is_free_text(name):
                    yield (*place, name), "is no role", 'roles are "foreground" and "background"'


def _misread(path: Path, data: Mapping[str, Any], model: type[BaseModel]) -> Iterator[Fault]:
    """Near misses of a field's name."""
    fields: Collection[str] = model.model_fields
    for name in data:
        if name in fields or is_free_text(name):
            continue
        meant = (_MEANT_IN_METRICS if model is MetricFields else _MEANT).get(name)
        field = meant if meant in fields else intended_field(name, fields)
        if field is not None and field not in data:
            hint = f'write "{field}", or {shown(f"_{name}")} for free text'
            yield (*path, name), "is not a field", hint


def _misplaced(path: Path, data: Mapping[str, Any], model: type[BaseModel]) -> Iterator[Fault]:
    """Fields of the repository that have no effect in a part of it."""
    for name in data:
        if name in RepositoryFields.model_fields and name not in model.model_fields:
            yield (*path, name), "has no effect here", "write it into the repository's entry"


def _objects(path: Path, data: Any, *keys: str) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The objects that the keys lead to, with their places; `*`: of each member, `[]`: item."""
    if not keys:
        if isinstance(data, dict):
            yield path, data
        return
    key, *rest = keys
    members: Mapping[Any, Any] = {}
    if isinstance(data, dict):
        members = data if key == "*" else {key: data[key]} if key in data else {}
    elif isinstance(data, list) and key == "[]":
        members = dict(enumerate(data))
    for name, value in members.items():
        yield from _objects((*path, name), value, *rest)
