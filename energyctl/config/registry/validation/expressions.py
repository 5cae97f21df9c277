"""Checks of values that are computed from others, and of constraints between values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from energyctl.config.jsonfile.validation import shown
from energyctl.config.registry.expressions import (
    Expression,
    ExpressionError,
    arithmetic,
    condition,
)
from energyctl.config.registry.model import Hyperparameter
from energyctl.config.registry.schema import HyperparameterFields, RepositoryFields
from energyctl.config.registry.validation.faults import Fault, Path, written_as
from energyctl.config.registry.values import MissingValue, broken, complete

_ELSEWHERE = ("default", "range", "choices", "zero_probability")
"""What says where a value comes from, beside `value`."""


def expressions(path: Path, fields: RepositoryFields) -> Iterator[Fault]:
    """What is wrong with them: each by itself, else with the defaults of each model."""
    known = fields.supported_hyperparams
    faults: list[Fault] = []
    computed: dict[str, Expression] = {}
    for name, parameter in known.items():
        place = (*path, "supported_hyperparams", name)
        faults += _beside(place, parameter)
        if parameter.value is not None:
            place = (*place, "value")
            faults += _of_a_number(place, parameter)
            expression, wrong = _read(place, parameter.value, arithmetic, known)
            faults += wrong or _operands(place, expression, known)
            computed |= {name: expression} if expression else {}
    constraints: list[tuple[Path, Expression]] = []
    for number, text in enumerate(fields.constraints):
        place = (*path, "constraints", number)
        expression, wrong = _read(place, text, condition, known)
        faults += wrong
        constraints += [(place, expression)] if expression else []
    for model, own in fields.per_model.items():
        for part in ("defaults", "ranges"):
            for name in getattr(own, part).keys() & computed.keys():
                message = "has no effect: the value is computed from others"
                faults.append(((*path, "per_model", model, part, name), message, "remove it"))
    yield from faults
    if not faults:
        yield from _with_defaults(path, fields, computed, constraints)


def _beside(path: Path, parameter: HyperparameterFields) -> Iterator[Fault]:
    for other in _ELSEWHERE:
        if parameter.value is not None and getattr(parameter, other):
            yield (*path, "value"), f'stands beside "{other}"', "keep one of them"


def _of_a_number(path: Path, parameter: HyperparameterFields) -> Iterator[Fault]:
    if parameter.type not in ("int", "float"):
        yield path, f"has no meaning for type {parameter.type}: numbers alone are computed", None


def _read(
    path: Path,
    text: str,
    read: Callable[[str], Expression],
    known: Mapping[str, HyperparameterFields],
) -> tuple[Expression | None, list[Fault]]:
    try:
        expression = read(text)
    except ExpressionError as error:
        return None, [(path, str(error), None)]
    wrong: list[Fault] = [
        (path, f"{shown(name)} is no hyper-parameter", written_as(name, known))
        for name in expression.names
        if name not in known
    ]
    return None if wrong else expression, wrong


def _operands(
    path: Path, expression: Expression | None, known: Mapping[str, HyperparameterFields]
) -> Iterator[Fault]:
    for name in expression.names if expression else ():
        if known[name].type not in ("int", "float"):
            yield path, f"{shown(name)} is no number, but of type {known[name].type}", None


def _with_defaults(
    path: Path,
    fields: RepositoryFields,
    computed: Mapping[str, Expression],
    constraints: list[tuple[Path, Expression]],
) -> Iterator[Fault]:
    """A fault that all models share is named once."""
    faults: dict[Fault, None] = {}
    for model in fields.models:
        try:
            values = complete(_parameters(fields, model, computed), {})
        except MissingValue:
            continue  # the settings may give it
        except ExpressionError as error:
            place = (*path, "supported_hyperparams")
            faults[place, f"with the defaults, {error}", None] = None
            continue
        for place, constraint in constraints:
            try:
                fault = broken([constraint], values)
            except ExpressionError as error:
                fault = str(error)
            if fault is not None:
                faults[place, f"the default {fault}", "change a default, or the constraint"] = None
    yield from faults


def _parameters(
    fields: RepositoryFields, model: str, computed: Mapping[str, Expression]
) -> dict[str, Hyperparameter]:
    """Those of a model, with what matters to its values."""
    own = fields.per_model.get(model)
    result = {}
    for name, parameter in fields.supported_hyperparams.items():
        least, greatest = parameter.bounds or (None, None)
        default, why = parameter.default, parameter.unsupported
        if own is not None:
            default, why = own.defaults.get(name, default), own.unsupported.get(name, why)
        result[name] = Hyperparameter(
            name=name,
            flag=None,
            type=parameter.type,
            default=default,
            least=least,
            greatest=greatest,
            unsupported=why,
            value=computed.get(name),
        )
    return result
