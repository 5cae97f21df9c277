"""Checks of steps and commands: their order, their placeholders, and what reaches them."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator

from energyctl.config.jsonfile.validation import shown
from energyctl.config.registry.model import ROLES
from energyctl.config.registry.placeholders import (
    LISTS,
    PLACEHOLDERS,
    names_in,
    names_in_command,
)
from energyctl.config.registry.schema import RepositoryFields, StepFields
from energyctl.config.registry.validation.faults import Fault, Path, inside, option
from energyctl.config.registry.validation.parameters import WAYS, ways_of
from energyctl.config.registry.validation.placeholders import (
    unknown,
    unsupported,
    without_data,
)

_STEP_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_VALUE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def commands(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    """What is wrong with the programs of a repository."""
    given = [fields.train_script, fields.command, fields.steps]
    if sum(part is not None for part in given) != 1:
        yield path, 'needs either "train_script", "command" or "steps", and one of them only', None
        return
    programs = list(_programs(path, fields))
    for place, step in programs:
        if (step.command is None) == (step.train_script is None):
            yield place, 'needs either "train_script" or "command"', None
    if fields.steps is not None:
        yield from _order((*path, "steps"), fields.steps)
        yield from _values_handed_on(path, fields, fields.steps)
        if fields.accepted_exit_codes is not None:
            message = 'has no effect beside "steps"'
            yield (*path, "accepted_exit_codes"), message, "write it into the step"
    for place, step in programs:
        yield from _command((*place, "command"), fields, step)
    yield from _script(path, fields, [step for _, step in programs])
    yield from _reached(path, fields, [step for _, step in programs])


def _programs(path: Path, fields: RepositoryFields) -> Iterator[tuple[Path, StepFields]]:
    """Every step with its place; a repository without steps is one."""
    if fields.steps is None:
        yield (
            path,
            StepFields(name="train", command=fields.command, train_script=fields.train_script),
        )
    for number, step in enumerate(fields.steps or ()):
        yield (*path, "steps", number), step


def _order(path: Path, steps: tuple[StepFields, ...]) -> Iterator[Fault]:
    for number, step in enumerate(steps):
        if not _STEP_NAME.fullmatch(step.name):
            yield (*path, number, "name"), "must be of letters, digits and . _ - alone", None
        if step.metered and "foreground" not in step.roles:
            hint = 'add the role "foreground", or remove "metered"'
            yield (*path, number, "metered"), "has no effect: only the foreground is metered", hint
    for name, count in Counter(step.name for step in steps).items():
        if count > 1:
            yield path, f"names {shown(name)} more than once", "give each step a name of its own"
    for role in ROLES:
        if not any(role in step.roles for step in steps):
            yield path, f"has no step for the {role}", f'add "{role}" to the roles of one'
    measured = [step for step in steps if "foreground" in step.roles]
    counted = [
        number == 0 if step.metered is None else step.metered
        for number, step in enumerate(measured)
    ]
    if measured and not any(counted):
        yield path, "none of the foreground's steps is metered", 'add "metered": true to one'
    elif "".join("m" if count else " " for count in counted).strip().count(" "):
        names = ", ".join(step.name for step, count in zip(measured, counted, strict=True) if count)
        message = f"metered steps must follow one another: {names}"
        yield path, message, "meter what stands between them, too, or one of them alone"


def _values_handed_on(
    path: Path, fields: RepositoryFields, steps: tuple[StepFields, ...]
) -> Iterator[Fault]:
    earlier: set[str] = set()
    for number, step in enumerate(steps):
        for name, pattern in step.values.items():
            place = (*path, "steps", number, "values", name)
            if not _VALUE_NAME.fullmatch(name):
                yield place, "must be a name of letters, digits and _", None
            if name in PLACEHOLDERS or name in fields.supported_hyperparams:
                yield place, f"cannot be told from the other {{{name}}}", "rename it"
            if name in earlier:
                yield place, "is handed on by an earlier step already", "rename it"
            earlier.add(name)
            yield from inside(place, pattern)


def _command(path: Path, fields: RepositoryFields, step: StepFields) -> Iterator[Fault]:
    """Placeholders of one command; *path* is the command's."""
    for number, element in enumerate(step.command or ()):
        place = (*path, number)
        try:
            names = names_in_command(element)
        except ValueError:
            yield place, "has a wrong placeholder", "literal braces are {{ and }}"
            continue
        for name in dict.fromkeys(names):
            yield from _placeholder(place, element, name, fields, step)


def _placeholder(
    path: Path, element: str, name: str, fields: RepositoryFields, step: StepFields
) -> Iterator[Fault]:
    parameters = fields.supported_hyperparams
    if name in PLACEHOLDERS:
        if name in parameters:
            message = f"{{{name}}} cannot be told from the hyper-parameter {shown(name)}"
            yield path, message, "rename the hyper-parameter"
        elif f"{{{name}}}" in LISTS and element != f"{{{name}}}":
            yield path, f"{{{name}}} must be an element of its own", None
        elif name == "data" and fields.data is None:
            yield without_data(path)
    elif name in parameters:
        ways = [way for way in ways_of(parameters[name]) if way != "flag"]
        if ways == ["unsupported"]:
            yield unsupported(path, name)
        elif ways:
            message = f'passes {shown(name)}, which has a "{ways[0]}", too'
            yield path, message, "keep one of them"
    else:
        yield from _handed(path, name, fields, step)


def _handed(path: Path, name: str, fields: RepositoryFields, step: StepFields) -> Iterator[Fault]:
    """A name that only an earlier step can give its value: in each role that this one has."""
    steps = fields.steps or ()
    earlier = [one for one in steps[: steps.index(step)]] if step in steps else []
    if not any(name in one.values for one in steps):
        handed = [value for one in earlier for value in one.values]
        yield unknown(path, name, [*PLACEHOLDERS, *fields.supported_hyperparams, *handed])
        return
    for role in step.roles:
        if not any(name in one.values for one in earlier if role in one.roles):
            message = f"{{{name}}} is handed on by no earlier step of the {role}"
            hint = "hand it on in an earlier step, or narrow the roles of this one"
            yield path, message, hint


def _names(step: StepFields) -> set[str]:
    """All placeholders of a step."""
    return {name for element in step.command or () for name in names_in(element)}


def _script(path: Path, fields: RepositoryFields, steps: list[StepFields]) -> Iterator[Fault]:
    """What belongs to train_scripts, and how a program is told which model it is to train."""
    scripts = any(step.train_script is not None for step in steps)
    for name in ("model_flag", "required_args"):
        if getattr(fields, name) and not scripts:
            message = 'has no effect beside "command"'
            yield (*path, name), message, "write it into the command"
    yield from option((*path, "model_flag"), fields.model_flag)
    for name, value in fields.required_args.items():
        try:
            shlex.split(value) if isinstance(value, str) else None
        except ValueError as error:
            reason = str(error).lower()
            yield (*path, "required_args", name), f"cannot be split into arguments: {reason}", None
    names = {name for step in steps for name in _names(step)}
    passed = scripts or "args" in names
    for model, own in fields.per_model.items():
        if own.args and not passed:
            hint = "add {args} to a command, as an element of its own"
            yield (*path, "per_model", model, "args"), "never reach the command", hint
    own_of = [fields.per_model.get(model) for model in fields.models]
    ways = {(own.args, tuple(own.env.items())) if own else ((), ()) for own in own_of}
    if len(ways) == len(set(fields.models)) or "model" in names or (scripts and fields.model_flag):
        return
    if scripts:
        yield path, "has several models, but no option that names one", 'add "model_flag"'
    else:
        place = path if fields.steps is not None else (*path, "command")
        yield place, "is the same for all models", "write {model} where the model belongs"


def _reached(path: Path, fields: RepositoryFields, steps: list[StepFields]) -> Iterator[Fault]:
    """Hyper-parameters that no step of the foreground gets."""
    measured = [step for step in steps if "foreground" in step.roles]
    names = {name for step in measured for name in _names(step)}
    scripts = any(step.train_script is not None for step in measured)
    for name, parameter in fields.supported_hyperparams.items():
        place = (*path, "supported_hyperparams", name)
        ways = ways_of(parameter)
        if name in names or {"unsupported", "env_var", "config"} & set(ways):
            continue
        if not (scripts or "params" in names):
            message = "never reaches the command"
            yield place, message, f"add {{params}} or {{{name}}} to it"
        elif not ways:
            others = ", ".join(WAYS[1:])
            hint = f'add it, as "--{name}"; other ways are {others}'
            yield place, '"flag" is missing', hint
