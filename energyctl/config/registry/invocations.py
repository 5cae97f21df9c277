"""How the values of a run become command lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from energyctl.config.places import NOT_PLACED, Placed
from energyctl.config.registry.arguments import flags, written
from energyctl.config.registry.model import Repository, Step
from energyctl.config.registry.placeholders import filled_variable, placed
from energyctl.config.registry.resolution import (
    InvocationContext,
    filled_texts,
    lacks,
    resolved,
    root_of,
    texts,
)
from energyctl.errors import SettingsError

# Output reaches the log line by line, and clones stay as they were cloned.
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

# What an earlier step hands on is not known yet: it stands between two private characters.
_LATER = re.compile("\ue000(\\w+)\ue001")


@dataclass(frozen=True)
class Invocation:
    """One step to be started: arguments, absolute working folder, additions to the environment.

    Arguments may hold what earlier steps hand on: see :func:`parts` and :func:`handed`.
    """

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    step: Step = field(default_factory=lambda: Step("train"))
    workdir: str = ""
    placed: Placed = NOT_PLACED

    def at(self, placed: Placed) -> Invocation:
        """The same on these GPUs and CPUs."""
        return replace(self, env={**self.env, **placed.environment}, placed=placed)

    def handed(self, values: Mapping[str, str]) -> Invocation:
        """With the values that earlier steps handed on filled in."""
        return replace(
            self,
            argv=tuple(
                _LATER.sub(lambda found: values.get(found[1], found[0]), item) for item in self.argv
            ),
        )


def parts(argument: str) -> list[tuple[str, str | None]]:
    """An argument as pairs: text, and the name of the value that is handed on behind it."""
    pieces = _LATER.split(argument)
    names: list[str | None] = [*pieces[1::2], None]
    return list(zip(pieces[::2], names, strict=True))


def invocations(
    repository: Repository, model: str, values: Mapping[str, Any], where: InvocationContext
) -> tuple[Invocation, ...]:
    """The programs that train a model with these values in that role, in their order.

    Floats are passed in full precision; values that the program cannot take are not. Raises
    SettingsError for a model or a hyper-parameter that the repository does not have, and for a
    missing value.
    """
    if model not in repository.models:
        raise SettingsError(f"{repository.name} has no model {model!r}")
    unknown = [name for name in values if name not in repository.hyperparameters]
    if unknown:
        raise SettingsError(f"{repository.name} has no hyper-parameter {unknown[0]!r}")
    root = root_of(repository, where.workspace)
    workdir = where.workdir or root
    repository = resolved(repository, model, values, where)
    names = texts(repository, model, values, where)
    env = _environment(repository, model, values, where, names)
    cwd = str(workdir / (repository.cwd or ""))
    programs, later = [], dict[str, str]()
    for step in repository.steps_of(where.role):
        argv = _argv(repository, step, model, values, where, names, later)
        programs.append(Invocation(tuple(argv), cwd, MappingProxyType(env), step, str(workdir)))
        later |= {name: f"\ue000{name}\ue001" for name in step.values}
    return tuple(programs)


def _argv(
    repository: Repository,
    step: Step,
    model: str,
    values: Mapping[str, Any],
    where: InvocationContext,
    names: Mapping[str, str],
    later: Mapping[str, str],
) -> list[str]:
    if step.command is not None:
        return _expanded(repository, step.command, model, {**names, **later}, values)
    return [
        *_program(repository, step, where, names),
        *_model_option(repository.model_flag, model),
        *_own_args(repository, model, names),
        *filled_texts(repository, "required_args", repository.required_args, names),
        *flags(repository.parameters_of(model).values(), values),
    ]


def _environment(
    repository: Repository,
    model: str,
    values: Mapping[str, Any],
    where: InvocationContext,
    names: Mapping[str, str],
) -> dict[str, str]:
    """What comes later sees what comes before, and wins."""
    known = {**where.environ, **_ENVIRONMENT, **where.interpreter.env}
    own = dict[str, str]()
    for part in (
        repository.env,
        repository.role_env.get(where.role, {}),
        repository.options_of(model).env,
    ):
        for name, text in part.items():
            try:
                own[name] = known[name] = filled_variable(text, names, known)
            except KeyError as error:
                raise lacks(repository, f"env {name}", error.args[0]) from None
    parameters = {
        parameter.env_var: written(parameter, values[name])
        for name, parameter in repository.parameters_of(model).items()
        if parameter.env_var and not parameter.unsupported and values.get(name) is not None
    }
    return {**_ENVIRONMENT, **where.interpreter.env, **own, **parameters}


def _model_option(flag: str | None, model: str) -> list[str]:
    """The model's option; a flag that ends in ``=`` is joined with it, as with parameters."""
    if not flag:
        return []
    return [flag + model] if flag.endswith("=") else [flag, model]


def _program(
    repository: Repository, step: Step, where: InvocationContext, names: Mapping[str, str]
) -> list[str]:
    """The script, in the folder that the run works in (an empty one has none: the clone's own);
    a repository's interpreter that is no environment, as ``bash``, runs any script."""
    assert step.train_script is not None
    folder = names["repo" if repository.workspace == "empty" else "workdir"]
    script = str(Path(folder) / step.train_script)
    named = repository.interpreter is not None and not where.interpreter.env
    return [names["python"], script] if named or script.endswith(".py") else [script]


def _expanded(
    repository: Repository,
    command: tuple[str, ...],
    model: str,
    names: Mapping[str, str],
    values: Mapping[str, Any],
) -> list[str]:
    """The command with every placeholder filled in."""
    alone = placed(command)
    argv: list[str] = []
    for element in command:
        if element == "{params}":
            parameters = repository.parameters_of(model).values()
            argv += flags((p for p in parameters if p.name not in alone), values)
        elif element == "{args}":
            argv += _own_args(repository, model, names)
        else:
            argv += filled_texts(repository, "the command", (element,), names)
    return argv


def _own_args(repository: Repository, model: str, names: Mapping[str, str]) -> tuple[str, ...]:
    return filled_texts(repository, f"args of {model}", repository.options_of(model).args, names)
