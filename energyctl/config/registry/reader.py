"""Reading a registry file, or all that is wrong with it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from energyctl.config.jsonfile import reader as jsonfile
from energyctl.config.jsonfile.reader import Document
from energyctl.config.jsonfile.validation import Problem
from energyctl.config.registry import model, validation
from energyctl.config.registry.expressions import arithmetic, condition
from energyctl.config.registry.model import BETTER
from energyctl.config.registry.schema import (
    HyperparameterFields,
    MetricFields,
    ModelFields,
    PatternFields,
    RepositoryFields,
)
from energyctl.errors import SettingsError

_MOST_SHOWN = 20
TRAIN = "train"
"""The step of a repository that names none."""
PREPARE = "prepare"


def read(path: Path) -> model.Registry:
    """Opens a registry file. Raises SettingsError, naming the file and every problem in it."""
    document = jsonfile.read(path)
    return _registry(document.data, str(path), document)


def read_entry(path: Path, training: str) -> tuple[model.Registry, tuple[str, str], list[str]]:
    """The entry of one *training*, ``REPO/MODEL``, whatever is wrong with others of the file.

    Returns a registry of that entry alone, the repository and the model, and the names of the
    entries that are wrong. Raises SettingsError where there is none, or where it is wrong itself.
    """
    document = jsonfile.read(path)
    entries = document.data.get("models")
    if not isinstance(entries, dict):
        return read(path), ("", ""), []  # raises what is wrong with the file
    repo, name = split(training, entries)
    if repo not in entries:
        raise SettingsError(f"{training} is not in the registry; `energyctl models` lists it")
    own = {**document.data, "models": {repo: entries[repo]}}
    elsewhere = {("models", other) for other in entries if other != repo}
    duplicates = tuple(one for one in document.duplicates if one.path[:2] not in elsewhere)
    document = replace(document, data=own, duplicates=duplicates)
    others = [o for o in entries if o != repo and problems({"models": {o: entries[o]}})]
    return _registry(own, str(path), document), (repo, name), others


def split(training: str, entries: Mapping[str, Any]) -> tuple[str, str]:
    """The repository and the model of ``REPO/MODEL``. Both may hold slashes: what *entries* have
    decides, else the first slash."""
    cuts = [place for place, character in enumerate(training) if character == "/"]
    splits = [(training[:cut], training[cut + 1 :]) for cut in cuts] or [(training, "")]

    def is_there(repo: str, name: str) -> bool:
        entry = entries.get(repo)
        models = entry.get("models") if isinstance(entry, dict) else None
        return isinstance(models, list) and name in models

    known = [pair for pair in splits if is_there(*pair)]
    return (known or [pair for pair in splits if pair[0] in entries] or splits)[0]


def parse(data: Any, name: str) -> model.Registry:
    """The same from JSON data; `name` stands for the file in messages."""
    return _registry(data, name, None)


def problems(data: Any, document: Document | None = None) -> tuple[Problem, ...]:
    """All that is wrong with JSON data as a registry; with lines where its document is given."""
    return validation.checked(data, document)[1]


def warnings(data: Any, document: Document | None = None) -> tuple[Problem, ...]:
    """What is not wrong with data that have no problems, but may not do what is meant."""
    return validation.warnings(data, document)


def _registry(data: Any, name: str, document: Document | None) -> model.Registry:
    file, problems = validation.checked(data, document)
    if file is None:
        lines = [f"{name}: {problem}" for problem in problems[:_MOST_SHOWN]]
        more = len(problems) - _MOST_SHOWN
        raise SettingsError(*lines, *([f"{name}: and {more} more"] if more > 0 else []))
    repositories = {name: _repository(name, fields) for name, fields in file.models.items()}
    return model.Registry(MappingProxyType(repositories), data)


def _repository(name: str, fields: RepositoryFields) -> model.Repository:
    parameters = {
        inner: _hyperparameter(inner, value)
        for inner, value in fields.supported_hyperparams.items()
    }
    arguments = [
        argument
        for value in fields.required_args.values()
        for argument in (shlex.split(value) if isinstance(value, str) else value)
    ]
    return model.Repository(
        name=name,
        path=fields.path,
        models=fields.models,
        steps=_steps(fields),
        interpreter=fields.interpreter,
        env=MappingProxyType(fields.env),
        role_env=MappingProxyType(
            {
                "foreground": MappingProxyType(fields.role_env.foreground),
                "background": MappingProxyType(fields.role_env.background),
            }
        ),
        place=MappingProxyType(
            {role: place for role in model.ROLES if (place := getattr(fields.place, role))}
        ),
        cwd=fields.cwd,
        data=fields.data,
        model_flag=fields.model_flag,
        required_args=tuple(arguments),
        per_model=MappingProxyType(
            {name: _options(options, parameters) for name, options in fields.per_model.items()}
        ),
        hyperparameters=MappingProxyType(parameters),
        seed_parameter=fields.seed_parameter,
        constraints=tuple(condition(text) for text in fields.constraints),
        metrics=_metrics(fields.performance_metrics),
        workspace=fields.folder.kind,
        writes=fields.folder.writes,
        shared=fields.folder.shared,
        keep=fields.outputs.keep,
        delete=fields.outputs.delete,
        progress=fields.progress,
        work=None if fields.work is None else model.Work(fields.work.pattern, fields.work.unit),
        needed_files=fields.preflight.files,
        needed_imports=fields.preflight.imports,
        typical_seconds=MappingProxyType(_durations(fields)),
        prepare=_preparation(fields),
        container=None
        if fields.container is None
        else model.Container(**fields.container.model_dump()),
    )


def _steps(fields: RepositoryFields) -> tuple[model.Step, ...]:
    """Those of the file, or the one that `train_script` or `command` stand for."""
    if fields.steps is None:
        codes = fields.accepted_exit_codes or (0,)
        return (model.Step(TRAIN, fields.command, fields.train_script, accepted_exit_codes=codes),)
    first = next((step for step in fields.steps if "foreground" in step.roles), None)
    return tuple(
        model.Step(
            name=step.name,
            command=step.command,
            train_script=step.train_script,
            metered=(step is first) if step.metered is None else step.metered,
            timeout_seconds=step.timeout_seconds,
            accepted_exit_codes=step.accepted_exit_codes,
            roles=tuple(dict.fromkeys(step.roles)),
            metrics=_metrics(step.performance_metrics),
            values=MappingProxyType(step.values),
        )
        for step in fields.steps
    )


def _preparation(fields: RepositoryFields) -> model.Step | None:
    given = fields.preparation
    if given is None:
        return None
    return model.Step(PREPARE, given.command, timeout_seconds=given.timeout_seconds)


def _metrics(fields: MetricFields) -> tuple[model.Metric, ...]:
    metrics = []
    for name, given in fields.log_patterns.items():
        one = PatternFields(pattern=given) if isinstance(given, str) else given
        required = one.required or name in fields.required
        metrics.append(
            model.Metric(
                name=name,
                pattern=one.pattern,
                file=one.file,
                select=one.select,
                scale=one.scale,
                required=required,
                column=one.column,
                key=one.key,
                tag=one.tag,
                told=one.told,
                series=one.series or one.reach is not None,
                reach=None if one.reach is None else float(one.reach),
                better=one.better or BETTER.get(one.select),
            )
        )
    return tuple(metrics)


def _options(
    fields: ModelFields, parameters: Mapping[str, model.Hyperparameter]
) -> model.ModelOptions:
    ranges: dict[str, Any] = {
        name: tuple(parameters[name].accept(bound) for bound in pair)
        for name, pair in fields.ranges.items()
    }
    return model.ModelOptions(
        args=fields.args,
        env=MappingProxyType(fields.env),
        defaults=MappingProxyType(
            {
                name: replace(parameters[name], choices=()).accept(value)
                for name, value in fields.defaults.items()
            }
        ),
        ranges=MappingProxyType(ranges),
        unsupported=MappingProxyType(fields.unsupported),
    )


def _hyperparameter(name: str, fields: HyperparameterFields) -> model.Hyperparameter:
    bare = model.Hyperparameter(name, fields.flag, fields.type)

    def typed(pair: tuple[int | float, int | float] | None) -> tuple[Any, Any]:
        return (None, None) if pair is None else (bare.accept(pair[0]), bare.accept(pair[1]))

    low, high = typed(fields.range)
    least, greatest = typed(fields.bounds)
    return model.Hyperparameter(
        name=name,
        flag=fields.flag,
        type=fields.type,
        default=None if fields.default is None else bare.accept(fields.default),
        low=low,
        high=high,
        distribution=fields.distribution,
        zero_probability=fields.zero_probability,
        choices=tuple(dict.fromkeys(bare.accept(choice) for choice in fields.choices or ())),
        least=least,
        greatest=greatest,
        false_flag=fields.false_flag,
        template=fields.template or (),
        env_var=fields.env_var,
        position=fields.position,
        config=None if fields.config is None else model.ConfigKey(**dict(fields.config)),
        true_false=fields.true_false or ("true", "false"),
        unsupported=fields.unsupported,
        value=None if fields.value is None else arithmetic(fields.value),
        scales_duration=fields.scales_duration,
    )


def _durations(fields: RepositoryFields) -> Mapping[str, float]:
    seconds = fields.duration_seconds
    if isinstance(seconds, dict):
        return seconds
    return {} if seconds is None else dict.fromkeys(fields.models, seconds)
