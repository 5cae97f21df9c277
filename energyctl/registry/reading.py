"""Reading a registry file, or all that is wrong with it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from energyctl import documents
from energyctl.documents import Document, Problem
from energyctl.errors import SettingsError
from energyctl.registry.checking import checked
from energyctl.registry.fields import File, HyperparameterFields, RepositoryFields
from energyctl.registry.repositories import Hyperparameter, Registry, Repository, Value

_MOST_SHOWN = 20


def read(path: Path) -> Registry:
    """Opens a registry file. Raises SettingsError, naming the file and every problem in it."""
    document = documents.read(path)
    return _registry(document.data, str(path), document)


def parse(data: Any, name: str) -> Registry:
    """The same from JSON data; `name` stands for the file in messages."""
    return _registry(data, name, None)


def problems(data: Any) -> tuple[Problem, ...]:
    """All that is wrong with JSON data as a registry."""
    return checked(data, None)[1]


def _registry(data: Any, name: str, document: Document | None) -> Registry:
    file, found = checked(data, document)
    if file is None:
        shown = "\n".join(f"{name}: {problem}" for problem in found[:_MOST_SHOWN])
        more = len(found) - _MOST_SHOWN
        raise SettingsError(shown + (f"\n{name}: and {more} more" if more > 0 else ""))
    return _typed(file, data)


def _typed(file: File, data: dict[str, Any]) -> Registry:
    made = {name: _repository(name, fields) for name, fields in file.models.items()}
    return Registry(MappingProxyType(made), data)


def _repository(name: str, fields: RepositoryFields) -> Repository:
    parameters = {
        inner: _hyperparameter(inner, value)
        for inner, value in fields.supported_hyperparams.items()
    }
    arguments = [
        argument
        for value in fields.required_args.values()
        for argument in (shlex.split(value) if isinstance(value, str) else value)
    ]
    return Repository(
        name=name,
        path=fields.path,
        models=fields.models,
        train_script=fields.train_script,
        command=fields.command,
        interpreter=fields.interpreter,
        env=MappingProxyType(fields.env),
        cwd=fields.cwd,
        model_flag=fields.model_flag,
        required_args=tuple(arguments),
        hyperparameters=MappingProxyType(parameters),
        patterns=MappingProxyType(fields.performance_metrics.log_patterns),
        required_metrics=fields.performance_metrics.required,
        typical_seconds=MappingProxyType(_durations(fields)),
    )


def _hyperparameter(name: str, fields: HyperparameterFields) -> Hyperparameter:
    bare = Hyperparameter(name, fields.flag, fields.type)

    def typed(value: Value | None) -> Value | None:
        return None if value is None else bare.accept(value)

    low, high = fields.range or (None, None)
    return Hyperparameter(
        name=name,
        flag=fields.flag,
        type=fields.type,
        default=typed(fields.default),
        low=_number(typed(low)),
        high=_number(typed(high)),
        distribution=fields.distribution,
        zero_probability=fields.zero_probability,
        choices=tuple(dict.fromkeys(bare.accept(choice) for choice in fields.choices or ())),
    )


def _number(value: Value | None) -> int | float | None:
    return None if isinstance(value, str) else value


def _durations(fields: RepositoryFields) -> Mapping[str, float]:
    seconds = fields.duration_seconds
    if isinstance(seconds, dict):
        return seconds
    return {} if seconds is None else dict.fromkeys(fields.models, seconds)
