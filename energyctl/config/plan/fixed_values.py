"""Values that the settings fix, in the types of the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from energyctl.config.jsonfile.validation import nearest, shown
from energyctl.config.registry import Hyperparameter
from energyctl.config.registry.expressions import Expression, ExpressionError, arithmetic
from energyctl.config.settings.problems import Path, ProblemList

Parameters = Mapping[str, Hyperparameter]


def fixed_values(
    path: Path, repo: str, parameters: Parameters, values: Mapping[str, Any], report: ProblemList
) -> dict[str, Any]:
    """The given values in the registry's types, some of them expressions; what the program cannot
    take is left out. *path*: of the object that has them."""
    typed: dict[str, Any] = {}
    for name, value in values.items():
        inside = (*path, "hyperparameters", name)
        parameter = parameters.get(name)
        if parameter is None:
            message = f"{shown(repo)} has no such hyper-parameter: it is not passed"
            report.add(inside, message, like(name, parameters), "warning")
            continue
        if parameter.unsupported is not None:
            message = f"is not passed, {shown(repo)} does not support it: "
            report.add(inside, message + parameter.unsupported, "remove it", "warning")
            continue
        try:
            typed[name] = _expression(parameter, value) or parameter.accept(value)
        except ExpressionError as error:
            report.add(inside, f"{shown(value)} {error}")
        except ValueError as error:
            report.add(inside, f"{error}, not {shown(value)}")
        _check_operands(inside, repo, parameters, typed.get(name), report)
    return typed


def _expression(parameter: Hyperparameter, value: Any) -> Expression | None:
    """A value that is to be computed from others; None for any other. Raises ExpressionError."""
    if parameter.type not in ("int", "float") or not isinstance(value, str):
        return None
    expression = arithmetic(value)
    return expression if expression.names else None


def _check_operands(
    path: Path, repo: str, parameters: Parameters, value: Any, report: ProblemList
) -> None:
    """The hyper-parameters that a value is computed from."""
    for name in value.names if isinstance(value, Expression) else ():
        if name not in parameters:
            message = f"{shown(name)} is no hyper-parameter of {shown(repo)}"
            report.add(path, message, like(name, parameters))
        elif parameters[name].type not in ("int", "float"):
            kind = parameters[name].type
            report.add(path, f"{shown(name)} is no number, but of type {kind}")


def like(name: str, names: Iterable[str]) -> str | None:
    """The known name that was probably meant, else those that there are, as a suggestion."""
    names = list(names)
    meant = nearest(name, names)
    if meant is not None:
        return f"did you mean {shown(meant)}?"
    return f"known: {', '.join(names[:10])}" + (", …" if len(names) > 10 else "")
