"""How the values of a run become command lines."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from energyctl import launchers
from energyctl.config.registry.model import Hyperparameter, Repository, Role, Step
from energyctl.errors import SettingsError

PLACEHOLDERS = (
    "python", "repo", "model", "params", "args", "workspace", "workdir", "run_id", "data", "role",
    "notebook",
)  # fmt: skip
LISTS = ("{params}", "{args}")
"""Placeholders that stand for several arguments: each is an element of its own."""

# A program of one file, for the interpreters of repositories: energyctl is not installed there.
_NOTEBOOK = Path(launchers.__file__).resolve().with_name("notebook.py")

# Output reaches the log line by line, and clones stay as they were cloned.
_ENVIRONMENT = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}

# What an earlier step hands on is not known yet: it stands between two private characters.
_LATER = re.compile("\ue000(\\w+)\ue001")


@dataclass(frozen=True)
class Interpreter:
    """What ``{python}`` is for a repository, and what its environment needs for it."""

    python: str
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class InvocationContext:
    """Where a training runs, and as what.

    workspace: absolute. workdir: the folder that the run works in; None: the clone itself.
    run_id: unique for each training that runs at the same time.
    """

    workspace: Path
    interpreter: Interpreter
    role: Role = "foreground"
    workdir: Path | None = None
    run_id: str = ""


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


def root_of(repository: Repository, workspace: Path) -> Path:
    """The folder of the clone."""
    return workspace / (repository.path or "")


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
    names = {
        "python": where.interpreter.python,
        "repo": str(root),
        "model": model,
        "workspace": str(where.workspace),
        "workdir": str(workdir),
        "run_id": where.run_id,
        "role": where.role,
        "notebook": str(_NOTEBOOK),
        "data": "" if repository.data is None else str(where.workspace / repository.data),
    }
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
        *repository.options_of(model).args,
        *repository.required_args,
        *flags(repository.parameters_of(model).values(), values),
    ]


def _environment(
    repository: Repository,
    model: str,
    values: Mapping[str, Any],
    where: InvocationContext,
    names: Mapping[str, str],
) -> dict[str, str]:
    templates = {
        **repository.env,
        **repository.role_env.get(where.role, {}),
        **repository.options_of(model).env,
    }
    parameters = {
        parameter.env_var: written(parameter, values[name])
        for name, parameter in repository.parameters_of(model).items()
        if parameter.env_var and not parameter.unsupported and values.get(name) is not None
    }
    filled = {name: _filled(text, names) for name, text in templates.items()}
    return {**_ENVIRONMENT, **where.interpreter.env, **filled, **parameters}


def _filled(text: str, names: Mapping[str, str]) -> str:
    """*text* with its known placeholders filled in, and ``{{name}}`` as ``{name}``; other braces
    stay as they are."""

    def fill(found: re.Match[str]) -> str:
        literal, name = found.groups()
        if literal is not None:
            return f"{{{literal}}}" if literal in names else found[0]
        return names.get(name, found[0])

    return re.sub(r"\{\{(\w+)\}\}|\{(\w+)\}", fill, text)


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


def flags(parameters: Iterable[Hyperparameter], values: Mapping[str, Any]) -> list[str]:
    """The arguments of those parameters that have a value: options in the order of the
    parameters, then those that have a position, in that order."""
    argv: list[str] = []
    positioned: list[tuple[int, str]] = []
    for parameter in parameters:
        value = values.get(parameter.name)
        if value is None or parameter.unsupported is not None:
            continue
        if parameter.position is not None:
            positioned.append((parameter.position, written(parameter, value)))
        else:
            argv += _option(parameter, value)
    return argv + [text for _, text in sorted(positioned, key=lambda pair: pair[0])]


def _option(parameter: Hyperparameter, value: Any) -> list[str]:
    text = written(parameter, value)
    if parameter.template:
        return [item.replace("{value}", text) for item in parameter.template]
    if parameter.flag is None:
        return []
    if parameter.type == "bool":
        flag = parameter.flag if value else parameter.false_flag
        return [flag] if flag else []
    return [parameter.flag + text] if parameter.flag.endswith("=") else [parameter.flag, text]


def written(parameter: Hyperparameter, value: Any) -> str:
    """A value as a program reads it: every digit of a float, true and false in lower case."""
    if isinstance(value, bool):
        return str(value).lower()
    if parameter.type == "float":
        return repr(float(value))
    return str(value)


def _expanded(
    repository: Repository,
    command: tuple[str, ...],
    model: str,
    names: Mapping[str, str],
    values: Mapping[str, Any],
) -> list[str]:
    """The command with every placeholder filled in."""
    parameters = repository.parameters_of(model)
    texts = dict(names)
    for name, value in values.items():
        if value is not None and parameters[name].unsupported is None:
            texts.setdefault(name, written(parameters[name], value))
    alone = placed(command)
    argv: list[str] = []
    for element in command:
        if element == "{params}":
            argv += flags((p for p in parameters.values() if p.name not in alone), values)
        elif element == "{args}":
            argv += repository.options_of(model).args
        else:
            argv.append(_element(repository, element, texts))
    return argv


def _element(repository: Repository, element: str, texts: Mapping[str, str]) -> str:
    missing = [name for name in placeholders(element) if name not in texts]
    if missing:
        raise SettingsError(
            f"{repository.name}: the command needs {{{missing[0]}}}, which has no value; "
            "give it one in the settings, or a default in the registry"
        )
    return "".join(
        before + (texts[name] if name is not None else "")
        for before, name, _, _ in string.Formatter().parse(element)
    )


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
