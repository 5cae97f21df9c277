"""How the values of a run become a command line."""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from energyctl.errors import SettingsError
from energyctl.registry.repositories import Hyperparameter, Repository

PLACEHOLDERS = ("python", "repo", "model", "params", "workspace")
_PARAMS = "{params}"
# Output reaches the log line by line, and clones stay as they were cloned.
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True)
class Invocation:
    """What to start: arguments, absolute working folder, and additions to the environment."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]


def invocation(
    repository: Repository, model: str, values: Mapping[str, Any], *, workspace: Path, python: str
) -> Invocation:
    """The command that trains a model with these values; floats are passed in full precision.

    `python` runs scripts of repositories that name no interpreter; `workspace` is absolute.
    Raises SettingsError for a model or a hyper-parameter that the repository does not have, and
    for a missing value.
    """
    if model not in repository.models:
        raise SettingsError(f"{repository.name} has no model {model!r}")
    unknown = [name for name in values if name not in repository.hyperparameters]
    if unknown:
        raise SettingsError(f"{repository.name} has no hyper-parameter {unknown[0]!r}")
    root = workspace / (repository.path or "")
    if repository.command is not None:
        names = {
            "python": _interpreter(repository, root) or python,
            "repo": str(root),
            "model": model,
            "workspace": str(workspace),
        }
        argv = _expanded(repository, names, values)
    else:
        argv = [
            *_program(repository, root, python),
            *_model_option(repository.model_flag, model),
            *repository.required_args,
            *flags(repository.hyperparameters.values(), values),
        ]
    return Invocation(
        tuple(argv), str(root / (repository.cwd or "")), {**_ENVIRONMENT, **repository.env}
    )


def _model_option(flag: str | None, model: str) -> list[str]:
    """The model's option; a flag that ends in ``=`` is joined with it, as with parameters."""
    if not flag:
        return []
    return [flag + model] if flag.endswith("=") else [flag, model]


def _interpreter(repository: Repository, root: Path) -> str | None:
    """The repository's own; one with a slash is a path, any other name is looked up on PATH."""
    own = repository.interpreter
    return str(root / own) if own and "/" in own else own


def _program(repository: Repository, root: Path, python: str) -> list[str]:
    assert repository.train_script is not None
    script = str(root / repository.train_script)
    interpreter = _interpreter(repository, root)
    if interpreter is None and script.endswith(".py"):
        interpreter = python
    return [interpreter, script] if interpreter else [script]


def flags(parameters: Iterable[Hyperparameter], values: Mapping[str, Any]) -> list[str]:
    """The options of those parameters that have a value, in the order of the parameters."""
    argv: list[str] = []
    for parameter in parameters:
        value = values.get(parameter.name)
        if value is None or parameter.flag is None:
            continue
        if parameter.type == "bool":
            argv += [parameter.flag] if value else []
        elif parameter.flag.endswith("="):
            argv.append(parameter.flag + written(parameter, value))
        else:
            argv += [parameter.flag, written(parameter, value)]
    return argv


def written(parameter: Hyperparameter, value: Any) -> str:
    """A value as a program reads it: every digit of a float, true and false in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if parameter.type == "float":
        return repr(float(value))
    return str(value)


def _expanded(
    repository: Repository, names: Mapping[str, str], values: Mapping[str, Any]
) -> list[str]:
    """The command with every placeholder filled in."""
    assert repository.command is not None
    parameters = repository.hyperparameters
    texts = dict(names)
    for name, value in values.items():
        if value is not None:
            texts.setdefault(name, written(parameters[name], value))
    alone = placed(repository.command)
    argv: list[str] = []
    for element in repository.command:
        if element == _PARAMS:
            argv += flags((p for p in parameters.values() if p.name not in alone), values)
            continue
        missing = [name for name in placeholders(element) if name not in texts]
        if missing:
            raise SettingsError(
                f"{repository.name}: the command needs {{{missing[0]}}}, which has no value; "
                "give it one in the settings, or a default in the registry"
            )
        argv.append(
            "".join(
                before + (texts[name] if name is not None else "")
                for before, name, _, _ in string.Formatter().parse(element)
            )
        )
    return argv


def placed(command: Iterable[str]) -> set[str]:
    """All names that stand in a command as {name}."""
    return {name for element in command for name in placeholders(element)}


def placeholders(element: str) -> list[str]:
    """The names in one element of a command. Raises ValueError for what is no such name."""
    names: list[str] = []
    for _, name, form, conversion in string.Formatter().parse(element):
        if name is None:
            continue
        if not name or form or conversion:
            raise ValueError("write literal braces as {{ and }}")
        names.append(name)
    return names
