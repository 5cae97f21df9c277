"""All values of a training: those given, defaults, and those that are computed from others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from energyctl.config.registry.expressions import Expression, ExpressionError
from energyctl.config.registry.model import Hyperparameter


class MissingValue(ExpressionError):
    """A value depends on one that nobody gives."""


def complete(parameters: Mapping[str, Hyperparameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every value that the program takes, in the order of *parameters*; of *given* some may be
    expressions. Raises ExpressionError, with the name, where one cannot be computed."""
    sources = {
        name: given.get(name, parameter.default if parameter.value is None else parameter.value)
        for name, parameter in parameters.items()
        if parameter.unsupported is None
    }
    if not any(isinstance(source, Expression) for source in sources.values()):
        return {name: value for name, value in sources.items() if value is not None}
    done: dict[str, Any] = {}

    def computed(name: str, above: tuple[str, ...]) -> Any:
        source = sources.get(name)
        if name in above:
            circle = " → ".join([*above[above.index(name) :], name])
            raise ExpressionError(f"depends on itself: {circle}")
        if name not in done and isinstance(source, Expression):
            operands = {one: computed(one, (*above, name)) for one in source.names}
            done[name] = _computed(parameters[name], source, operands)
        return done.setdefault(name, source)

    values = {name: computed(name, ()) for name in sources}
    return {name: value for name, value in values.items() if value is not None}


def _computed(parameter: Hyperparameter, source: Expression, operands: Mapping[str, Any]) -> Any:
    what = f"{parameter.name} = {source.text}"
    for name, value in operands.items():
        if value is None:
            hint = "give it one in the settings, or a default in the registry"
            raise MissingValue(f"{what} needs a value of {name}; {hint}")
    try:
        value = source.value(operands)
    except ExpressionError as error:
        raise ExpressionError(f"{what} cannot be computed: {error}") from None
    if parameter.type == "int" and isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return parameter.accept(value)
    except ValueError as error:
        hint = "; write round(…), or // for /" if parameter.type == "int" else ""
        raise ExpressionError(f"{what} is {value}, and {error}{hint}") from None


def broken(constraints: Iterable[Expression], values: Mapping[str, Any]) -> str | None:
    """The first constraint that the values break, with them; None where they keep all. One whose
    values are not all there says nothing. Raises ExpressionError."""
    for constraint in constraints:
        if any(name not in values for name in constraint.names):
            continue
        try:
            kept = constraint.value(values)
        except ExpressionError as error:
            raise ExpressionError(f"{constraint.text} cannot be decided: {error}") from None
        if not kept:
            those = ", ".join(f"{name} {values[name]}" for name in constraint.names)
            return f'breaks the constraint "{constraint.text}": {those}'
    return None
