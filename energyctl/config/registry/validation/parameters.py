"""Checks of hyper-parameters: types, ranges, bounds, and one way to reach the program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from energyctl.config.jsonfile.validation import shown
from energyctl.config.registry.model import Hyperparameter
from energyctl.config.registry.schema import HyperparameterFields, ModelFields, RepositoryFields
from energyctl.config.registry.validation.faults import Fault, Path, option, variable, written_as

WAYS = ("flag", "template", "env_var", "position", "config", "unsupported")
"""Each by itself says how a value reaches the program."""

_NUMERIC = ("int", "float")


def ways_of(fields: HyperparameterFields) -> list[str]:
    """Those that are given, but for a place in a command."""
    return [name for name in WAYS if getattr(fields, name) is not None]


def one_parameter(path: Path, name: str, fields: HyperparameterFields) -> Iterator[Fault]:
    """What is wrong with one parameter by itself."""
    numeric = fields.type in _NUMERIC
    yield from _bounds(path, fields, numeric)
    values: list[tuple[Path, Any]] = [(("default",), fields.default)]
    values += [(("range", number), bound) for number, bound in enumerate(fields.range or ())]
    values += [(("choices", number), value) for number, value in enumerate(fields.choices or ())]
    for inside, value in values:
        if value is not None and (inside[0] != "range" or numeric):
            yield from _value((*path, *inside), name, fields, value)
    yield from _ways(path, fields)
    if fields.zero_probability:
        inside = (*path, "zero_probability")
        if not numeric:
            yield inside, f"has no meaning for type {fields.type}", None
        elif fields.bounds and not fields.bounds[0] <= 0 <= fields.bounds[1]:
            yield inside, "would draw 0, which is outside the bounds", "widen the bounds"
    yield from _range((*path, "range"), fields, fields.range)
    if fields.scales_duration and not numeric:
        yield (*path, "scales_duration"), f"has no meaning for type {fields.type}", "remove it"


def _value(path: Path, name: str, fields: HyperparameterFields, value: Any) -> Iterator[Fault]:
    """A value that is not of the type, or outside the bounds."""
    try:
        typed = Hyperparameter(name, None, fields.type).accept(value)
    except ValueError as error:
        yield path, f"{error}, as its type says, not {shown(value)}", None
        return
    least, greatest = fields.bounds or (None, None)
    if fields.type in _NUMERIC:
        try:
            Hyperparameter(name, None, fields.type, least=least, greatest=greatest).accept(typed)
        except ValueError as error:
            yield path, f"{error}, as its bounds say, not {shown(value)}", None


def _bounds(path: Path, fields: HyperparameterFields, numeric: bool) -> Iterator[Fault]:
    if fields.bounds is None:
        return
    inside = (*path, "bounds")
    low, high = fields.bounds
    if not numeric:
        yield inside, f"have no meaning for type {fields.type}", 'write "choices"'
    elif low > high:
        yield inside, f"start above their end: {low} > {high}", f"write [{high}, {low}]"
    for number, bound in enumerate(fields.bounds if numeric else ()):
        if fields.type == "int" and not isinstance(bound, int):
            message = f"must be a whole number, as its type says, not {bound}"
            yield (*inside, number), message, None


def _ways(path: Path, fields: HyperparameterFields) -> Iterator[Fault]:
    ways = ways_of(fields)
    if len(ways) > 1:
        names = " and ".join(f'"{way}"' for way in ways)
        yield path, f"reaches the program in two ways at once: {names}", "keep one of them"
    yield from option((*path, "flag"), fields.flag)
    yield from option((*path, "false_flag"), fields.false_flag)
    if fields.type == "bool" and (fields.flag or "").endswith("="):
        hint = 'remove the "=" at its end, or write "template": ["' + f'{fields.flag}{{value}}"]'
        yield (*path, "flag"), "of a bool is passed alone", hint
    if fields.false_flag is not None and (fields.type != "bool" or fields.flag is None):
        yield (*path, "false_flag"), 'is for a bool with a "flag"', None
    if fields.template is not None and not any("{value}" in item for item in fields.template):
        hint = 'write it where the value belongs, as ["--opt", "lr={value}"]'
        yield (*path, "template"), "does not hold {value}", hint
    if fields.env_var is not None:
        yield from variable((*path, "env_var"), fields.env_var)
    if fields.true_false is not None:
        yield from _spelling((*path, "true_false"), fields)


def _spelling(path: Path, fields: HyperparameterFields) -> Iterator[Fault]:
    if fields.type != "bool":
        yield path, f"has no meaning for type {fields.type}", None
    elif fields.config is not None:
        yield path, "has no effect in a file, which has words of its own for true and false", None
    elif len(set(fields.true_false or ())) < 2:
        yield path, "spells true and false alike", None


def _range(
    path: Path, fields: HyperparameterFields, pair: tuple[int | float, int | float] | None
) -> Iterator[Fault]:
    """What is wrong with a range by itself: the parameter's, or that of one model."""
    if pair is None:
        return
    low, high = pair
    if fields.type not in _NUMERIC:
        yield path, f"has no meaning for type {fields.type}", 'write "choices"'
    elif fields.choices:
        yield path, 'stands beside "choices"', "keep one of them"
    elif low > high:
        yield path, f"starts above its end: {low} > {high}", f"write [{high}, {low}]"
    elif fields.distribution == "log_uniform" and low <= 0:
        hint = 'raise the lower end, or use "uniform"; for zeros, add "zero_probability"'
        yield path, f"must be above 0 for log_uniform, not {low}", hint


def per_model(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    """What single models have of their own: models and parameters must be there, values fit."""
    for model, own in fields.per_model.items():
        inside = (*path, "per_model", model)
        if model not in fields.models:
            yield inside, "is none of the models", written_as(model, fields.models)
        yield from _own_values(inside, fields, own)


def _own_values(path: Path, fields: RepositoryFields, own: ModelFields) -> Iterator[Fault]:
    known = fields.supported_hyperparams
    for part in ("defaults", "ranges", "unsupported"):
        names: Mapping[str, object] = getattr(own, part)
        for name in names:
            if name not in known:
                hint = written_as(name, known)
                yield (*path, part, name), "is none of the supported_hyperparams", hint
    for name, value in own.defaults.items():
        if name in known:
            yield from _value((*path, "defaults", name), name, known[name], value)
    for name, pair in own.ranges.items():
        if name not in known:
            continue
        inside = (*path, "ranges", name)
        yield from _range(inside, known[name], pair)
        for number, bound in enumerate(pair if known[name].type in _NUMERIC else ()):
            yield from _value((*inside, number), name, known[name], bound)
