"""The registry for people and programs: what each model is trained with, and how."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from energyctl.cli.output.console import make_table
from energyctl.config.registry import (
    Container,
    Hyperparameter,
    Metric,
    Registry,
    Repository,
    Step,
)
from energyctl.text import printable

_COLUMNS = ("hyper-parameter", "type", "default", "mutated within", "valid", "reaches it by")
_STEP_FIELDS = (
    "name", "command", "train_script", "metered", "timeout_seconds", "accepted_exit_codes",
    "roles", "values",
)  # fmt: skip
_METRIC_FIELDS = (
    *("name", "pattern", "column", "key", "tag", "told", "file", "select", "scale", "required"),
    *("series", "reach", "better"),
)


def models_view(registry: Registry) -> Group:
    """Each repository: what it is, then its hyper-parameters, then its metrics."""
    parts: list[Any] = []
    for repository in registry.repositories.values():
        heading = f"{repository.name}: {', '.join(repository.models)}"
        parts.append(Text(printable(heading), style="bold"))
        parts += [Text(printable(f"  {name}: {text}")) for name, text in _facts(repository)]
        parts.append(_parameters(repository) if repository.hyperparameters else Text(""))
    return Group(*parts)


def models_json(registry: Registry) -> dict[str, Any]:
    """The file as it was read, and under "resolved" what it means for each model."""
    known = registry.repositories.values()
    return {**registry.raw, "resolved": {one.name: _resolved(one) for one in known}}


def _facts(repository: Repository) -> Iterator[tuple[str, str]]:
    """What a repository has but for its hyper-parameters, in lines."""
    for name, text in (
        ("clone", repository.path),
        ("data", repository.data),
        ("interpreter", repository.interpreter),
        ("container", repository.container and _container(repository.container)),
        ("needs", ", ".join([*repository.needed_files, *repository.needed_imports])),
        ("prepared by", " ".join(repository.prepare.command or ()) if repository.prepare else ""),
    ):
        if text:
            yield name, text
    for step in repository.steps:
        yield f"step {step.name}" if len(repository.steps) > 1 else "runs", _step(repository, step)
    if repository.workspace != "in_place":
        writes = f", writes {', '.join(repository.writes)}" if repository.writes else ""
        yield "workspace", f"{repository.workspace}, fresh for each run and role{writes}"
    for role, place in repository.place.items():
        yield f"{role} on", place.words
    for name, globs in (("keeps", repository.keep), ("deletes", repository.delete)):
        if globs:
            yield name, ", ".join(globs)
    for model, own in repository.per_model.items():
        parts = [shlex.join(own.args), *(f"{name}={text}" for name, text in own.env.items())]
        if any(parts):
            yield f"{model} alone", ", ".join(part for part in parts if part)
    for metric in repository.all_metrics:
        yield f"metric {metric.name}", _metric(metric)
    if repository.progress:
        yield "progress", repository.progress
    if repository.work:
        yield "work", f"{repository.work.unit}: {repository.work.pattern}"
    for constraint in repository.constraints:
        yield "constraint", constraint.text


def _step(repository: Repository, step: Step) -> str:
    """``{python} train.py {params} (not metered, at most 60 s, for the foreground)``."""
    program = step.train_script or " ".join(step.command or ())
    if step.train_script and repository.model_flag:
        program += f" {repository.model_flag} MODEL"
    notes = [] if step.metered else ["not metered"]
    if step.timeout_seconds is not None:
        notes.append(f"at most {step.timeout_seconds:g} s")
    if len(step.roles) == 1:
        notes.append(f"for the {step.roles[0]} alone")
    if step.accepted_exit_codes != (0,):
        notes.append(f"may exit with {', '.join(map(str, step.accepted_exit_codes))}")
    notes += [f"hands on {name}: {pattern}" for name, pattern in step.values.items()]
    return program + (f" ({', '.join(notes)})" if notes else "")


def _container(container: Container) -> str:
    """``docker run --gpus all trainer:1, with /srv/data``."""
    words = shlex.join([container.runtime, "run", *container.args, container.image])
    return ", with ".join([words, ", ".join(container.mounts)][: 1 + bool(container.mounts)])


def _metric(metric: Metric) -> str:
    notes = ["required"] if metric.required else []
    notes += [metric.select] if metric.select != "last" else []
    notes += [f"times {metric.scale:g}"] if metric.scale != 1 else []
    notes += [f"from {metric.file}"] if metric.file else []
    notes += ["series"] if metric.series else []
    notes += [f"to reach {metric.reach:g}"] if metric.reach is not None else []
    where = metric.pattern if metric.pattern is not None else metric.way
    return where + (f" ({', '.join(notes)})" if notes else "")


def _parameters(repository: Repository) -> Table:
    table = make_table(*_COLUMNS)
    for parameter in repository.hyperparameters.values():
        table.add_row(*_cells(parameter, repository))
        for model in repository.models:
            own = repository.parameters_of(model)[parameter.name]
            if parameter.unsupported is None and own != parameter:
                cells = [f"  of {model}", "", _default(own), _within(own), "", ""]
                if own.unsupported is not None:
                    cells = [f"  of {model}", "", "", "unsupported", "", own.unsupported]
                table.add_row(*cells)
    return table


def _cells(parameter: Hyperparameter, repository: Repository) -> list[str]:
    valid = ""
    if parameter.least is not None:
        valid = f"{parameter.least} … {parameter.greatest}"
    if parameter.unsupported is not None:
        return [parameter.name, parameter.type, "", "unsupported", valid, parameter.unsupported]
    way = _way(parameter, repository)
    return [parameter.name, parameter.type, _default(parameter), _within(parameter), valid, way]


def _default(parameter: Hyperparameter) -> str:
    if parameter.value is not None:
        return f"= {parameter.value.text}"
    return "" if parameter.default is None else str(parameter.default)


def _within(parameter: Hyperparameter) -> str:
    if not parameter.can_be_mutated:
        return "not mutated"
    if parameter.choices:
        return "one of " + ", ".join(map(str, parameter.choices))
    within = f"{parameter.low} … {parameter.high} ({parameter.distribution})"
    if parameter.zero_probability:
        within += f", 0 with probability {parameter.zero_probability:g}"
    return within


def _way(parameter: Hyperparameter, repository: Repository) -> str:
    """How a value reaches the program, as it would be typed."""
    if parameter.template:
        return shlex.join(parameter.template).replace("{value}", "VALUE")
    if parameter.env_var:
        return f"{parameter.env_var}=VALUE in the environment"
    if parameter.config:
        return f"{parameter.config.key} in {parameter.config.file}"
    if parameter.position is not None:
        return f"position {parameter.position}"
    placed = [e for step in repository.steps for e in step.command or () if _holds(e, parameter)]
    if placed:
        return placed[0]
    if parameter.type == "bool":
        false = f", {parameter.false_flag} where false" if parameter.false_flag else ""
        return f"{parameter.flag} where true{false}"
    flag = parameter.flag or ""
    return f"{flag}VALUE" if flag.endswith("=") else f"{flag} VALUE"


def _holds(element: str, parameter: Hyperparameter) -> bool:
    return f"{{{parameter.name}}}" in element.replace("{{", "")


def _resolved(repository: Repository) -> dict[str, Any]:
    return {
        "steps": [_fields(step, _STEP_FIELDS) for step in repository.steps],
        "workspace": {"kind": repository.workspace, "writes": repository.writes},
        "metrics": [_fields(metric, _METRIC_FIELDS) for metric in repository.all_metrics],
        "constraints": [constraint.text for constraint in repository.constraints],
        "models": {model: _model(repository, model) for model in repository.models},
    }


def _fields(entry: Step | Metric, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in names}


def _model(repository: Repository, model: str) -> dict[str, Any]:
    own = repository.options_of(model)
    return {
        "args": own.args,
        "env": own.env,
        "hyperparameters": {
            name: {
                "type": one.type,
                "default": one.default,
                "value": None if one.value is None else one.value.text,
                "range": None if one.low is None else [one.low, one.high],
                "choices": one.choices or None,
                "bounds": None if one.least is None else [one.least, one.greatest],
                "can_be_mutated": one.can_be_mutated,
                "unsupported": one.unsupported,
                "reaches_by": None if one.unsupported else _way(one, repository),
            }
            for name, one in repository.parameters_of(model).items()
        },
    }
